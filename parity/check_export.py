"""Loads a folder that gorqa trained in transformers, and answers the test questions again.

    parity/.venv/bin/python parity/check_export.py runs/demo [--rows 10]

It needs the run's test-predictions.jsonl and all_args.json beside the model, and the default prompt.
Greedy answers must be the same texts as gorqa's. Exits 1 where one is not.
"""
import argparse
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "prompt", "default.txt")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--rows", type=int, default=10)
    args = parser.parse_args()

    def read(name):
        with open(os.path.join(args.folder, name), encoding="utf-8") as f:
            return f.read()

    settings = json.loads(read("all_args.json"))
    rows = [json.loads(line) for line in read("test-predictions.jsonl").splitlines()][: args.rows]
    with open(PROMPT, encoding="utf-8") as f:
        prompt = f.read().rstrip("\n")
    model = AutoModelForCausalLM.from_pretrained(args.folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    end = tokenizer.convert_tokens_to_ids(settings["sep_sys"])
    equal = 0
    for row in rows:
        passages = "\n".join(d["fmt_content"] for d in row["retrieved_docs"])
        dialogue = f"{settings['user_prefix']}: {row['question']}{settings['sep_user']}{settings['assistant_prefix']}:"
        ids = tokenizer(prompt.replace("{passages}", passages).replace("{dialogue}", dialogue), return_tensors="pt").input_ids
        out = model.generate(
            ids, max_new_tokens=settings["eval_max_new_tokens"], do_sample=False,
            eos_token_id=end, pad_token_id=0, repetition_penalty=1.0,
        )
        answer = tokenizer.decode(out[0, ids.shape[1]:], skip_special_tokens=True).strip()
        if answer == row["generated_answer"]:
            equal += 1
        else:
            print(f"{row['question']}\n  gorqa:        {row['generated_answer']}\n  transformers: {answer}")
    print(f"{equal} of {len(rows)} answers are equal; {type(model).__name__} from {args.folder}")
    sys.exit(equal != len(rows))


if __name__ == "__main__":
    main()
