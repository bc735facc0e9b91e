#!/usr/bin/env bash
# Offsets of Hugging Face tokenizers 0.23.3 are those of other characters once a byte-level BPE has dropped a byte that
# its vocabulary lacks (no unk_token, no byte fallback: the byte disappears, which is as documented).
#
# Within the word each later token gets the place of the one before it; the next word is right again. Who cuts a text by
# offsets (label masks, answer spans, highlighting) cuts it wrongly, without an error. Vocabularies without all 256
# bytes are met in small models trained for tests and in pruned ones.
#
# Seen on Python 3.11, tokenizers 0.23.3; the vocabulary has a, b, c and the space:
#   'xab c': tokens ['a', 'b', 'Ġ', 'c'] at ['x', 'a', ' ', 'c']
#   'axb c': tokens ['a', 'b', 'Ġ', 'c'] at ['a', 'x', ' ', 'c']
#   'abx c': tokens ['a', 'b', 'Ġ', 'c'] at ['a', 'b', ' ', 'c']
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check tokenizers==0.23.3
"$work/v/bin/python" - <<'E' | tee "$work/seen"
from tokenizers import Tokenizer, models, pre_tokenizers
t = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate("Ġabc")}, merges=[]))
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
for text in ("xab c", "axb c", "abx c"):
    e = t.encode(text)
    print(f"{text!r}: tokens {e.tokens} at {[text[a:b] for a, b in e.offsets]}")
E
diff "$work/seen" - <<'E'
'xab c': tokens ['a', 'b', 'Ġ', 'c'] at ['x', 'a', ' ', 'c']
'axb c': tokens ['a', 'b', 'Ġ', 'c'] at ['a', 'x', ' ', 'c']
'abx c': tokens ['a', 'b', 'Ġ', 'c'] at ['a', 'b', ' ', 'c']
E
