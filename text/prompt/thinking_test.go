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

// TestThinkingThatStays closes thoughts that only the prompt opens, and refuses what
// it cannot tell to be thoughts: answers would be trained after another text.
func TestThinkingThatStays(t *testing.T) {
	for _, test := range []struct {
		name, why, opens string
		want             string // what the prompt ends in, "" for a refusal
	}{
		{"no line break", "the block is as Qwen3's", "<think>", "<think>\n\n</think>\n\n"},
		{"a line break", "DeepSeek-R1's", "<think>\n", "<think>\n\n</think>\n\n"},
		{"an empty line", "none too many", "<think>\n\n", "<think>\n\n</think>\n\n"},
		{"another tag", "Seed-OSS's", "<seed:think>\n", "<seed:think>\n\n</seed:think>\n\n"},
		{"brackets", "Magistral's", "[THINK]", "[THINK]\n\n[/THINK]\n\n"},
		{"closed", "what gorqa exported of such a model", "<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"},
		{"words", "are no thoughts", "Let me see:", ""},
		{"words after it", "thoughts that were begun", "<think>\nOkay,", ""},
		{"another tag's end", "closes nothing", "</think>", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			source := `{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{{ ` + quote(test.opens) + ` }}{% endif %}`
			p, err := Chat(ChatOptions{Source: source}, DefaultFormat())
			if test.want == "" {
				if err == nil || !strings.Contains(err.Error(), "does not begin with its prompt") {
					t.Errorf("%s: error is %v; expected a refusal", test.why, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Render(Input{Question: "Q?"})
			if err != nil || !strings.HasSuffix(got, "Q?<|end|><|assistant|>"+test.want) {
				t.Errorf("%s: the prompt is %q, %v; %q expected at its end", test.why, got, err, test.want)
			}
			if answer := p.Answer("It is."); answer != "It is.<|end|>" {
				t.Errorf("%s: the answer is %q", test.why, answer)
			}
			again, err := Chat(ChatOptions{Source: p.ChatTemplate("")}, DefaultFormat())
			if err != nil {
				t.Fatalf("the exported template: %v", err)
			}
			if exported, err := again.Render(Input{Question: "Q?"}); err != nil || exported != got {
				t.Errorf("the exported template renders %q, %v; %q expected", exported, err, got)
			}
		})
	}
}
