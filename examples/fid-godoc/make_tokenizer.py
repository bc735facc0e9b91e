"""Makes tokenizer.json: byte-level BPE of 2048 tokens over the demo's data.

    gorqa data godoc --output_dir runs/godoc-fid --train_rows 4600 --eval_rows 40 --test_rows 60 --documents 5000
    python examples/fid-godoc/make_tokenizer.py runs/godoc-fid

A model of random weights learns few tokens sooner than many: the 49152 of
SmolLM2 make Go's documentation no shorter, and cost half of a training step.
"""
import json
import os
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

data = sys.argv[1]
texts = [json.loads(line)["fmt_content"] for line in open(os.path.join(data, "documents.jsonl"))]
for line in open(os.path.join(data, "train_w_qa.jsonl")):
    row = json.loads(line)
    texts += [row["question"], row["gold_answer"]]
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
    vocab_size=2048, special_tokens=["<pad>", "</s>"], initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
))
tokenizer.save(os.path.join(os.path.dirname(os.path.abspath(__file__)), "tokenizer.json"), pretty=False)
