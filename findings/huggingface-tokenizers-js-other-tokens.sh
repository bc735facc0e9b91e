#!/usr/bin/env bash
# @huggingface/tokenizers 0.2.0, the npm package that transformers.js tokenizes with, reads a tokenizer.json otherwise than
# tokenizers 0.23.3, which wrote it, without a word. Expected were the same tokens: its README lists these parts as supported
# and names what it cannot reproduce, which are other things (three behaviours of Split, rare regular expressions).
#
# Whitespace, the pre-tokenizer of the quick tour, is the regular expression \w+|[^\w\s]+, here without JavaScript's flag
# for Unicode: a word is cut at each umlaut, and a Russian word and its comma are one. Pull request 542 of transformers.js
# brought it in for a German embedding model. Punctuation and Digits overlook their behaviour and digits that aren't ASCII;
# Split keeps what it is to remove, and drops the text between matches where invert is set, whatever its behaviour.
# Unigram overlooks byte_fallback, and an added token overlooks single_word: the first loses what it has no piece for.
#
# Seen on node 20, Python 3.11; tokens are set apart by "|":
#   Whitespace: python Größe|und|Höhe; js Gr|öß|e|und|H|ö|he
#   Whitespace: python да|,|нет|.; js да,|нет.
#   Punctuation: python wait|.|.|.; js wait|...
#   Punctuation, removed: python wait|what; js wait|...|what|?
#   Digits: python ٣|٤|a; js ٣٤a
#   Split on "-", removed: python a|b; js a|-|b
#   Split on words, isolated, invert: python ab|--|cd; js ab|cd
#   Unigram with byte_fallback: python ▁a|<0xC3>|<0xA9>|b; js ▁a|é|b, as ids 1|0|2
#   added token "ing", single_word: python ing| |s|i|n|g; js ing| |s|ing
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check tokenizers==0.23.3
(cd "$work" && npm install --silent --no-audit --no-fund @huggingface/tokenizers@0.2.0 >/dev/null)
"$work/v/bin/python" - > "$work/cases.json" <<'P'
import json
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers as p
def case(name, text, pre=None, model=None, added=()):
    words = [word for word, _ in pre.pre_tokenize_str(text)] if pre and not model else text
    tokenizer = Tokenizer(model or models.WordPiece({w: i for i, w in enumerate(dict.fromkeys(["?", *words]))}, unk_token="?"))
    if pre: tokenizer.pre_tokenizer = pre
    tokenizer.add_tokens(list(added))
    tokens = words if pre and not model else tokenizer.encode(text).tokens
    return {"name": name, "text": text, "tokenizer": json.loads(tokenizer.to_str()), "model": bool(model), "python": tokens}
pieces = [("<unk>", 0.0), ("▁a", -1.0), ("b", -2.0)] + [(f"<0x{i:02X}>", -9.0) for i in range(256)]
print(json.dumps([
    case("Whitespace", "Größe und Höhe", p.Whitespace()), case("Whitespace", "да, нет.", p.Whitespace()),
    case("Punctuation", "wait...", p.Punctuation()), case("Punctuation, removed", "wait...what?", p.Punctuation("removed")),
    case("Digits", "٣٤a", p.Digits(individual_digits=True)), case('Split on "-", removed', "a-b", p.Split("-", "removed")),
    case("Split on words, isolated, invert", "ab--cd", p.Split(Regex("[a-z]+"), "isolated", invert=True)),
    case("Unigram with byte_fallback", "aéb", p.Metaspace(), models.Unigram(pieces, 0, True)),
    case('added token "ing", single_word', "ing sing", None, models.BPE({c: i for i, c in enumerate(" sing")}, []),
         [AddedToken("ing", single_word=True)])]))
P
cat > "$work/a.mjs" <<'J'
import { readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";
for (const c of JSON.parse(readFileSync(process.argv[2]))) {
  const t = new Tokenizer(c.tokenizer, {}), e = t.encode(c.text), js = c.model ? e.tokens : t.pre_tokenizer(c.text);
  const ids = e.tokens.includes("é") ? ", as ids " + e.ids.join("|") : "";
  console.log(`${c.name}: python ${c.python.join("|")}; js ${js.join("|")}${ids}`);
}
J
(cd "$work" && node a.mjs cases.json) | tee "$work/seen"
diff "$work/seen" <(sed -n 's/^#   \(.*: python .*; js\)/\1/p' "$0")
