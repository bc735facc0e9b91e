"""Compares the tokens of a GGUF file that gorqa converted in llama.cpp with gorqa's own: a text and its ids by `gorqa tokenize`
must give the same next tokens with the same probabilities.

    gorqa convert FOLDER model.gguf --dtype F32
    parity/.venv/bin/python parity/check_gguf_tokens.py FOLDER model.gguf [GORQA]

Needs xllamacpp (2026.10.11549). Exits 1 where a text differs; with a SentencePiece tokenizer those that begin with a space
do, as gorqa convert says.
"""
import json
import os
import subprocess
import sys

import xllamacpp

TEXTS = ["Hello world, it's 12345 fine!", "  leading spaces\n\nand lines\t\ttabs", "naïve café, déjà vu … 你好 мир", 'func main() { fmt.Println("x") }', "a",
         "ABC_def-ghi 3.14e10  end ", " one", "don't WON'T I'll", "🙂 emoji 🇩🇪"]  # fmt: skip


def main():
    folder, path = sys.argv[1:3]
    gorqa = sys.argv[3] if len(sys.argv) > 3 else "bin/gorqa"
    params = xllamacpp.CommonParams()
    params.model.path = os.path.abspath(path)
    params.n_ctx, params.n_gpu_layers, params.n_parallel = 512, 0, 1
    server = xllamacpp.Server(params)

    def ask(prompt):
        said = server.handle_completions({"prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": 5, "cache_prompt": False})
        return said["usage"]["prompt_tokens"], json.dumps(said["choices"][0]["logprobs"])

    lines = "".join(json.dumps(text) + "\n" for text in TEXTS)
    out = subprocess.run([gorqa, "tokenize", "--model_name_or_path", folder], input=lines, capture_output=True, text=True, check=True).stdout
    differ = [text for text, ids in zip(TEXTS, out.splitlines(), strict=True) if ask(text) != ask(json.loads(ids))]
    print(f"{len(TEXTS) - len(differ)} of {len(TEXTS)} texts have the same tokens in llama.cpp; others: {differ}")
    sys.stdout.flush()
    os._exit(bool(differ))  # the server's threads do not end by themselves


if __name__ == "__main__":
    main()
