package recipe

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"gorqa/internal/golden"
	"gorqa/text/dataset"
	"gorqa/text/prompt"
	"gorqa/text/tokenizer"
)

func readTokenizer(t *testing.T, name string) *tokenizer.Tokenizer {
	t.Helper()
	var data json.RawMessage
	golden.ReadJSON(t, "../tokenizer/testdata/"+name+".json.gz", &data)
	tok, err := tokenizer.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestDivisionLikeTokenizers holds the tokens of prompt and answer, and where the
// answer's begin, to parity/make_rows.py.
func TestDivisionLikeTokenizers(t *testing.T) {
	data, err := os.ReadFile("testdata/rows.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Rows []struct {
			Tokenizer, Why, Prompt, Answer string
			IDs                            []int32
			From                           int
		}
	}
	if err := json.Unmarshal(data, &g); err != nil || len(g.Rows) == 0 {
		t.Fatalf("%d rows, %v", len(g.Rows), err)
	}
	chat, err := prompt.Chat(prompt.ChatOptions{Source: "{% for m in messages %}{{ m.content }}|{% endfor %}"}, prompt.DefaultFormat())
	if err != nil {
		t.Fatal(err)
	}
	tokenizers := map[string]*tokenizer.Tokenizer{}
	for _, r := range g.Rows {
		tok := tokenizers[r.Tokenizer]
		if tok == nil {
			tok = readTokenizer(t, r.Tokenizer)
			tokenizers[r.Tokenizer] = tok
		}
		e := &Encoder{Tokenizer: tok, Template: chat} // a template that adds no special tokens
		ids, from := e.encode(r.Prompt, r.Answer, e.Template.AddSpecialTokens())
		if !slices.Equal(ids, r.IDs) || from != r.From {
			t.Errorf("%s, %s: %v, the answer from %d; tokenizers has %v, from %d", r.Tokenizer, r.Why, ids, from, r.IDs, r.From)
		}
	}
}

// TestSpecialTokensOnce adds what a tokenizer adds before a text once, and nothing
// after it.
func TestSpecialTokensOnce(t *testing.T) {
	tok := readTokenizer(t, "llama2")
	bos, ok := tok.ID("<s>")
	if before, _ := tok.Around(); !ok || !slices.Equal(before, []int32{bos}) {
		t.Fatalf("%v stands before a text; <s> expected", before)
	}
	for _, c := range []struct {
		name, why, wording string
		format             prompt.Format
	}{
		{"added", "the usual prompt", "[INST] {passages}\n{history}{question} [/INST]", prompt.DefaultFormat()},
		{"written", "Llama 2's prompt written out", "<s>[INST] {passages}\n{history}{question} [/INST]", prompt.DefaultFormat()},
		{"in the prefix", "the user's prefix of LocalRQA's Mistral example begins the text", "{dialogue}{passages}", prompt.Format{UserPrefix: "<s>[INST]", AssistantPrefix: "[/INST]", SepUser: " ", SepSys: "</s>"}},
	} {
		template, err := prompt.Parse(c.wording, c.format)
		if err != nil {
			t.Fatal(err)
		}
		e := &Encoder{Tokenizer: tok, Template: template, MaxTokens: 1000}
		row, err := e.Row(dataset.Example{Question: "q", GoldAnswer: "a</s>"}, Context{})
		if err != nil {
			t.Fatal(err)
		}
		end, _ := tok.ID("</s>")
		first, last := row.Tokens[:2], row.Tokens[len(row.Tokens)-2:]
		if first[0] != bos || first[1] == bos || last[1] != end || last[0] == end {
			t.Errorf("%s: %v; one <s> and one </s> expected; %s", c.name, row.Tokens, c.why)
		}
		asked, err := e.Prompt(prompt.Input{Question: "q"}, true, 1000)
		if ids := asked.Tokens; err != nil || !slices.Equal(ids, row.Tokens[:row.From]) {
			t.Errorf("%s: the prompt is %v, that of the row %v", c.name, asked.Tokens, row.Tokens[:row.From])
		}
	}
}

// TestNotesTellOfPromptsSeenDifferently tells of prompts that training and generation see differently.
func TestNotesTellOfPromptsSeenDifferently(t *testing.T) {
	for _, c := range []struct{ name, why, tokenizer, wording, note, border string }{
		{"plain", "nothing to say", "llama2", "{passages}{dialogue}", "", ""},
		{"begins twice", "the file has the tokenizer's own first token", "llama2", "<s>{passages}{dialogue}", `"<s>", which the tokenizer adds`, ""},
		{"ends in a space", "it goes into the answer's first token", "qwen2", "{passages}{history}Q: {question} A: ", "", `in 1 of the first 1 rows a token reaches from the prompt into the answer (row 7: `},
	} {
		template, err := prompt.Parse(c.wording, prompt.DefaultFormat())
		if err != nil {
			t.Fatal(err)
		}
		e := &Encoder{Tokenizer: readTokenizer(t, c.tokenizer), Template: template, MaxTokens: 1000}
		if got := strings.Join(e.Notes(), "\n"); (got == "") != (c.note == "") || !strings.Contains(got, c.note) {
			t.Errorf("%s: note %q; expected %q in it; %s", c.name, got, c.note, c.why)
		}
		got, err := e.Borders([]dataset.Example{{Question: "what", GoldAnswer: "the answer"}}, []Context{{Row: 7}})
		if err != nil || (got == "") != (c.border == "") || !strings.Contains(got, c.border) {
			t.Errorf("%s: %q, %v; expected %q in it; %s", c.name, got, err, c.border, c.why)
		}
	}
}

// TestTokensBeyondTheEmbeddings names each token that a model has no embedding for,
// with its rows, for every kind of text; tokens that no row holds do not matter.
func TestTokensBeyondTheEmbeddings(t *testing.T) {
	var file map[string]any
	if err := json.Unmarshal(readTokenizer(t, "llama2").JSON(), &file); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"zebra", "<pad>"} {
		file["added_tokens"] = append(file["added_tokens"].([]any), map[string]any{"content": token})
	}
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	highest := tok.Size() - 2 // zebra's id
	template, err := prompt.Parse("{passages}{dialogue}", prompt.DefaultFormat())
	if err != nil {
		t.Fatal(err)
	}
	plain, holds := dataset.Example{Question: "?", GoldAnswer: "a"}, dataset.Example{Question: "?", GoldAnswer: "a"}
	asks, passage := holds, holds
	holds.GoldAnswer, asks.Question = "zebra", "zebra"
	passage.GoldDocs = []dataset.Document{{Formatted: "zebra"}}
	examples := []dataset.Example{plain, holds, plain, asks, passage}
	var contexts []Context
	for i, x := range examples {
		contexts = append(contexts, GoldContext(i, x))
	}
	e := &Encoder{Tokenizer: tok, Template: template, MaxTokens: 1000, Embeddings: highest}
	f := &FiD{Encoder: e, MaxAnswer: 1000}
	for name, encode := range map[string]func([]dataset.Example, []Context) error{
		"rows": func(x []dataset.Example, c []Context) error { _, err := e.Rows(x, c); return err },
		"FiD":  func(x []dataset.Example, c []Context) error { _, err := f.Rows(x, c); return err },
	} {
		var none *Unembedded
		if err := encode(examples, contexts); !errors.As(err, &none) || len(none.Tokens) != 1 || int(none.Tokens[0].ID) != highest || !slices.Equal(none.Rows[0], []int{1, 3, 4}) {
			t.Errorf("%s: %v; token %d in rows 1, 3 and 4 expected", name, err, highest)
		}
		if err := encode(examples[:1], contexts[:1]); err != nil {
			t.Errorf("%s without the token: %v", name, err)
		}
	}
	if _, err := e.Prompt(Input("zebra", nil, nil), true, 1000); err == nil {
		t.Error("a prompt with the token is no error")
	}
	if _, err := e.Standalone([]dataset.Turn{{Speaker: "user", Message: "zebra"}}, "?", 1000); err == nil {
		t.Error("a history with the token is no error")
	}
}
