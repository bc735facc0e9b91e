#!/usr/bin/env bash
# tiktoken-go 0.1.8 (github.com/pkoukk/tiktoken-go, "a port of the original tiktoken"): where a text names a special token that isn't allowed and
# later has one that is, a piece of the text is lost, and a "!" stands for it. Expected were tiktoken's tokens, and the text on decoding them.
#
# With <|endoftext|> allowed, to set documents apart, and nothing disallowed, the names of the other special tokens are ordinary text, as
# in a page on language models. Encode looks for the next allowed one from behind such a name, and takes the place where it finds
# it to be counted from the start of the text: it cuts too early, and gives what lies there, which is no special token, the id that
# Go's maps give for what they lack: 0, which is "!". Token counts are wrong likewise.
#
# Seen with Go 1.26, Python 3.11, cl100k_base, tiktoken 0.14.0:
#   text "<|endoftext|>One.<|endoftext|>": tiktoken [100257 4054 13 100257] the text
#     tiktoken-go [100257 4054 13 100257], back "<|endoftext|>One.<|endoftext|>"
#   text "The name <|fim_prefix|> is kept.<|endoftext|>Next page.": tiktoken [791 836 83739 69 318 14301 91 29 374 8774 13 100257 5971 2199 13] the text
#     tiktoken-go [791 836 220 0 29 374 8774 13 100257 5971 2199 13], back "The name !> is kept.<|endoftext|>Next page."
#   text "Of <|endofprompt|> and <|endoftext|>": tiktoken [2173 83739 408 1073 41681 91 29 323 220 100257] the text
#     tiktoken-go [2173 83739 0 323 220 100257], back "Of <|! and <|endoftext|>"
set -euo pipefail; script=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check tiktoken==0.14.0
cat > main.go <<'G'
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/pkoukk/tiktoken-go"
	loader "github.com/pkoukk/tiktoken-go-loader"
)

func main() {
	tiktoken.SetBpeLoader(loader.NewOfflineLoader())
	encoding, err := tiktoken.GetEncoding("cl100k_base")
	if err != nil {
		panic(err)
	}
	answers := []string{}
	for _, text := range os.Args[1:] {
		tokens := encoding.Encode(text, []string{"<|endoftext|>"}, nil)
		answers = append(answers, fmt.Sprintf("%v, back %q", tokens, encoding.Decode(tokens)))
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}
G
export GOFLAGS="-mod=mod -trimpath"; go mod init findings.test 2>/dev/null
go get github.com/pkoukk/tiktoken-go@v0.1.8 github.com/pkoukk/tiktoken-go-loader@v0.0.2 2>/dev/null; go build -o go.run .
TIKTOKEN_CACHE_DIR= v/bin/python - "$(go list -m -f '{{.Dir}}' github.com/pkoukk/tiktoken-go-loader)/assets/cl100k_base.tiktoken" <<'P' | tee seen
import json, subprocess, sys, tiktoken, tiktoken.load, tiktoken_ext.openai_public as public
public.load_tiktoken_bpe = lambda *_, **__: tiktoken.load.load_tiktoken_bpe(sys.argv[1])
encoding = tiktoken.Encoding(**public.cl100k_base())
texts = ["<|endoftext|>One.<|endoftext|>", "The name <|fim_prefix|> is kept.<|endoftext|>Next page.", "Of <|endofprompt|> and <|endoftext|>"]
answers = json.loads(subprocess.run(["./go.run", *texts], stdout=subprocess.PIPE, check=True).stdout)
for text, answer in zip(texts, answers):
    tokens = encoding.encode(text, allowed_special={"<|endoftext|>"}, disallowed_special=())
    print(f'text "{text}": tiktoken', str(tokens).replace(",", ""), "the text" if encoding.decode(tokens) == text else "other text")
    print(f"  tiktoken-go {answer}")
P
diff seen <(sed -n '/^set -/q; s/^#   //p' "$script")
