"""The golden of Gemma 3's tokenizer: the ids that llama.cpp's server gives for texts with a GGUF file.

    python make_gguf_tokens.py gemma-3-270m.gguf

Needs xllamacpp (2026.10.11549). Writes ../qa/testdata/gemma3_tokens.json; nothing of the vocabulary is in it but ids.
llama.cpp is asked because transformers 5.23 reads the vocabulary's runs of spaces otherwise: it takes a ▁ that stands in
a text for a space there, and divides more than 31 spaces by halves.
"""
import importlib.metadata
import json
import os
import sys
import types
import urllib.request

sys.modules.setdefault("tokenizers", types.SimpleNamespace(Tokenizer=None))  # that make_tokenizer imports; its texts are all that is used
from make_tokenizer import SEED, TORTURE, WORDS, fuzzed  # noqa: E402

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "qa", "testdata", "gemma3_tokens.json")
CHAT = [
    "<start_of_turn>user\nHow do I stop it?<end_of_turn>\n<start_of_turn>model\n",
    "<bos><start_of_turn>user\n  two  spaces<end_of_turn>\n\n\n<eos>",
    "Passages:\nSource: manual.txt\nContent: Press the red button for two seconds.\n\nUSER: How do I stop it? ASSISTANT:",
    "<unused7><start_of_image><unk><pad><table><h1></h1>[multimodal]",
    *(" " * n + "x" for n in (2, 15, 16, 30, 31, 32, 33, 62, 63)),
    *("\n" * n + "x" for n in (2, 16, 31, 32, 33)),
    *("\t" * n + "x" for n in (2, 31, 32)),
]


def main():
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = os.path.abspath(sys.argv[1])
    params.n_ctx, params.n_gpu_layers, params.n_parallel, params.warmup = 256, 0, 1, False
    server = xllamacpp.Server(params)

    def ask(text):
        body = json.dumps({"content": text, "add_special": True, "parse_special": True}).encode()
        request = urllib.request.Request(server.listening_address + "/tokenize", body, {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request))["tokens"]

    texts = CHAT + TORTURE + WORDS + list(fuzzed(200))
    rows = [[text, ask(text)] for text in texts]
    head = {
        "maker": "parity/make_gguf_tokens.py",
        "versions": {"xllamacpp": importlib.metadata.version("xllamacpp")},
        "seed": SEED,
        "dtype": "int32",
        "tolerance": {"ids": [0, 0]},
    }
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=True, separators=(",", ":")) for row in rows)
    with open(OUT, "w") as f:
        f.write(json.dumps(head, indent=1)[:-2] + ',\n "values": {"rows": [\n  ' + lines + "\n ]}\n}\n")
    print(f"{len(rows)} texts")
    sys.stdout.flush()
    os._exit(0)  # the server's threads do not end by themselves


if __name__ == "__main__":
    main()
