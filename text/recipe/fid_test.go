package recipe

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
)

// fid has MiniLM's tokenizer, whose [SEP] ends a text.
func fid(t *testing.T, passage, answer int) *FiD {
	t.Helper()
	e := encoder(t, passage)
	end, ok := e.Tokenizer.ID("[SEP]")
	if !ok {
		t.Fatal("no [SEP]")
	}
	return &FiD{Encoder: e, MaxAnswer: answer, End: end}
}

func TestFiDRow(t *testing.T) {
	history := []dataset.Turn{{Speaker: "user", Message: "Hello there"}, {Speaker: "system", Message: "Good day"}}
	long := fid(t, 1000, 1000)
	bare, err := long.Passages(example.Question, history, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := len(long.Encoder.Tokenizer.Encode(example.GoldAnswer, false)) + 1
	// has and not are what each passage's text holds.
	for _, c := range []struct {
		name, why       string
		passage, answer int
		docs            []dataset.Document
		has, not        []string
		problem         TooLong
	}{
		{name: "two", why: "each alone, with history and question", passage: 1000, answer: answer, docs: example.GoldDocs,
			has: []string{"title : first alpha", "title : second delta"}, not: []string{"second", "first"}},
		{name: "cut", why: "a passage loses text from its own end, whatever the others hold", passage: len(bare[0]) + 20, answer: answer, docs: append(slices.Clone(example.GoldDocs), dataset.Document{Formatted: "short"}),
			has: []string{"title : first alpha", "title : second delta", "short"}, not: []string{"second", "first", "delta"}},
		{name: "no room", why: "history and question stay whole", passage: len(bare[0]), answer: answer, docs: example.GoldDocs[:1],
			has: []string{"what does the package do"}, not: []string{"title"}},
		{name: "no passage", why: "the question is asked once", passage: 1000, answer: answer,
			has: []string{"what does the package do"}, not: []string{"title"}},
		{name: "question too long", why: "a question is never cut", passage: len(bare[0]) - 1, answer: answer, docs: example.GoldDocs,
			problem: TooLong{Tokens: len(bare[0]), Limit: len(bare[0]) - 1, Of: "without any passage text", Setting: "max_encoder_seq_length"}},
		{name: "answer too long", why: "nor an answer", passage: 1000, answer: answer - 1, docs: example.GoldDocs,
			problem: TooLong{Tokens: answer, Limit: answer - 1, Of: "of the answer", Setting: "max_decoder_seq_length"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fid(t, c.passage, c.answer)
			x := dataset.Example{Question: example.Question, GoldAnswer: example.GoldAnswer, History: history, GoldDocs: c.docs}
			row, err := f.Row(x, GoldContext(7, x))
			var long *TooLong
			if errors.As(err, &long) {
				if diff := cmp.Diff(c.problem, *long); diff != "" {
					t.Errorf("%s: %s", c.why, diff)
				}
				return
			}
			if err != nil || c.problem.Tokens > 0 {
				t.Fatalf("%s: %v", c.why, err)
			}
			if row.Index != 7 || len(row.Passages) != len(c.has) {
				t.Fatalf("%s: row %d of %d passages, expected 7 of %d", c.why, row.Index, len(row.Passages), len(c.has))
			}
			for i, ids := range append(row.Passages, row.Answer) {
				if n := len(ids); ids[n-1] != f.End || ids[n-2] == f.End {
					t.Errorf("%s: part %d ends %v; one end token expected", c.why, i, ids[n-2:])
				}
			}
			for i, ids := range row.Passages {
				text := f.Encoder.Tokenizer.Decode(ids, false)
				for _, want := range []string{c.has[i], "hello there", "good day", "what does the package do"} {
					if !strings.Contains(text, want) {
						t.Errorf("%s: %q lacks %q", c.why, text, want)
					}
				}
				if strings.Contains(text, c.not[i]) || len(ids) > c.passage {
					t.Errorf("%s: %d tokens %q", c.why, len(ids), text)
				}
			}
			if got := f.Encoder.Tokenizer.Decode(row.Answer, true); !strings.EqualFold(got, example.GoldAnswer) {
				t.Errorf("%s: answer %q", c.why, got)
			}
		})
	}
}

// Passages and answers end once, also where the tokenizer ended them.
func TestFiDEndsOnce(t *testing.T) {
	f := &FiD{End: 9}
	for _, ids := range [][]int32{{1, 2}, {1, 2, 9}} {
		if got := f.Ended(ids); !slices.Equal(got, []int32{1, 2, 9}) {
			t.Errorf("%v ended is %v; 1 2 9 expected", ids, got)
		}
	}
	if got := f.Ended(nil); !slices.Equal(got, []int32{9}) {
		t.Errorf("nothing ended is %v; 9 expected", got)
	}
}

func TestFiDRowsNamesThoseThatDoNotFit(t *testing.T) {
	f := fid(t, 1000, 6)
	short := dataset.Example{Question: "Why?", GoldAnswer: "Because."}
	examples := []dataset.Example{short, example, short}
	var contexts []Context
	for i, x := range examples {
		contexts = append(contexts, GoldContext(i, x))
	}
	rows, err := f.Rows(examples, contexts)
	var over *Overflow
	if !errors.As(err, &over) || !slices.Equal(over.Rows, []int{1}) || len(rows) != 2 || rows[1].Index != 2 {
		t.Errorf("%d rows, error %v", len(rows), err)
	}
}
