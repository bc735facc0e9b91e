package prompt

import (
	"strings"
	"testing"
)

// TestPartsAreThePrompt: parts joined are the prompt, by wordings and by every chat
// template, whatever is asked; only the last passage's line end may come beside it.
func TestPartsAreThePrompt(t *testing.T) {
	templates := map[string]*Template{"default": Default(DefaultFormat()), "localrqa": LocalRQA(DefaultFormat())}
	g := readGolden(t)
	for _, row := range g.Rows {
		name := row.Template
		p, err := Chat(g.options(t, name), DefaultFormat())
		if err != nil {
			t.Fatal(err)
		}
		templates[name] = p
	}
	for name, p := range templates {
		for _, question := range []string{"Why?", "\uE000passages\uE000"} {
			in := Input{Passages: []string{"One.", "Two,\nof two lines."}, Question: question}
			want, err := p.Render(in)
			if err != nil {
				t.Fatal(err)
			}
			before, passages, after, err := p.Parts(in)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := before + strings.Join(passages, "") + after
			if len(passages) != 2 || passages[0] != "One.\n" || got != want && strings.Replace(got, "two lines.\n", "two lines.", 1) != want {
				t.Errorf("%s: %q, %q and %q are not %q", name, before, passages, after, want)
			}
			if before == "" || strings.Contains(before, question) {
				t.Errorf("%s: the prefix of all prompts is %q", name, before)
			}
		}
		kept, err := p.InBlocks(true).MarshalJSON()
		var back Template
		if err != nil || back.UnmarshalJSON(kept) != nil || !back.Blocks() || p.Blocks() {
			t.Errorf("%s: blocks are not kept in %s, %v", name, kept, err)
		}
	}
}
