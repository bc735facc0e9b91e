#!/usr/bin/env bash
# trl 1.16.0's SFTTrainer cuts a prompt-completion row at max_length (default 1024) from the end: the answer goes first.
#
# A row whose prompt fills the length loses its whole answer and is then dropped from the data; a row that is a little
# shorter is trained on the head of its answer, without the end token. The only trace of either is a progress bar
# ("Dropping fully masked examples") without a count. Rows of retrieved passages are just those with long prompts.
#
# Seen on Python 3.11, trl 1.16.0, transformers 5.23.0, datasets 5.2.0, torch 2.11.0, a random llama of one layer:
#   rows given 3, rows trained 2
#   prompt of 1022 tokens: answer tokens trained 2 of 6, ends in the end token: False
#   prompt of 4 tokens: answer tokens trained 6 of 6, ends in the end token: True
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check torch==2.11.0 transformers==5.23.0 trl==1.16.0 datasets==5.2.0
v/bin/python - 2>/dev/null <<'E' | tee seen
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer
words = {w: i for i, w in enumerate("<unk> </s> passage when every day of the year".split())}
raw = Tokenizer(models.WordLevel(words, "<unk>")); raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tok = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="</s>", pad_token="</s>")
model = LlamaForCausalLM(LlamaConfig(vocab_size=16, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2))
answer = " every day of the year"
rows = [{"prompt": "passage " * n + "when", "completion": answer} for n in (2000, 1021, 3)]
trainer = SFTTrainer(model=model, args=SFTConfig(output_dir="out", use_cpu=True, bf16=False, report_to=[]),
                     train_dataset=Dataset.from_list(rows), processing_class=tok)
print(f"rows given {len(rows)}, rows trained {len(trainer.train_dataset)}")
for r in trainer.train_dataset:
    learnt = [i for i in r["labels"] if i != -100]
    print(f"prompt of {len(r['labels']) - len(learnt)} tokens: answer tokens trained {len(learnt)} of 6, ends in the end token: {learnt[-1] == 1}")
E
diff seen - <<'E'
rows given 3, rows trained 2
prompt of 1022 tokens: answer tokens trained 2 of 6, ends in the end token: False
prompt of 4 tokens: answer tokens trained 6 of 6, ends in the end token: True
E
