package prompt_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
	"gorqa/text/prompt"
)

func mustRender(t *testing.T, p *prompt.Template, in prompt.Input) string {
	t.Helper()
	got, err := p.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

const instruction = "Answer the user's question with the passages below. Rely on what they say, do not mention them, and say so plainly when they do not hold the answer."

func TestDefaultWordingIsTheReferenceRuns(t *testing.T) {
	smol := prompt.Format{UserPrefix: "USER", AssistantPrefix: "ASSISTANT", SepUser: " ", SepSys: "<|im_end|>"}
	mistral := prompt.Format{UserPrefix: "<s>[INST]", AssistantPrefix: "[/INST]", SepUser: " ", SepSys: "</s>"}
	for _, tc := range []struct {
		name, why string
		format    prompt.Format
		in        prompt.Input
		want      string
	}{{
		name: "one turn", why: "the reference run's prompt, REFERENCE.md",
		format: smol,
		in:     prompt.Input{Passages: []string{"Source: s\nContent:\nA", "Source: t\nContent:\nB"}, Question: "What?"},
		want:   instruction + "\n\nPassages:\nSource: s\nContent:\nA\nSource: t\nContent:\nB\n\nUSER: What? ASSISTANT:",
	}, {
		name: "history", why: "user turns close with sep_user, assistant turns with sep_sys; roles in any case are the assistant's",
		format: prompt.DefaultFormat(),
		in: prompt.Input{Passages: []string{"A"}, Question: "Q2", History: []dataset.Turn{
			{Speaker: "user", Message: "Q1"}, {Speaker: "Assistant", Message: "A1"},
			{Speaker: "USER", Message: "Q1b"}, {Speaker: "SYSTEM", Message: "A1b"},
		}},
		want: instruction + "\n\nPassages:\nA\n\nUSER: Q1 ASSISTANT: A1</s>USER: Q1b ASSISTANT: A1b</s>USER: Q2 ASSISTANT:",
	}, {
		name: "own prefix speaks", why: "a speaker equal to assistant_prefix is the assistant",
		format: mistral,
		in:     prompt.Input{Question: "Q2", History: []dataset.Turn{{Speaker: "<s>[INST]", Message: "Q1"}, {Speaker: "[/INST]", Message: "A1"}}},
		want:   instruction + "\n\nPassages:\n\n\n<s>[INST]: Q1 [/INST]: A1</s><s>[INST]: Q2 [/INST]:",
	}, {
		name: "braces in data", why: "only the wording is read for placeholders",
		format: smol,
		in:     prompt.Input{Passages: []string{"{dialogue} {{x}}"}, Question: "{passages}?"},
		want:   instruction + "\n\nPassages:\n{dialogue} {{x}}\n\nUSER: {passages}? ASSISTANT:",
	}} {
		t.Run(tc.name, func(t *testing.T) {
			p := prompt.Default(tc.format)
			if d := cmp.Diff(tc.want, mustRender(t, p, tc.in)); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.why, d)
			}
			if got, want := p.Answer("It is."), " It is."+tc.format.SepSys; got != want {
				t.Errorf("Answer is %q, want %q", got, want)
			}
			if d := cmp.Diff([]string{tc.format.SepSys}, p.Stops()); d != "" {
				t.Errorf("Stops (-want +got):\n%s", d)
			}
			if !p.AddSpecialTokens() {
				t.Error("a text template leaves special tokens to the tokenizer")
			}
		})
	}
}

func TestTemplateFillsItsPlaceholders(t *testing.T) {
	f := prompt.DefaultFormat()
	in := prompt.Input{Passages: []string{"P1", "P2"}, Question: "Q", History: []dataset.Turn{{Speaker: "USER", Message: "H"}}}
	for _, tc := range []struct {
		name, why, text, want, answer string
	}{
		{"dialogue", "the usual form", "C: {passages}\n{dialogue}", "C: P1\nP2\nUSER: H USER: Q ASSISTANT:", " a</s>"},
		{"last newline", "editors end files with one", "{passages}\n{dialogue}\r\n", "P1\nP2\nUSER: H USER: Q ASSISTANT:", " a</s>"},
		{"Windows", "a byte order mark and the \\r of line ends are the editor's", "\uFEFFC:\r\n{passages}\r\n{dialogue}\r\n", "C:\nP1\nP2\nUSER: H USER: Q ASSISTANT:", " a</s>"},
		{"literal braces", "JSON in a wording", `{{"c": "{passages}"}} {dialogue}`, `{"c": "P1` + "\n" + `P2"} USER: H USER: Q ASSISTANT:`, " a</s>"},
		{"own ending", "another tool's opening of the answer; it ends in a newline, so no space follows", "{passages}\n{history}\n# Q: {question}\n# A:\n\n", "P1\nP2\nUSER: H \n# Q: Q\n# A:\n", "a</s>"},
		{"text after dialogue", "kept as written", "{passages}{dialogue} [/INST]", "P1\nP2USER: H USER: Q ASSISTANT: [/INST]", " a</s>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := prompt.Parse(tc.text, f)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, mustRender(t, p, in)); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.why, d)
			}
			if got := p.Answer("a"); got != tc.answer {
				t.Errorf("Answer is %q, want %q", got, tc.answer)
			}
			checkSaved(t, p, in)
			checkSaved(t, p.DroppingPassages(true), in)
		})
	}
}

// checkSaved fails unless a template renders the same after it was saved.
func checkSaved(t *testing.T, p *prompt.Template, in prompt.Input) {
	t.Helper()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back prompt.Template
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(mustRender(t, p, in), mustRender(t, &back, in)); d != "" {
		t.Errorf("prompt after saving (-before +after):\n%s", d)
	}
	if p.DropsPassages() != back.DropsPassages() {
		t.Error("the order of cutting differs after saving")
	}
	if p.Answer("x") != back.Answer("x") || p.Source() != back.Source() || !cmp.Equal(p.Stops(), back.Stops()) {
		t.Error("answer, source or stops differ after saving")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, why, text string
		want            []string
	}{
		{"empty", "nothing in it", "", []string{"lacks {passages}", "lacks {dialogue}"}},
		{"unknown", "a typing mistake", "{passages}\n\n{dialog}", []string{"line 3: the placeholder {dialog} is unknown"}},
		{"several", "all problems together", "{a}\n{b}", []string{"line 1: the placeholder {a}", "line 2: the placeholder {b}"}},
		{"open brace", "JSON without doubling", "{\n{passages}{dialogue}", []string{"line 1: an opening brace"}},
		{"close brace", "JSON without doubling", "{passages}{dialogue}}", []string{"a closing brace"}},
		{"twice", "ambiguous", "{passages}{passages}{dialogue}", []string{"{passages} stands 2 times"}},
		{"both", "the question would stand twice", "{passages}{dialogue}{question}", []string{"{dialogue} beside {history} or {question}"}},
		{"no history", "a history would be lost without a word", "{passages}{question}", []string{"lacks {history}"}},
		{"no question", "nothing asked", "{passages}{history}", []string{"lacks {question}"}},
		{"not UTF-8", "a binary file", "{passages}{dialogue}\xff", []string{"not UTF-8"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := prompt.Parse(tc.text, prompt.DefaultFormat())
			if err == nil {
				t.Fatalf("no error; %s", tc.why)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for _, tc := range []struct{ name, data, want string }{
		{"another version", `{"version":2,"text":"{passages}{dialogue}"}`, "version 2"},
		{"nothing in it", `{"version":1}`, "neither or both"},
		{"both in it", `{"version":1,"text":"","chat":{}}`, "neither or both"},
		{"bad wording", `{"version":1,"text":"x"}`, "lacks {passages}"},
		{"bad chat template", `{"version":1,"chat":{"chat_template":"{% if %}"}}`, "does not compile"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p prompt.Template
			if err := json.Unmarshal([]byte(tc.data), &p); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v; want %q in it", err, tc.want)
			}
		})
	}
}

func TestFormatValidate(t *testing.T) {
	if err := prompt.DefaultFormat().Validate(); err != nil {
		t.Error(err)
	}
	err := prompt.Format{}.Validate()
	if err == nil || !strings.Contains(err.Error(), "user_prefix") || !strings.Contains(err.Error(), "sep_sys") {
		t.Errorf("error is %v; want both mistakes", err)
	}
}

// TestSpeakersOfDataSetsAreMappedOrRefused maps the names that data sets write, and refuses others.
func TestSpeakersOfDataSetsAreMappedOrRefused(t *testing.T) {
	f := prompt.Format{UserPrefix: "Q", AssistantPrefix: "A", SepUser: "|", SepSys: "</s>"}
	text, err := prompt.Parse("{passages}{dialogue}", f)
	if err != nil {
		t.Fatal(err)
	}
	chat, err := prompt.Chat(prompt.ChatOptions{Source: "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}|{% elif m.role == 'user' %}Q: {{ m.content }}|{% elif m.role == 'assistant' %}A: {{ m.content }}</s>{% endif %}{% endfor %}{% if add_generation_prompt %}A: {% endif %}"}, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		names []string
		why   string
		want  string
	}{
		{[]string{"user", "USER", "human", "Human", "customer", "prompter", "Q", "q", " user "}, "users in data sets, and the format's own", "Q: x|"},
		{[]string{"assistant", "ASSISTANT", "gpt", "chatgpt", "bot", "chatbot", "AI", "ai", "model", "agent", "A"}, "assistants in data sets", "A: x</s>"},
		{[]string{"bob", "tool", "function", "narrator", "", "Q:"}, "nobody says whose words these are", ""},
	} {
		for _, name := range tc.names {
			history := []dataset.Turn{{Speaker: name, Message: "x"}}
			for kind, p := range map[string]*prompt.Template{"text": text, "chat": chat} {
				got, err := p.Render(prompt.Input{Question: "y", History: history})
				switch {
				case tc.want == "" && (err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name))):
					t.Errorf("%s: %q gives %q and error %v; %s", kind, name, got, err, tc.why)
				case tc.want != "" && (err != nil || !strings.Contains(got, tc.want)):
					t.Errorf("%s: %q gives %q and error %v, want %q; %s", kind, name, got, err, tc.want, tc.why)
				}
				if _, err := p.Standalone(history, "y"); (err == nil) != (tc.want != "") {
					t.Errorf("%s: %q worded anew gives error %v", kind, name, err)
				}
				if unclear := p.Unclear(history); (len(unclear) == 0) != (tc.want != "") {
					t.Errorf("%s: %q unclear: %v", kind, name, unclear)
				}
			}
		}
	}
}

// TestSystemThatAnswersIsNoInstruction tells LocalRQA's system, which answers, from an instruction.
func TestSystemThatAnswersIsNoInstruction(t *testing.T) {
	for _, tc := range []struct {
		name, why, assistant string
		speakers             []string
		unclear              []int
	}{
		{"LocalRQA", "its name for what answers", "A", []string{"user", "system", "user", "System"}, nil},
		{"it begins and answers", "a greeting", "A", []string{"system", "user", "system"}, nil},
		{"an answer by another name", "as in the reference's dialogues", "A", []string{"user", "assistant", "user", "system"}, nil},
		{"after an answer", "two answers in a row are none", "A", []string{"user", "system", "system"}, []int{2}},
		{"first and once", "OpenAI's messages, ShareGPT's conversations", "A", []string{"system", "user"}, []int{0}},
		{"alone", "before the first question", "A", []string{" SYSTEM "}, []int{0}},
		{"first, beside an assistant", "an instruction was learnt as an answer", "A", []string{"system", "human", "gpt"}, []int{0}},
		{"later, beside an assistant", "an instruction in between", "A", []string{"user", "assistant", "system"}, []int{2}},
		{"twice, beside an assistant", "each is named", "A", []string{"system", "user", "A", "system"}, []int{0, 3}},
		{"named", "who names it knows", "SYSTEM", []string{"system", "user"}, nil},
	} {
		text := prompt.Default(prompt.Format{UserPrefix: "Q", AssistantPrefix: tc.assistant, SepUser: "|", SepSys: "</s>"})
		var history []dataset.Turn
		for _, s := range tc.speakers {
			history = append(history, dataset.Turn{Speaker: s, Message: "x"})
		}
		var got []int
		for _, u := range text.Unclear(history) {
			got = append(got, u.Turn)
		}
		if diff := cmp.Diff(tc.unclear, got); diff != "" {
			t.Errorf("%s (%s): unclear turns (-want +got)\n%s", tc.name, tc.why, diff)
		}
		if _, err := text.Standalone(history[len(history)-1:], "y"); err != nil { // what is left of a long one
			t.Errorf("%s (%s): error %v", tc.name, tc.why, err)
		}
	}
}

// TestAnswerClosesOnce closes answers once that end in what closes them.
func TestAnswerClosesOnce(t *testing.T) {
	for _, tc := range []struct{ name, why, sep, answer, want string }{
		{"plain", "the usual answer", "</s>", "a", " a</s>"},
		{"closed", "data that has the end token", "</s>", "a</s>", " a</s>"},
		{"lines", "its newlines are part of it", "\n\n###", "a\n\n###", " a\n\n###"},
		{"white space", "a space ends no answer", " ", "a ", " a  "},
	} {
		f := prompt.DefaultFormat()
		f.SepSys = tc.sep
		if got := prompt.Default(f).Answer(tc.answer); got != tc.want {
			t.Errorf("%s: %q, want %q; %s", tc.name, got, tc.want, tc.why)
		}
	}
}

func TestStopsSkipWhiteSpace(t *testing.T) {
	if got := prompt.Default(prompt.Format{UserPrefix: "U", AssistantPrefix: "A", SepUser: " ", SepSys: " "}).Stops(); got != nil {
		t.Errorf("Stops is %q; a space ends no answer", got)
	}
}

// TestDefaultWording holds the embedded file to the project's default.
func TestDefaultWording(t *testing.T) {
	data, err := os.ReadFile("default.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := prompt.Default(prompt.DefaultFormat()).Source() + "\n"; got != string(data) {
		t.Errorf("Source is %q, want %q", got, data)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"{passages}{dialogue}", "{{}}{passages}{history}{question}\n", "{", "}", "{passages", "{\xff}"} {
		f.Add(seed)
	}
	in := prompt.Input{Passages: []string{"P"}, Question: "Q"}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := prompt.Parse(text, prompt.DefaultFormat())
		if err != nil {
			return
		}
		checkSaved(t, p, in)
		if got := mustRender(t, p, in); !strings.Contains(got, "P") || !strings.Contains(got, "Q") {
			t.Errorf("the prompt %q lacks the passage or the question", got)
		}
	})
}

// FuzzSaved reads gorqa_prompt.json: a template that renders and saves itself
// again, or an error.
func FuzzSaved(f *testing.F) {
	for _, p := range []*prompt.Template{prompt.Default(prompt.DefaultFormat()), prompt.LocalRQA(prompt.DefaultFormat()).DroppingPassages(true)} {
		data, err := json.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"version":1,"format":{},"chat":{"Source":"{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}","SpecialTokens":{"bos_token":"<s>"}}}`))
	f.Add([]byte(`{"version":1,"text":"{passages}{dialogue}","chat":null,"drops_passages":true}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`null`))
	in := prompt.Input{Passages: []string{"P"}, Question: "Q"}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p prompt.Template
		if err := json.Unmarshal(data, &p); err != nil {
			return
		}
		text, err := p.Render(in)
		if err != nil {
			return // a chat template may refuse
		}
		again, err := json.Marshal(&p)
		if err != nil {
			t.Fatal(err)
		}
		var q prompt.Template
		if err := json.Unmarshal(again, &q); err != nil {
			t.Fatalf("%s is refused: %v", again, err)
		}
		if got := mustRender(t, &q, in); got != text {
			t.Errorf("saved and read again it renders %q, not %q", got, text)
		}
	})
}

func ExampleDefault() {
	p := prompt.Default(prompt.DefaultFormat())
	text, err := p.Render(prompt.Input{
		Passages: []string{"Content:\nA gopher digs."},
		Question: "What does a gopher do?",
	})
	if err != nil {
		panic(err)
	}
	_, dialogue, _ := strings.Cut(text, "Passages:\n")
	fmt.Println(dialogue + p.Answer("It digs."))
	// Output:
	// Content:
	// A gopher digs.
	//
	// USER: What does a gopher do? ASSISTANT: It digs.</s>
}
