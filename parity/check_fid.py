"""Loads an encoder-decoder that gorqa trained in transformers, and answers test questions from one passage again.

    parity/.venv/bin/python parity/check_fid.py runs/fid [--rows 60]

With one passage Fusion-in-Decoder is plain T5, so transformers' generate must give the same texts, greedily. It
needs the run's test-predictions.jsonl with the context "gold", and a prompt template of {history}{question} and
{passages}, as examples/fid-godoc has it. Rows of several passages, and those whose passage was cut, are left out.
Exits 1 where an answer is not the same text.
"""
import json

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from check_export import arguments, compare, predictions, read


def main():
    args = arguments(__doc__)
    settings, trained = json.loads(read(args.folder, "all_args.json")), json.loads(read(args.folder, "fid.json"))
    model = AutoModelForSeq2SeqLM.from_pretrained(args.folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    rows, answers = [], []
    for row in predictions(args.folder, "gold"):
        if len(row["gold_docs"]) != 1 or len(rows) == args.rows:
            continue
        text = f"{row['question']}\n{row['gold_docs'][0]['fmt_content']}"
        ids = tokenizer(text, add_special_tokens=False).input_ids + [model.config.eos_token_id]
        if len(ids) > trained["max_encoder_seq_length"]:
            continue
        out = model.generate(torch.tensor([ids]), max_new_tokens=settings["eval_max_new_tokens"], do_sample=False, num_beams=1)
        rows.append(row)
        answers.append(tokenizer.decode(out[0], skip_special_tokens=True).strip())
    compare(rows, answers, "transformers", f"{type(model).__name__} from {args.folder}")


if __name__ == "__main__":
    main()
