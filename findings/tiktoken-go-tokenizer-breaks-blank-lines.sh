#!/usr/bin/env bash
# tokenizer 0.10.0 (github.com/tiktoken-go/tokenizer, "a pure go port of OpenAI's tokenizer"): where a line has nothing but spaces
# or tabs, cl100k_base and o200k_base give other tokens than tiktoken, and more of them. Expected were tiktoken's, as 0.7.0 gives.
#
# The pattern's \s*[\r\n]+ takes such a line and the line breaks on both sides of it as one piece, as it has to give back only what follows the
# last break. Since 0.8 the pattern is turned into Go code beforehand (regexp2cg), and this code takes the piece up to the first break,
# then the rest. regexp2 itself, with the same pattern, does it right. Code with indented blank lines, text of PDFs
# and web pages are full of them: chunks by tokens end elsewhere, and what a model is given isn't what it was trained on.
# The text comes back on decoding, so that a round trip doesn't show it.
#
# Seen with Go 1.26, Python 3.11, tiktoken 0.14.0:
#   cl100k_base "Title\n \nText": tiktoken [3936 27907 1199]; 0.7.0 the same; 0.10.0 [3936 198 720 1199]
#   cl100k_base "x = 1\n    \n    y = 2\n": tiktoken [87 284 220 16 7361 262 379 284 220 17 198]; 0.7.0 the same; 0.10.0 [87 284 220 16 198 1084 262 379 284 220 17 198]
#   cl100k_base "Item\n\t\nNext": tiktoken [1256 18108 5971]; 0.7.0 the same; 0.10.0 [1256 198 1602 5971]
#   cl100k_base "One.\n\nTwo": tiktoken [4054 382 11874]; 0.7.0 the same; 0.10.0 the same
#   o200k_base "Title\n \nText": tiktoken [5415 47812 1279]; 0.7.0 the same; 0.10.0 [5415 198 793 1279]
#   o200k_base "x = 1\n    \n    y = 2\n": tiktoken [87 314 220 16 15698 271 342 314 220 17 198]; 0.7.0 the same; 0.10.0 [87 314 220 16 198 1944 271 342 314 220 17 198]
#   o200k_base "Item\n\t\nNext": tiktoken [1590 40612 7695]; 0.7.0 the same; 0.10.0 [1590 198 2775 7695]
#   o200k_base "One.\n\nTwo": tiktoken [5045 364 13866]; 0.7.0 the same; 0.10.0 the same
#   cl100k_base, 40 lines of code with indented blank lines between: tiktoken 248, 0.10.0 288 tokens
#   o200k_base, 40 lines of code with indented blank lines between: tiktoken 248, 0.10.0 288 tokens
set -euo pipefail; script=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check tiktoken==0.14.0
cat > main.go <<'G'
package main

import (
	"encoding/json"
	"os"

	"github.com/tiktoken-go/tokenizer"
)

func main() {
	codec, err := tokenizer.Get(tokenizer.Encoding(os.Args[1]))
	if err != nil {
		panic(err)
	}
	answers := [][]uint{}
	for _, text := range os.Args[2:] {
		tokens, _, err := codec.Encode(text)
		if err != nil {
			panic(err)
		}
		if back, err := codec.Decode(tokens); err != nil || back != text {
			panic("other text on decoding")
		}
		answers = append(answers, tokens)
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}
G
export GOFLAGS="-mod=mod -trimpath"
for version in 0.7.0 0.10.0; do
  mkdir $version; cp main.go $version; cd $version; go mod init findings.test 2>/dev/null
  go get github.com/tiktoken-go/tokenizer@v$version 2>/dev/null; go build -o ../go.$version .; cd ..
done
# the vocabularies, as files, are those of another module
cd 0.10.0; go get github.com/pkoukk/tiktoken-go-loader@v0.0.2 2>/dev/null
assets=$(go list -m -f '{{.Dir}}' github.com/pkoukk/tiktoken-go-loader)/assets; cd ..
TIKTOKEN_CACHE_DIR= v/bin/python - "$assets" <<'P' | tee seen
import json, os, subprocess, sys, tiktoken, tiktoken.load, tiktoken_ext.openai_public as public
public.load_tiktoken_bpe = lambda name, **_: tiktoken.load.load_tiktoken_bpe(os.path.join(sys.argv[1], os.path.basename(name)))
texts = ["Title\n \nText", "x = 1\n    \n    y = 2\n", "Item\n\t\nNext", "One.\n\nTwo"]
code, counts = "def f(x):\n" + "\n    \n".join(f"    x += {n}" for n in range(40)) + "\n    \n    return x\n", []
def shown(tokens):
    return str(tokens).replace(",", "")
for name in ("cl100k_base", "o200k_base"):
    encoding = tiktoken.Encoding(**getattr(public, name)())
    answers = {version: json.loads(subprocess.run([f"./go.{version}", name, *texts, code], stdout=subprocess.PIPE, check=True).stdout)
               for version in ("0.7.0", "0.10.0")}
    for n, text in enumerate(texts):
        tokens = encoding.encode(text)
        others = "; ".join(f"{v} {'the same' if a[n] == tokens else shown(a[n])}" for v, a in answers.items())
        print(f"{name} {json.dumps(text)}: tiktoken {shown(tokens)}; {others}")
    assert answers["0.7.0"][-1] == encoding.encode(code)
    counts.append(f"{name}, 40 lines of code with indented blank lines between: tiktoken {len(encoding.encode(code))}, 0.10.0 {len(answers['0.10.0'][-1])} tokens")
print(*counts, sep="\n")
P
diff seen <(sed -n '/^set -/q; s/^#   //p' "$script")
