#!/usr/bin/env bash
# The OpenAI client for Python (3.57.0) takes a stream that breaks off as a whole answer: no "[DONE]", no finish_reason,
# the connection closed, and the loop over the pieces simply ends. Expected was an exception, as for a cut body of JSON.
#
# So does its helper: get_final_completion gives half an answer. Here the reply ends with the connection, as HTTP/1.0 has it;
# of chunks httpx would check that the last one is there. Who judges or collects answers has to look at finish_reason
# himself. An error in a reply of status 200 is likewise a ChatCompletion, with choices None.
#
# Seen on Python 3.11, openai 3.57.0, httpx 0.28.1, a server of Python's standard library on localhost:
#   cut stream: 'opens at' finish None; helper: 'opens at' finish None; error in a 200: ChatCompletion, choices None
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check openai==3.57.0 httpx==0.28.1
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import http.server, json, threading, openai

class Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if asked.get("stream") else "application/json")
        self.end_headers()
        if not asked.get("stream"):
            self.wfile.write(json.dumps({"error": {"message": "out of memory"}}).encode())
            return
        for word in ("opens", " at"):
            piece = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                     "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
            self.wfile.write(f"data: {json.dumps(piece)}\n\n".encode())

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
chat = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", max_retries=0).chat.completions
ask = dict(model="m", messages=[{"role": "user", "content": "when?"}])
pieces = [p.choices[0] for p in chat.create(stream=True, **ask)]
with chat.stream(**ask) as stream:
    final = stream.get_final_completion().choices[0]
failed = chat.create(**ask)
print(f"cut stream: {''.join(p.delta.content for p in pieces)!r} finish {pieces[-1].finish_reason}; "
      f"helper: {final.message.content!r} finish {final.finish_reason}; "
      f"error in a 200: {type(failed).__name__}, choices {failed.choices}")
P
grep -qx "cut stream: 'opens at' finish None; helper: 'opens at' finish None; error in a 200: ChatCompletion, choices None" "$work/seen"
