"""A server of OpenAI's API under so many clients: tokens a second, and the time to the first one.

    python serve.py '{"command": ["gorqa", "serve", …], "documents": "documents.jsonl", "test": "test.jsonl", "clients": 8}'

The command is a server that says its address on a line with "Serving": gorqa's, or llamacpp.py. It is asked over HTTP,
by /v1/completions in streams, to continue texts greedily: the default prompt with a question of the test set and
passages up to a number of characters. Each client sends its next request when it has all of the last one; no text comes
twice, so a server's memory of earlier prompts helps it only where they begin alike. Neither loading nor the first
request is timed; what gorqa compiles it keeps on disk, so that the first run pays for the rest. With "decoding" the texts
are the beginnings of documents, and rows are tokens after the first of each answer.
"""
import concurrent.futures
import http.client
import importlib.metadata
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "..", "text", "prompt", "default.txt"), encoding="utf-8") as f:
    TEMPLATE = f.read().rstrip("\n")


def prompts(args, count):
    """Texts of about the same length, each with a question and documents drawn for it, the last one cut."""
    with open(args["test"], encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    with open(args["documents"], encoding="utf-8") as f:
        documents = [json.loads(line)["page_content"] for line in f]
    draw = random.Random(0)
    for i in range(count):
        if args["decoding"]:
            yield draw.choice(documents)[: args["characters"]]
            continue
        passages = ""
        while len(passages) < args["characters"]:
            passages += draw.choice(documents) + "\n"
        yield TEMPLATE.replace("{passages}", passages[: args["characters"]]).replace("{dialogue}", f"USER: {rows[i % len(rows)]['question']} ASSISTANT:")


def start(command):
    """The server's process and address, once it says it."""
    logs = [tempfile.TemporaryFile("w+") for _ in range(2)]
    server = subprocess.Popen(command, stdout=logs[0], stderr=logs[1], text=True)
    for _ in range(1200):
        said = ""
        for log in logs:
            log.seek(0)
            said += log.read()
        if found := re.search(r"^Serving .*http://([\d.]+:\d+)", said, re.M):
            return server, found[1]
        if server.poll() is not None:
            break
        time.sleep(0.1)
    server.kill()
    raise SystemExit(f"{command[0]} does not serve:\n{said[-2000:]}")


def ask(address, prompt, args):
    """One answer: its text, its tokens, those of the prompt, seconds to its first part and from there to its end."""
    began, first, text, usage = time.perf_counter(), None, "", None
    connection = http.client.HTTPConnection(address, timeout=300)
    body = {"prompt": prompt, "max_tokens": args["max_new_tokens"], "temperature": 0, "stream": True, "stream_options": {"include_usage": True}}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise SystemExit(f"{address}: {response.status} {response.read()[:2000]}")
    for line in response:
        if not line.startswith(b"data: ") or line.strip() == b"data: [DONE]":
            continue
        part = json.loads(line[6:])
        usage = part.get("usage") or usage
        if part["choices"] and part["choices"][0]["text"]:
            first = first or time.perf_counter() - began
            text += part["choices"][0]["text"]
    connection.close()
    took = time.perf_counter() - began
    return text.strip(), usage["completion_tokens"], usage["prompt_tokens"], first or took, took - (first or took)


def main():
    args = {"clients": 1, "requests": 4, "characters": 4350, "max_new_tokens": 64, "decoding": False, **json.loads(sys.argv[1])}
    server, address = start(args["command"])
    try:
        texts = list(prompts(args, 1 + args["requests"]))
        with concurrent.futures.ThreadPoolExecutor(args["clients"]) as clients:
            ask(address, texts[0], args)
            began = time.perf_counter()
            answers = list(clients.map(lambda p: ask(address, p, args), texts[1:]))
            seconds = time.perf_counter() - began
        with open(f"/proc/{server.pid}/status", encoding="utf-8") as f:
            peak = int(re.search(r"VmHWM:\s+(\d+)", f.read())[1]) / 2**20
    finally:
        server.terminate()
        server.wait()
    said, written, read, first, rest = zip(*answers)
    versions = {"python": platform.python_version(), "xllamacpp (llama.cpp's server)": importlib.metadata.version("xllamacpp")}
    figures = {
        "rows_per_second": round((sum(written) - len(written)) / sum(rest) if args["decoding"] else len(answers) / seconds, 4),
        "tokens_per_second": round(sum(written) / seconds, 2),
        "seconds_to_first": round(statistics.median(first), 3),
        "prompt_tokens": round(statistics.mean(read)),
        "answer_tokens": round(statistics.mean(written), 1),
        "answers": said,
        "peak_rss_gb": round(peak, 3),
        "versions": versions,
    }
    print(json.dumps(figures), flush=True)


main()
