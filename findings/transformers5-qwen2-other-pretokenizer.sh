#!/usr/bin/env bash
# AutoTokenizer of transformers 5.23.0 does not divide text as the folder's tokenizer.json says where config.json's
# model_type is qwen2: its normalizer and pre_tokenizer are thrown away for those of Qwen 2.
#
# "qwen2" is in MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS (models/auto/tokenization_auto.py), whose comment says that such
# models get TokenizersBackend, which takes tokenizer.json as it is. But the class that is registered for qwen2 wins:
# Qwen2Tokenizer, which keeps the vocabulary and sets NFC and a regex of its own, whatever tokenizer_class says. A model of
# that shape with another tokenizer gets ids that it was not trained with, and nothing is said. As qwen3 the same folder is
# read as it stands; as qwen2 too in transformers 4.46.3, and by PreTrainedTokenizerFast.from_pretrained.
#
# Seen on Python 3.11, transformers 5.23.0 and 4.46.3, tokenizers as each of them wants, no torch:
#   tokenizers      [0, 1, 2] no normalizer
#   4.46.3 qwen2    [0, 1, 2] no normalizer
#   5.23.0 qwen3    [0, 1, 2] no normalizer
#   5.23.0 qwen2    [0, 3] NFC
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
for v in 5.23.0 4.46.3; do
  python3 -m venv "$v"
  "$v/bin/pip" install --quiet --disable-pip-version-check "transformers==$v"
done
cat > make.py <<'E'
import json, os
from tokenizers import Tokenizer, models, pre_tokenizers
t = Tokenizer(models.BPE({"a": 0, ".": 1, "b": 2, ".b": 3}, [(".", "b")]))
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # GPT-2's: a dot is a piece of its own
for kind in ("qwen2", "qwen3"):
    os.makedirs(kind)
    t.save(f"{kind}/tokenizer.json")
    json.dump({"model_type": kind}, open(f"{kind}/config.json", "w"))
    json.dump({"tokenizer_class": "PreTrainedTokenizerFast"}, open(f"{kind}/tokenizer_config.json", "w"))
print("tokenizers     ", t.encode("a.b").ids, "no normalizer")
E
cat > load.py <<'E'
import sys
import transformers
t = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
n = t.backend_tokenizer.normalizer
print(f"{transformers.__version__} {sys.argv[1]}   ", t("a.b").input_ids, type(n).__name__ if n else "no normalizer")
E
{
  5.23.0/bin/python make.py
  4.46.3/bin/python load.py qwen2
  5.23.0/bin/python load.py qwen3
  5.23.0/bin/python load.py qwen2
} 2>/dev/null | tee seen
diff seen - <<'E'
tokenizers      [0, 1, 2] no normalizer
4.46.3 qwen2    [0, 1, 2] no normalizer
5.23.0 qwen3    [0, 1, 2] no normalizer
5.23.0 qwen2    [0, 3] NFC
E
