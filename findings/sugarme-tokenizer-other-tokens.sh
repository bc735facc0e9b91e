#!/usr/bin/env bash
# sugarme/tokenizer 0.3.0, tokenizers in Go "compatible to load pretrained models from Huggingface", reads a tokenizer.json otherwise
# than tokenizers 0.23.3, which wrote it, without a word. Expected were the same tokens, or the error that it has for parts it lacks.
#
# strip_accents is null in the files of the uncased BERT models and of most small embedding models: accents go where text is
# lowercased, as the page of BertNormalizer says. Here null is false, so "café" is no known word; the README's example is such
# a model. byte_fallback (Llama 2), ignore_merges and use_regex (Llama 3) and the direction of truncation are passed over.
# A plain string of Split is compiled as a regular expression: "." is every character, and nothing is left of the text.
#
# Seen with Go 1.26, Python 3.11; tokens with their ids:
#   BertNormalizer(): python cafe 1; go ? 0, <nil>
#   BPE, byte_fallback: python a 1|<0xC3> 198|<0xA9> 172|b 2; go a 1|? 0|b 2, <nil>
#   BPE, ignore_merges: python abc 6; go a 1|bc 5, <nil>
#   ByteLevel, use_regex=False: python aĠa 4; go a 1|Ġ 2|a 1, <nil>
#   Split on ".", removed: python a 1|b 2; go , <nil>
#   truncation to 2 from the left: python b 2|c 3; go a 1|b 2, <nil>
set -euo pipefail; script=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check tokenizers==0.23.3
v/bin/python - > cases.json <<'P'
import json
from tokenizers import Tokenizer, models as m, normalizers as n, pre_tokenizers as p
def case(name, text, model, pre=None, normalizer=n.NFC(), truncation=None):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre
    if truncation: tokenizer.enable_truncation(**truncation)
    e = tokenizer.encode(text)
    return {"name": name, "text": text, "file": tokenizer.to_str(), "python": "|".join(f"{t} {i}" for t, i in zip(e.tokens, e.ids))}
def ids(*v): return {t: i for i, t in enumerate(["?", *v])}
def bpe(*v, merges=(), **k): return m.BPE(ids(*v), list(merges), unk_token="?", **k)
def pieces(*v): return m.WordPiece(ids(*v), unk_token="?")
print(json.dumps([
    case("BertNormalizer()", "Café", pieces("cafe"), p.BertPreTokenizer(), n.BertNormalizer()),
    case("BPE, byte_fallback", "aéb", bpe("a", "b", *(f"<0x{i:02X}>" for i in range(256)), byte_fallback=True)),
    case("BPE, ignore_merges", "abc", bpe("a", "b", "c", "ab", "bc", "abc", merges=[("b", "c"), ("a", "b")], ignore_merges=True)),
    case("ByteLevel, use_regex=False", "a a", bpe("a", "Ġ", "aĠ", "aĠa", merges=[("a", "Ġ"), ("aĠ", "a")]), p.ByteLevel(False, use_regex=False)),
    case('Split on ".", removed', "a.b", pieces("a", "b"), p.Split(".", "removed")),
    case("truncation to 2 from the left", "a b c", pieces("a", "b", "c"), p.Whitespace(), truncation={"max_length": 2, "direction": "left"})]))
P
cat > main.go <<'G'
package main
import ("encoding/json"; "fmt"; "os"; "strings"; "github.com/sugarme/tokenizer/pretrained")
func main() {
	var cases []struct{ Name, Text, File, Python string }
	data, _ := os.ReadFile("cases.json")
	json.Unmarshal(data, &cases)
	for _, c := range cases {
		tokenizer, err := pretrained.FromReader(strings.NewReader(c.File))
		if err != nil { panic(err) }
		encoding, err := tokenizer.EncodeSingle(c.Text, true)
		tokens := []string{}
		for i, token := range encoding.Tokens { tokens = append(tokens, fmt.Sprint(token, " ", encoding.Ids[i])) }
		fmt.Printf("%s: python %s; go %s, %v\n", c.Name, c.Python, strings.Join(tokens, "|"), err)
	}
}
G
export GOFLAGS="-mod=mod -trimpath"; go mod init findings.test 2>/dev/null && go get github.com/sugarme/tokenizer@v0.3.0 2>/dev/null
go run . | tee seen
diff seen <(sed -n 's/^#   \(.*: python .*; go\)/\1/p' "$script")
