package prompt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorqa/text/dataset"
)

// A template's chat template renders messages to what the template renders.
func TestChatTemplate(t *testing.T) {
	odd := Format{UserPrefix: `it's "U\`, AssistantPrefix: "助手", SepUser: "\n", SepSys: "{{ x }}\t</s>\n"}
	for _, c := range []struct {
		name, why string
		template  *Template
	}{
		{"default", "gorqa's wording", Default(DefaultFormat())},
		{"LocalRQA's", "it has an apostrophe", LocalRQA(DefaultFormat())},
		{"odd format", "quotes, backslashes, newlines, braces, other scripts", Default(odd)},
		{"passages last", "the dialogue stands first", must(Parse("{dialogue}\n\n{passages}", DefaultFormat()))},
		{"a tail", "what opens the answer is the wording's", must(Parse("Passages: {passages}\n{dialogue} Well, \n\n", odd))},
		{"history and question", "each where the wording has it", must(Parse("{{%q%}}{passages}\n<{history}>\nQ: {question}\nA:", odd))},
		{"question first", "and the history after it", must(Parse("{question}\n\n{history}\n{passages}\n", DefaultFormat()))},
		{"passages first", "nothing stands before them", must(Parse("{passages}\n\n{dialogue}", DefaultFormat()))},
	} {
		t.Run(c.name, func(t *testing.T) {
			const lead = "<s>"
			made, err := Chat(ChatOptions{Source: c.template.ChatTemplate(lead)}, DefaultFormat())
			if err != nil {
				t.Fatalf("%v\n%s", err, c.template.ChatTemplate(lead))
			}
			for _, in := range []Input{
				{Question: "why?"},
				{Passages: []string{"One.", "{{ Two }} isn't\n\\n."}, Question: "why\n?"},
				{Passages: []string{"P"}, History: []dataset.Turn{{Speaker: "user", Message: " a "}, {Speaker: "assistant", Message: "b\n"}, {Speaker: "user", Message: "c"}, {Speaker: "assistant", Message: "d"}}, Question: "e"},
			} {
				want, err := c.template.Render(in)
				if err != nil {
					t.Fatal(err)
				}
				passages := strings.Join(in.Passages, "\n")
				systems := []string{passages}
				if p := c.template.parts; p[0].name == "" {
					systems = append(systems, p[0].literal+passages)
				}
				for _, system := range systems {
					messages := []message{{"system", system}}
					if len(in.Passages) == 0 && system == "" {
						messages = nil
					}
					for _, turn := range append(in.History, dataset.Turn{Speaker: "user", Message: in.Question}) {
						messages = append(messages, message{turn.Speaker, turn.Message})
					}
					got, err := made.chat.render(messages, true)
					if err != nil {
						t.Fatal(err)
					}
					if got != lead+want {
						t.Errorf("%s: the chat template renders %q; %q expected", c.why, got, lead+want)
					}
					got, err = made.chat.render(append(messages, message{"assistant", " yes"}), false)
					if err != nil {
						t.Fatal(err)
					}
					if want := lead + want + c.template.Answer(" yes"); got != want {
						t.Errorf("%s: with an answer %q; %q expected", c.why, got, want)
					}
				}
			}
		})
	}
}

func must(t *Template, err error) *Template {
	if err != nil {
		panic(err)
	}
	return t
}

// A thinking model's chat template is exported so that it renders what was
// trained, whatever a server says of thinking.
func TestChatTemplateThinking(t *testing.T) {
	files, err := filepath.Glob("testdata/thinking/*.jinja")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		trained := must(Chat(ChatOptions{Source: string(source)}, DefaultFormat()))
		served, err := compile(trained.ChatTemplate(""))
		if err != nil {
			t.Fatal(err)
		}
		messages := []message{{"user", "why?"}}
		want, err := trained.chat.ask(messages)
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&chat{template: served}).render(messages, true)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; %q expected", file, got, err, want)
		}
	}
}
