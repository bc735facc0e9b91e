#!/usr/bin/env bash
# tiktoken 0.14.0, encoding_name_for_model and with it encoding_for_model: a fine-tuned gpt-4.1 is counted with cl100k_base,
# the encoding of gpt-4, though the same function gives o200k_base for the model that was tuned. Expected was the encoding
# of the name without "ft:", as tuning changes no vocabulary, or the KeyError that it has for names it doesn't know.
#
# Names are looked up by how they begin: "gpt-4.1-" has an entry, "ft:gpt-4.1" has none, and "ft:gpt-4" takes it. The same
# happened to gpt-4o and was put right in 0.9 (pull request 329). Ids of the one encoding mean nothing in the other (those
# of logit_bias, to make a judge say Yes), and counts are off, most of all outside English: 14 for 10, 33 for 12 below. What
# follows is shown with tokenizer 0.10.0, a port to Go which brings the vocabularies along; it does so for gpt-4o as well.
#
# Seen on Python 3.11, go 1.26; the tokens are those of a German and of a Hindi sentence and the id of "Yes":
#   tiktoken: gpt-4.1-mini-2025-04-14 o200k_base; ft:gpt-4.1-mini-2025-04-14:org::id cl100k_base
#   tiktoken: gpt-4o-mini-2024-07-18 o200k_base; ft:gpt-4o-mini-2024-07-18:org::id o200k_base
#   Go: gpt-4.1-mini-2025-04-14 o200k_base, 10, 12 tokens, [13022]; ft:gpt-4.1-mini-2025-04-14:org::id cl100k_base, 14, 33 tokens, [9642]
#   Go: gpt-4o-mini-2024-07-18 o200k_base, 10, 12 tokens, [13022]; ft:gpt-4o-mini-2024-07-18:org::id cl100k_base, 14, 33 tokens, [9642]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check tiktoken==0.14.0
"$work/v/bin/python" - <<'P' | tee "$work/seen"
from tiktoken.model import encoding_name_for_model as name
for model in ("gpt-4.1-mini-2025-04-14", "gpt-4o-mini-2024-07-18"):
    print(f"tiktoken: {model} {name(model)}; ft:{model}:org::id {name(f'ft:{model}:org::id')}")
P
cat > "$work/main.go" <<'G'
package main

import (
	"fmt"

	"github.com/tiktoken-go/tokenizer"
)

func main() {
	for _, model := range []string{"gpt-4.1-mini-2025-04-14", "gpt-4o-mini-2024-07-18"} {
		sep := "Go: "
		for _, name := range []string{model, "ft:" + model + ":org::id"} {
			codec, err := tokenizer.ForModel(tokenizer.Model(name))
			if err != nil {
				panic(err)
			}
			german, _ := codec.Count("Die Bibliothek am Hafen wurde im Mai eröffnet.")
			hindi, _ := codec.Count("पुस्तकालय पिछले वर्ष मई में खुला।")
			yes, _, _ := codec.Encode("Yes")
			fmt.Printf("%s%s %s, %d, %d tokens, %d", sep, name, codec.GetName(), german, hindi, yes)
			sep = "; "
		}
		fmt.Println()
	}
}
G
(cd "$work" && go mod init counts && go get github.com/tiktoken-go/tokenizer@v0.10.0) 2>/dev/null
(cd "$work" && go run .) | tee -a "$work/seen"
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
