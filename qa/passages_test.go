package qa

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/prompt"
	"gorqa/text/recipe"
)

// A question that follows on others is retrieved by what the mode makes of it,
// and contexts that were made in one mode do not serve another.
func TestContextsOfFollowUps(t *testing.T) {
	doc := func(text string) dataset.Document { return dataset.Document{Content: text} }
	rows := []dataset.Example{{
		Question: "And with gifts?", GoldAnswer: "Yes.", GoldDocs: []dataset.Document{doc("Gifts are wrapped.")},
		History: []dataset.Turn{{Speaker: "USER", Message: "Does shipping go by train?"}, {Speaker: "ASSISTANT", Message: "Norway"}},
	}}
	p := &Passages{name: "words", kind: WordsRetriever, documents: []dataset.Document{rows[0].GoldDocs[0], doc("Norway is far."), doc("Shipping goes by train."), doc("Returns are free.")}, show: silent(t)}
	path := filepath.Join(t.TempDir(), "contexts.jsonl")
	heads := map[string]bool{}
	for _, test := range []struct {
		mode FollowUpMode
		best string // beside the gold passage; "": nothing, as nothing shares a word
	}{
		{BareFollowUps, ""},
		{ConcatFollowUps, "Shipping goes by train."},
	} {
		p.FollowUps = FollowUps{Mode: test.mode, Template: prompt.Default(prompt.DefaultFormat())}
		contexts, err := p.Contexts(t.Context(), "rows.jsonl", rows, recipe.ContextOptions{K: 1}, path)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(contexts[0].Passages) > 1 {
			got = contexts[0].Passages[1].Document.Content
		}
		if got != test.best {
			t.Errorf("%s: %q; %q expected", test.mode, got, test.best)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(data), "\n")
		if heads[head] {
			t.Errorf("%s: made of the same as another mode's: %s", test.mode, head)
		}
		heads[head] = true
	}
}

func TestFirstQuestion(t *testing.T) {
	for _, test := range []struct{ why, text, want string }{
		{"as it was told", "How far is  Norway?", "How far is Norway?"},
		{"an answer behind it", "How far is Norway? The answer is: far.", "How far is Norway?"},
		{"other scripts", "挪威有多远？很远。", "挪威有多远？"},
		{"no question mark", "\n the way to Norway \nis far?", "the way to Norway"},
		{"nothing", " \n", ""},
	} {
		if got := firstQuestion(test.text); got != test.want {
			t.Errorf("%s: %q; %q expected", test.why, got, test.want)
		}
	}
}

// What training passages are retrieved with is named with all its settings.
func TestPassagesAreNamedWithAllTheirSettings(t *testing.T) {
	t.Setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
	for _, test := range []struct {
		name, why string
		kind      RetrieverKind
		want      string
	}{
		{"words", "its constants change the ranking", WordsRetriever, "BM25 (k1 1.5, b 0.75, epsilon 0.25, of documents that share a word)"},
		{"endpoint", "its model and place too", EndpointRetriever, `m of http://localhost:1/v1 (dimensions 0, passage prompt "")`},
	} {
		p, err := OpenPassages(PassagesOptions{Kind: test.kind, Endpoint: "m"}, silent(t))
		if err != nil || p.name != test.want {
			t.Errorf("%s: %+v, %v; %q expected, since %s", test.name, p, err, test.want, test.why)
		}
	}
}

func silent(t *testing.T) *report.Run {
	t.Helper()
	r, err := report.Open("", report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
