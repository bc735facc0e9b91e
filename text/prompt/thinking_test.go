package prompt

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
)

// TestThinking divides rows of thinking models' templates as training must:
// what stands before an answer when thinking is off belongs to the prompt.
func TestThinking(t *testing.T) {
	data, err := os.ReadFile("testdata/thinking/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Rows []struct {
			Template string `json:"template"`
			Row      struct {
				Passages []string    `json:"passages"`
				History  [][2]string `json:"history"`
				Question string      `json:"question"`
				Answer   string      `json:"answer"`
			} `json:"row"`
			Prompt string `json:"prompt"`
			Answer string `json:"answer"`
		} `json:"rows"`
	}
	if err := json.Unmarshal(data, &g); err != nil || len(g.Rows) == 0 {
		t.Fatalf("%d rows, %v", len(g.Rows), err)
	}
	for _, tc := range g.Rows {
		t.Run(tc.Template, func(t *testing.T) {
			source, err := os.ReadFile("testdata/thinking/" + tc.Template + ".jinja")
			if os.IsNotExist(err) {
				source, err = os.ReadFile("testdata/chat/" + tc.Template + ".jinja")
			}
			if err != nil {
				t.Fatal(err)
			}
			p, err := Chat(ChatOptions{Source: string(source)}, DefaultFormat())
			if err != nil {
				t.Fatal(err)
			}
			in := Input{Passages: tc.Row.Passages, Question: tc.Row.Question}
			for _, h := range tc.Row.History {
				in.History = append(in.History, dataset.Turn{Speaker: h[0], Message: h[1]})
			}
			got, err := p.Render(in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.Prompt, got); d != "" {
				t.Errorf("prompt (-transformers +gorqa):\n%s", d)
			}
			if d := cmp.Diff(tc.Answer, p.Answer(tc.Row.Answer)); d != "" {
				t.Errorf("answer (-transformers +gorqa):\n%s", d)
			}
			alone, err := p.Standalone(nil, "Q")
			if err != nil {
				t.Fatal(err)
			}
			if ending := got[strings.LastIndex(got, in.Question)+len(in.Question):]; !strings.HasSuffix(alone, ending) {
				t.Errorf("a question is worded anew after %q, an answer given after %q", alone, got)
			}
		})
	}
}

// TestThinkingThatStays refuses a template whose prompt opens thoughts that
// nothing closes: its answers would be trained within them.
func TestThinkingThatStays(t *testing.T) {
	_, err := Chat(ChatOptions{Source: `{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|><think>{% endif %}`}, DefaultFormat())
	if err == nil || !strings.Contains(err.Error(), "does not begin with its prompt") {
		t.Errorf("error is %v; expected a refusal", err)
	}
}
