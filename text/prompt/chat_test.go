package prompt

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
)

// golden is what parity/make_chat.py writes.
type golden struct {
	Now           time.Time                    `json:"now"`
	SpecialTokens map[string]map[string]string `json:"special_tokens"`
	Cases         []struct {
		Template     string `json:"template"`
		Conversation string `json:"conversation"`
		Messages     []struct {
			Role    string `json:"role"`
			Content string `json:"content"`
		} `json:"messages"`
		AddGenerationPrompt bool    `json:"add_generation_prompt"`
		Text                *string `json:"text"`
		Error               string  `json:"error"`
	} `json:"cases"`
	Rows []struct {
		Template string      `json:"template"`
		Row      string      `json:"row"`
		Passages []string    `json:"passages"`
		History  [][2]string `json:"history"`
		Question string      `json:"question"`
		Text     string      `json:"text"`
		Prompt   string      `json:"prompt"`
		Answer   string      `json:"answer"`
	} `json:"rows"`
}

func readGolden(t *testing.T) golden {
	t.Helper()
	f, err := os.Open("testdata/chat/golden.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.NewDecoder(z).Decode(&g); err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) == 0 || len(g.Rows) == 0 {
		t.Fatal("the golden file is empty")
	}
	return g
}

func (g golden) options(t *testing.T, name string) ChatOptions {
	t.Helper()
	source, err := os.ReadFile("testdata/chat/" + name + ".jinja")
	if err != nil {
		t.Fatal(err)
	}
	return ChatOptions{Source: string(source), SpecialTokens: g.SpecialTokens[name], Now: g.Now}
}

// TestRenderLikeTransformers renders conversations to the byte as
// transformers' apply_chat_template does, and refuses those that it refuses.
func TestRenderLikeTransformers(t *testing.T) {
	g := readGolden(t)
	compiled := map[string]*chat{}
	for _, tc := range g.Cases {
		c := compiled[tc.Template]
		if c == nil {
			options := g.options(t, tc.Template)
			template, err := compile(options.Source)
			if err != nil {
				t.Fatalf("%s: %v", tc.Template, err)
			}
			c = &chat{options: options, template: template}
			compiled[tc.Template] = c
		}
		var messages []message
		for _, m := range tc.Messages {
			messages = append(messages, message{m.Role, m.Content})
		}
		got, err := c.render(messages, tc.AddGenerationPrompt)
		switch {
		case tc.Text == nil && (err == nil || !strings.Contains(err.Error(), tc.Error)):
			t.Errorf("%s, %s: error is %v, want %q", tc.Template, tc.Conversation, err, tc.Error)
		case tc.Text != nil && err != nil:
			t.Errorf("%s, %s: %v", tc.Template, tc.Conversation, err)
		case tc.Text != nil && got != *tc.Text:
			t.Errorf("%s, %s (-transformers +gorqa):\n%s", tc.Template, tc.Conversation, cmp.Diff(*tc.Text, got))
		}
	}
}

// TestChatRows builds rows as Python built them from the same description.
func TestChatRows(t *testing.T) {
	g := readGolden(t)
	for _, tc := range g.Rows {
		t.Run(tc.Template+"/"+tc.Row, func(t *testing.T) {
			p, err := Chat(g.options(t, tc.Template), DefaultFormat())
			if err != nil {
				t.Fatal(err)
			}
			in := Input{Passages: tc.Passages, Question: tc.Question}
			for _, h := range tc.History {
				in.History = append(in.History, dataset.Turn{Speaker: h[0], Message: h[1]})
			}
			got, err := p.Render(in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.Prompt+tc.Answer, got+p.Answer(tc.Text)); d != "" {
				t.Errorf("prompt and answer (-transformers +gorqa):\n%s", d)
			}
			if d := cmp.Diff(tc.Prompt, got); d != "" && tc.Template != "qwen3" { // its empty thoughts: TestThinking
				t.Errorf("prompt (-transformers +gorqa):\n%s", d)
			}
			data, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			var back Template
			if err := json.Unmarshal(data, &back); err != nil {
				t.Fatal(err)
			}
			if again, err := back.Render(in); err != nil || again != got {
				t.Errorf("after saving the prompt is %q (%v), before it was %q", again, err, got)
			}
		})
	}
}

// TestChatConcurrently holds Template to being safe for concurrent use; run
// it with -race.
func TestChatConcurrently(t *testing.T) {
	g := readGolden(t)
	p, err := Chat(g.options(t, "llama3.2"), DefaultFormat())
	if err != nil {
		t.Fatal(err)
	}
	in := Input{Passages: []string{"P"}, Question: "Q"}
	want, err := p.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got, err := p.Render(in); err != nil || got != want {
					t.Errorf("prompt is %q (%v), want %q", got, err, want)
				}
			}
		})
	}
	wg.Wait()
}

// TestChatWithoutDate holds a template that shows the date to its own where
// none is given: prompts do not change from day to day.
func TestChatWithoutDate(t *testing.T) {
	options := readGolden(t).options(t, "llama3.2")
	options.Now = time.Time{}
	p, err := Chat(options, DefaultFormat())
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Render(Input{Question: "Q"})
	if err != nil || !strings.Contains(got, "26 Jul 2024") {
		t.Errorf("prompt is %q (%v), want the template's date in it", got, err)
	}
}

func TestChatProperties(t *testing.T) {
	g := readGolden(t)
	for _, tc := range []struct{ template, stop string }{
		{"smollm2", "<|im_end|>"}, {"llama3", "<|eot_id|>"}, {"mistral-v0.1", "</s>"}, {"mistral-v0.2", "</s>"}, {"mistral-v0.3", "</s>"}, {"qwen2.5", "<|im_end|>"}, {"qwen3", "<|im_end|>"},
	} {
		p, err := Chat(g.options(t, tc.template), DefaultFormat())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{tc.stop}, p.Stops()); d != "" {
			t.Errorf("%s: stops (-want +got):\n%s", tc.template, d)
		}
		if p.AddSpecialTokens() {
			t.Errorf("%s: a chat template writes its special tokens itself", tc.template)
		}
	}
}

func TestChatRefuses(t *testing.T) {
	const turns = "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"
	for _, tc := range []struct{ name, why, source, want string }{
		{"empty", "a model without a template", " \n", "is empty"},
		{"broken", "not Jinja", "{% for %}", "does not compile"},
		{"unclosed", "cut off", "{{ messages", "does not compile"},
		{"unknown block", "not in transformers either", "{% frob %}", "does not compile"},
		{"reads a file", "a template must not read the disk", "{% include '/etc/hostname' %}", "does not compile"},
		{"not a prefix", "the prompt differs from the conversation that was trained on", turns + "{% if add_generation_prompt %}bot:{% endif %}", "does not begin with its prompt"},
		{"no end", "nothing teaches the model to stop", "{% for m in messages %}{{ m.role }}:{{ m.content }}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}", "puts nothing after"},
		{"no question", "the question is lost", "{% if add_generation_prompt %}x{% endif %}", "leaves out the user's message"},
		{"no answer", "the answer is lost", "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", "leaves out the assistant's message"},
		{"refuses all", "raise_exception says why", "{{ raise_exception('not today') }}", "not today"},
		{"endless macro", "a stack overflow cannot be recovered", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "more than 100 macros"},
		{"long loops", "minutes of work", "{% for a in range(10000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}", "more than 2000000 steps"},
		{"long range", "gigabytes", "{{ range(1000000000) }}", "more than 100000 numbers"},
		{"recursive loop", "it goes as deep as a macro may", "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}", "more than 100 macros and loops"},
		{"deep brackets", "the parser recurses", "{{ " + strings.Repeat("(", 100_000) + strings.Repeat(")", 100_000) + " }}", "more than 200 brackets"},
		{"deep blocks", "the parser recurses", strings.Repeat("{% if 1 %}", 10_000), "more than 200 brackets, operators and blocks"},
		{"large", "a template has a few KiB", strings.Repeat("x", 300<<10), "more than 262144 bytes of template"},
		{"Latin-1", "no template is in another encoding than UTF-8", "{{ messages }}\n\xe9", "line 2: not UTF-8"},
		{"long text", "gigabytes of memory", "{{ 'ab' * 1000000000 }}", "more than 134217728 bytes of texts and lists"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Chat(ChatOptions{Source: tc.source}, DefaultFormat())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v; want %q in it: %s", err, tc.want, tc.why)
			} else if len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

func FuzzChat(f *testing.F) {
	for _, name := range []string{"smollm2", "llama3", "mistral-v0.2", "qwen3", "functions", "whitespace"} {
		source, err := os.ReadFile("testdata/chat/" + name + ".jinja")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(source))
	}
	f.Add("{% macro f(x=1, *args, **kwargs) %}{{ f(x) }}{% endmacro %}{{ f() }}")
	f.Add("{{ messages[-1][::-1] | tojson(indent='x') }}{% raw %}{% endraw %}{%+ set a.b = 1 +%}")
	f.Fuzz(func(t *testing.T, source string) {
		p, err := Chat(ChatOptions{Source: source, SpecialTokens: map[string]string{"bos_token": "<s>", "eos_token": "</s>"}}, DefaultFormat())
		if err != nil {
			return
		}
		// A template that passed the probe may still refuse, but not panic.
		_, _ = p.Render(Input{Passages: []string{"P"}, Question: "Q", History: []dataset.Turn{{Speaker: "USER", Message: "H"}, {Speaker: "ASSISTANT", Message: "A"}}})
		if a := p.Answer("x"); !strings.Contains(a, "x") {
			t.Errorf("the answer %q lacks the text", a)
		}
	})
}
