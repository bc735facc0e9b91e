#!/usr/bin/env bash
# A tokenizer saved by transformers 5.23.0 does not load in transformers 4.46.3, although its tokenizer.json is unchanged.
#
# 5.23 writes "tokenizer_class": "TokenizersBackend", a class that 4.46 does not have, whatever class it was loaded as;
# further special tokens become "extra_special_tokens", a list, where 4.46 wants "additional_special_tokens" (its own
# "extra_special_tokens" is a dict); and the chat template goes to chat_template.jinja alone, which 4.46 does not read.
# With the class put back to PreTrainedTokenizerFast it loads, but the special tokens and the chat template are gone, silently.
#
# Seen on Python 3.11, transformers 5.23.0 and 4.46.3, no torch:
#   as saved: ValueError: Tokenizer class TokenizersBackend does not exist or is not currently imported.
#   class put back: [] template None
#   list renamed too: ['<turn>'] template None
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
for v in 5.23.0 4.46.3; do
  python3 -m venv "$v"
  "$v/bin/pip" install --quiet --disable-pip-version-check "transformers==$v"
done
5.23.0/bin/python - 2>/dev/null <<'E'
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
t = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "a": 2}, "<unk>")),
                            unk_token="<unk>", eos_token="</s>", additional_special_tokens=["<turn>"])
t.chat_template = "{{ messages[0]['content'] }}"
t.save_pretrained("saved")
E
4.46.3/bin/python - 2>/dev/null <<'E' | tee seen
import json
from transformers import AutoTokenizer
def load(what):
    try:
        t = AutoTokenizer.from_pretrained("saved")
        print(f"{what}:", t.additional_special_tokens, "template", t.chat_template)
    except Exception as e:
        print(f"{what}: {type(e).__name__}: {e}")
def edit(change):
    path = "saved/tokenizer_config.json"
    c = json.load(open(path)); change(c); json.dump(c, open(path, "w"))
load("as saved")
edit(lambda c: c.update(tokenizer_class="PreTrainedTokenizerFast"))
load("class put back")
edit(lambda c: c.update(additional_special_tokens=c.pop("extra_special_tokens")))
load("list renamed too")
E
diff seen - <<'E'
as saved: ValueError: Tokenizer class TokenizersBackend does not exist or is not currently imported.
class put back: [] template None
list renamed too: ['<turn>'] template None
E
