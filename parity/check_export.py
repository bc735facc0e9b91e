"""Loads a folder that gorqa trained in transformers, and answers the test questions again.

    parity/.venv/bin/python parity/check_export.py runs/demo [--rows 10]

It needs the run's test-predictions.jsonl and all_args.json beside the model, and for a prompt gorqa's
wording or the model's own chat template.
Greedy answers must be the same texts as gorqa's. Exits 1 where one is not.
"""
import argparse
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "text", "prompt", "default.txt")


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as f:
        return f.read()


def predictions(folder, context):
    """The test rows of a run that were answered from a context."""
    rows = map(json.loads, read(folder, "test-predictions.jsonl").splitlines())
    return [row for row in rows if row["context"] == context]


def compare(rows, answers, library, model):
    """Compares a library's answers with gorqa's, prints what differs, and exits: 0 where all are there and equal."""
    equal = 0
    for row, answer in zip(rows, answers, strict=True):
        if answer == row["generated_answer"]:
            equal += 1
        else:
            print(f"{row['question']}\n  gorqa: {row['generated_answer']}\n  {library}: {answer}")
    print(f"{equal} of {len(rows)} answers are equal; {model} in {library}")
    sys.exit(not rows or equal != len(rows))


def messages(row, bare=False):
    """The conversation of a test row, with instruction and passages or with the passages alone in its system message."""
    passages = "\n".join(d["fmt_content"] for d in row["retrieved_docs"])
    with open(PROMPT, encoding="utf-8") as f:
        instruction = f.read().split("{dialogue}")[0].strip()
    history = [{"role": "assistant" if t["speaker"].lower() in ("system", "assistant") else "user", "content": t["message"]} for t in row.get("chat_history") or []]
    system = passages if bare else instruction.replace("{passages}", passages)
    return [{"role": "system", "content": system}, *history, {"role": "user", "content": row["question"]}]


class Run:
    """A run's folder: its first test rows with retrieved passages, their prompts as token ids, where answers end."""

    def __init__(self, folder, rows):
        self.folder = folder
        settings = json.loads(read(folder, "all_args.json"))
        saved = json.loads(read(folder, "gorqa_prompt.json"))
        form = saved["format"]
        self.rows = predictions(folder, "retrieved")[:rows]
        with open(PROMPT, encoding="utf-8") as f:
            prompt = f.read().rstrip("\n")
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.max_new_tokens = settings["eval_max_new_tokens"]
        self.prompts = []
        if "chat" in saved:
            self.end = self.tokenizer.eos_token_id
            for row in self.rows:
                text = self.tokenizer.apply_chat_template(messages(row), add_generation_prompt=True, tokenize=False)
                self.prompts.append(self.tokenizer(text, add_special_tokens=False).input_ids)
            return
        self.end = self.tokenizer.convert_tokens_to_ids(form["sep_sys"])
        for row in self.rows:
            passages = "\n".join(d["fmt_content"] for d in row["retrieved_docs"])
            dialogue = f"{form['user_prefix']}: {row['question']}{form['sep_user']}{form['assistant_prefix']}:"
            text = prompt.replace("{passages}", passages).replace("{dialogue}", dialogue)
            self.prompts.append(self.tokenizer(text).input_ids)

    def compare(self, answers, library, model):
        """Compares the token ids of answers with gorqa's texts, prints what differs, and exits."""
        texts = [self.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in answers]
        compare(self.rows, texts, library, f"{model} from {self.folder}")


def arguments(doc):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--rows", type=int, default=10)
    return parser.parse_args()


def main():
    args = arguments(__doc__)
    run = Run(args.folder, args.rows)
    model = AutoModelForCausalLM.from_pretrained(args.folder, dtype=torch.float32)
    answers = []
    for prompt in run.prompts:
        out = model.generate(
            torch.tensor([prompt]), max_new_tokens=run.max_new_tokens, do_sample=False,
            eos_token_id=run.end, pad_token_id=0, repetition_penalty=1.0,
        )
        answers.append(out[0, len(prompt):])
    run.compare(answers, "transformers", type(model).__name__)


if __name__ == "__main__":
    main()
