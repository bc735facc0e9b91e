"""Asks a GGUF file that gorqa converted in llama.cpp, with prompts and greedy answers of a golden that transformers made.

    gorqa convert gemma-3-270m.gguf gemma.gguf --dtype F32
    parity/.venv/bin/python parity/check_gguf_answers.py gemma.gguf tensor/generate/testdata/gemma3_greedy.json [--rows 12]

Needs xllamacpp (2026.10.11549). Exits 1 where an answer differs.
"""
import argparse
import json
import os
import sys

import xllamacpp


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("golden")
    parser.add_argument("--rows", type=int, default=12)
    args = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = os.path.abspath(args.model)
    params.n_ctx, params.n_gpu_layers, params.n_parallel, params.warmup = 512, 0, 1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    with open(args.golden, encoding="utf-8") as f:
        values = json.load(f)["values"]
    rows, equal = values["rows"][: args.rows], 0
    for row in rows:
        request = {"prompt": row["ids"], "max_tokens": values["settings"]["new_tokens"], "temperature": 0, "cache_prompt": False, "ignore_eos": True}
        answer = server.handle_completions(request)["choices"][0]["text"]
        equal += answer == row["text"]
        if answer != row["text"]:
            print(f"{row['prompt']!r}\n  transformers: {row['text']!r}\n  llama.cpp: {answer!r}")
    print(f"{equal} of {len(rows)} answers are equal")
    sys.stdout.flush()
    os._exit(equal != len(rows))  # the server's threads do not end by themselves


if __name__ == "__main__":
    main()
