package reply

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestPairs(t *testing.T) {
	one := []Pair{{"How tall is it?", "3 m"}}
	for _, tc := range []struct {
		name, why, reply string
		want             []Pair
		err              string
	}{
		{"as asked", "the usual case", `{"questions": [{"question": "How tall is it?", "answer": "3 m"}]}`, one, ""},
		{"fenced", "most models put JSON into a fence", "```json\n{\"questions\": [{\"question\": \"How tall is it?\", \"answer\": \"3 m\"}]}\n```", one, ""},
		{"thoughts", "models that think first may show examples in their thoughts", "<think>\n{\"question\": \"X?\", \"answer\": \"y\"} or so\n</think>\nHere: [{\"question\": \"How tall is it?\", \"answer\": \"3 m\"}]", one, ""},
		{"thoughts without their beginning", "chat templates that open them themselves", "I could ask {\"question\": \"X?\"}\n</think>{\"question\": \"How tall is it?\", \"answer\": \"3 m\"}", one, ""},
		{"thoughts without an end", "cut off before anything was said", "<think>\nWell, {\"question\": \"X?\", \"answer\": \"y\"}", nil, "an empty reply"},
		{"cut off", "what is whole is taken", `{"questions": [{"question": "How tall is it?", "answer": "3 m"}, {"question": "How wi`, one, ""},
		{"trailing comma", "no JSON as a whole", `{"questions": [{"question": "How tall is it?", "answer": "3 m"},]}`, one, ""},
		{"other names", "keys as models write them", `[{"Q": "How tall is it?", "Answer": ["3", "m"]}]`, one, ""},
		{"a number", "an answer that is no text", `{"question": "How tall is it?", "answer": 3}`, []Pair{{"How tall is it?", "3"}}, ""},
		{"spaces", "one line each", "{\"question\": \"How tall\\n is it?\", \"answer\": \" 3 m \"}", one, ""},
		{"lines", "models that write no JSON", "Question: How tall is it?\nAnswer: 3 m\n\nQ: How wide?\nA: 2 m", append(one[:1:1], Pair{"How wide?", "2 m"}), ""},
		{"Markdown", "marks and numbers around the words", "1. **Question:** How tall is it?\n   **Answer**: 3\n   m", one, ""},
		{"a line that goes on", "wrapped at the margin", "Question: How tall\nis it?\nAnswer: 3 m\n\nI hope this helps.", one, ""},
		{"none", "as asked for passages without anything", `{"questions": []}`, nil, ""},
		{"none, bare", "the list alone", "```json\n[]\n```", nil, ""},
		{"no question", "an object of another kind", `{"error": "no"}`, nil, "neither JSON nor lines"},
		{"talk", "neither", "I'm sorry, I cannot do that.", nil, "neither JSON nor lines"},
		{"empty", "nothing was said", " \n", nil, "an empty reply"},
		{"no answer", "the filters drop it", `{"question": "How tall is it?"}`, []Pair{{"How tall is it?", ""}}, ""},
		{"null", "no text", `{"question": null, "answer": "x"}`, nil, "neither JSON nor lines"},
	} {
		got, err := Pairs(tc.reply)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (%s) (-want +got):\n%s", tc.name, tc.why, diff)
		}
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: error %v; want %q", tc.name, err, tc.err)
		}
	}
}

func TestQuestion(t *testing.T) {
	for _, tc := range []struct{ name, why, reply, want, err string }{
		{"a line", "the usual case", " How tall is it?", "How tall is it?", ""},
		{"more lines", "models go on with another example", " How tall is it?\n\nTrees, statement: x", "How tall is it?", ""},
		{"an answer behind", "the question ends at its mark", "How tall is it? It is 3 m tall.", "How tall is it?", ""},
		{"the word again", "the prompt ends in it", "Question: How tall is it?", "How tall is it?", ""},
		{"another mark", "full width", "高さは？はい", "高さは?", ""},
		{"no mark", "a sentence is no question", "It is tall.", "", "no question"},
		{"a mark alone", "nothing is asked", "?", "", "an empty reply"},
		{"empty", "nothing", "\n", "", "an empty reply"},
	} {
		got, err := Question(tc.reply)
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s (%s): %q, %v; want %q, %q", tc.name, tc.why, got, err, tc.want, tc.err)
		}
	}
}

// Long replies take no longer than their length.
func TestLongRepliesAreReadQuickly(t *testing.T) {
	for name, text := range map[string]string{
		"lines that go on": "Question: a\n" + strings.Repeat("b\n", 30000),
		"braces":           strings.Repeat("{", 60000),
		"nested objects":   strings.Repeat(`{"a":`, 12000),
		"labels":           strings.Repeat("q:\n", 20000),
		"strings":          strings.Repeat(`{"`, 30000),
	} {
		began := time.Now()
		_, _ = Pairs(text)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// Whatever a model replies is read in bounded time, and what is found in it is text.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{
		`{"questions": [{"question": "a?", "answer": "b"}]}`, "```json\n[]```", "<think>{</think>Q: a\nA: b", `{"question": "a?", "answer": [1, {"`, strings.Repeat(`{"a":`, 300),
		"1. **Question 2:** a?\n- __Answer__: b\x80", "Question: \xff?",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		pairs, err := Pairs(reply)
		if len(pairs) > maxPairs || err != nil && pairs != nil {
			t.Fatalf("%d pairs, %v", len(pairs), err)
		}
		for _, p := range pairs {
			if p.Question == "" || !utf8.ValidString(p.Question+p.Answer) || strings.ContainsAny(p.Question+p.Answer, "\n\r") {
				t.Errorf("%q", p)
			}
		}
		question, err := Question(reply)
		if (question == "") != (err != nil) || !utf8.ValidString(question) || strings.Contains(question, "\n") {
			t.Errorf("%q, %v", question, err)
		}
	})
}
