"""Loads an encoder-decoder that gorqa trained in transformers, and answers test questions from one passage again.

    parity/.venv/bin/python parity/check_fid.py runs/fid [--rows 60]

With one passage Fusion-in-Decoder is plain T5, so transformers' generate must give the same texts, greedily. It
needs the run's test-predictions.jsonl with the context "gold", and a prompt template of {history}{question} and
{passages}, as examples/fid-godoc has it. Rows of several passages, and those whose passage was cut, are left out.
Exits 1 where an answer is not the same text.
"""
import json
import os
import sys

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from check_export import arguments


def main():
    args = arguments(__doc__)

    def read(name):
        with open(os.path.join(args.folder, name), encoding="utf-8") as f:
            return f.read()

    settings, trained = json.loads(read("all_args.json")), json.loads(read("fid.json"))
    model = AutoModelForSeq2SeqLM.from_pretrained(args.folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    compared = equal = 0
    for row in map(json.loads, read("test-predictions.jsonl").splitlines()):
        if row["context"] != "gold" or len(row["gold_docs"]) != 1 or compared == args.rows:
            continue
        text = f"{row['question']}\n{row['gold_docs'][0]['fmt_content']}"
        ids = tokenizer(text, add_special_tokens=False).input_ids + [model.config.eos_token_id]
        if len(ids) > trained["max_encoder_seq_length"]:
            continue
        out = model.generate(torch.tensor([ids]), max_new_tokens=settings["eval_max_new_tokens"], do_sample=False, num_beams=1)
        answer = tokenizer.decode(out[0], skip_special_tokens=True).strip()
        compared += 1
        if answer == row["generated_answer"]:
            equal += 1
        else:
            print(f"{row['question']}\n  gorqa: {row['generated_answer']}\n  transformers: {answer}")
    print(f"{equal} of {compared} answers are equal; {type(model).__name__} from {args.folder} in transformers")
    sys.exit(equal != compared or compared == 0)


if __name__ == "__main__":
    main()
