package qa

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/golden"
	"gorqa/text/prompt"
	"gorqa/text/tokenizer"
)

// vocabulary is a tokenizer of the tokenizer package's tests.
func vocabulary(t testing.TB, name string) []byte {
	t.Helper()
	var data json.RawMessage
	golden.ReadJSON(t, "../text/tokenizer/testdata/"+name+".json.gz", &data)
	return data
}

func named(t testing.TB, name, config, specialMap string) *tokenizer.Tokenizer {
	t.Helper()
	bytes := func(s string) []byte {
		if s == "" {
			return nil
		}
		return []byte(s)
	}
	tok, err := tokenizer.ParseNamed(vocabulary(t, name), bytes(config), bytes(specialMap))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// wordy is Llama 2's tokenizer, of SentencePiece's kind; its end token is </s>.
func wordy(t testing.TB) *tokenizer.Tokenizer { return named(t, "llama2", "", "") }

const chatML = `{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

// datedTemplate tells the date before each answer.
const datedTemplate = `{% for m in messages %}{{ (strftime_now('%Y-%m-%d|') if m.role == 'assistant' else '') + '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ strftime_now('%Y-%m-%d|') + '<|im_start|>assistant\n' }}{% endif %}`

func TestChoose(t *testing.T) {
	chat := map[string][]byte{"chat_template.jinja": []byte(chatML)}
	odd := map[string][]byte{"chat_template.jinja": []byte(`{{ messages[0]['content'] }}`)}
	today := map[string][]byte{"chat_template.jinja": []byte(datedTemplate)}
	dated, err := prompt.Chat(prompt.ChatOptions{Source: datedTemplate, Now: time.Date(2025, 12, 24, 0, 0, 0, 0, time.UTC)}, prompt.DefaultFormat())
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]any{"chat_template": []map[string]string{{"name": "tool_use", "template": "{{ tools }}"}, {"name": "default", "template": chatML}}})
	if err != nil {
		t.Fatal(err)
	}
	several := map[string][]byte{"tokenizer_config.json": list}
	trained := prompt.Default(prompt.Format{UserPrefix: "Q", AssistantPrefix: "A", SepUser: "\n", SepSys: "#"})
	for _, test := range []struct {
		name, why string
		set       func(*PromptOptions)
		files     map[string][]byte
		saved     *prompt.Template
		what      string // of the line that says it
		prompt    string // its end
		stop      string
		token     bool // one token ends an answer
		warning   string
	}{
		{"chat model", "it has a template and nothing was given", func(c *PromptOptions) {}, chat, nil,
			`the model's own chat template; an answer ends, in place of sep_sys, in the token "<|im_end|>" (2)`, "<|im_start|>assistant\n", "<|im_end|>", true, ""},
		{"base model", "it has none", func(c *PromptOptions) {}, nil, nil,
			`gorqa's wording with "USER" and "ASSISTANT"; an answer ends in sep_sys, the token "<|im_end|>" (2)`, "\n\nUSER: q ASSISTANT:", "<|im_end|>", true, ""},
		{"chat model with a prefix", "the flags speak of a wording", func(c *PromptOptions) { c.UserPrefix = new("Q") }, chat, nil,
			`gorqa's wording with "Q" and "ASSISTANT"; `, "\n\nQ: q ASSISTANT:", "<|im_end|>", true, ""},
		{"LocalRQA's own flags", "its values, which are the defaults here", func(c *PromptOptions) { c.SepSys = new("</s>") }, chat, nil,
			"gorqa's wording", "\n\nUSER: q ASSISTANT:", "</s>", false, `sep_sys is "</s>", which is no special token of this tokenizer (it is spelt "</" "s" ">"): answers are ended here by its text, but other programs that load the trained model run on to their limit; a special token expected; use --sep_sys "<|im_end|>"`},
		{"default", "asked for by name", func(c *PromptOptions) { c.Wording = GorqaWording }, chat, nil,
			"gorqa's wording", "\n\nUSER: q ASSISTANT:", "<|im_end|>", true, ""},
		{"trained", "nothing was given", func(c *PromptOptions) {}, chat, trained, "as the model was trained", "\n\nQ: q\nA:", "#", false, `sep_sys is "#"`},
		{"trained, and auto by name", "that is nothing given", func(c *PromptOptions) { c.Wording = AutoWording }, chat, trained, "as the model was trained", "\n\nQ: q\nA:", "#", false, "sep_sys"},
		{"trained, and default by name", "flags win", func(c *PromptOptions) { c.Wording = GorqaWording }, chat, trained, "gorqa's wording", "USER: q ASSISTANT:", "<|im_end|>", true, ""},
		{"LocalRQA's wording", "its end of an answer too", func(c *PromptOptions) { c.Wording = LocalRQAWording }, chat, nil,
			"LocalRQA's wording", "Context:\nP\n----------------\nUSER: q ASSISTANT:", "</s>", false, `sep_sys is "</s>"`},
		{"odd chat template", "a model is not refused for it", func(c *PromptOptions) {}, odd, nil, "gorqa's wording", "USER: q ASSISTANT:", "<|im_end|>", true, "the model's own chat template is not used"},
		{"chat model with a date", "the flag's day", func(c *PromptOptions) { c.Date = time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC) }, today, nil,
			"the model's own chat template, on 2026-03-31; an answer", "2026-03-31|<|im_start|>assistant\n", "<|im_end|>", true, ""},
		{"trained on a date", "that day stays", func(c *PromptOptions) {}, today, dated, "as the model was trained, on 2025-12-24; an answer", "2025-12-24|<|im_start|>assistant\n", "<|im_end|>", true, ""},
		{"trained, asked on another date", "the flag's day", func(c *PromptOptions) { c.Date = time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC) }, today, dated, "as the model was trained, on 2026-03-31; an answer", "2026-03-31|<|im_start|>assistant\n", "<|im_end|>", true, ""},
		{"list of templates", "the one named default", func(c *PromptOptions) {}, several, nil, "the model's own chat template; an answer", "<|im_start|>assistant\n", "<|im_end|>", true, ""},
		{"white space", "it stands in answers too", func(c *PromptOptions) { c.SepSys = new("\n") }, nil, nil, "gorqa's wording", "USER: q ASSISTANT:", "", false, "sep_sys is white space alone"},
		{"more than a token", "the token ends it", func(c *PromptOptions) { c.SepSys = new("<|im_end|>\n###") }, nil, nil, "gorqa's wording", "USER: q ASSISTANT:", "<|im_end|>\n###", true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := TextSide{Folder: "m", Files: test.files, Tokenizer: named(t, "smollm2", `{"eos_token":"<|im_end|>"}`, "")}
			c := PromptOptions{MaxTokens: 2048}
			test.set(&c)
			got, err := s.choose(c, test.saved)
			if err != nil {
				t.Fatal(err)
			}
			text, err := got.Template.Render(prompt.Input{Passages: []string{"P"}, Question: "q"})
			if err != nil {
				t.Fatal(err)
			}
			warnings := strings.Join(append(got.Warnings, s.separator(got.Template)), "\n")
			_, token := s.stopToken(got.Template)
			if !strings.HasPrefix(s.describe(got), test.what) || !strings.HasSuffix(text, test.prompt) || strings.Join(got.Template.Stops(), "") != test.stop || token != test.token {
				t.Errorf("%s: %q, prompt %q, stops %q, one token: %v", test.why, s.describe(got), text, got.Template.Stops(), token)
			}
			if (test.warning == "") != (strings.TrimSpace(warnings) == "") || !strings.Contains(warnings, test.warning) {
				t.Errorf("%s: warned of %q; %q expected", test.why, warnings, test.warning)
			}
		})
	}
}

func TestEnds(t *testing.T) {
	for _, test := range []struct {
		name, why, generation, config, tokenizer, specialMap string
		want                                                 []int32
		problem                                              string
	}{
		{"generation_config's number", "with the tokenizer's", `{"eos_token_id":7}`, `{"eos_token_id":9}`, `{"eos_token":"</s>"}`, "", []int32{2, 7}, ""},
		{"generation_config's list", "", `{"eos_token_id":[7,8]}`, "", `{"eos_token":{"content":"</s>","__type":"AddedToken"}}`, "", []int32{2, 7, 8}, ""},
		{"config's number", "generation_config says nothing", `{"eos_token_id":null}`, `{"eos_token_id":9}`, `{"eos_token":"</s>"}`, "", []int32{2, 9}, ""},
		{"config's list", "there is no generation_config", "", `{"eos_token_id":[9,10]}`, `{"eos_token":null}`, "", []int32{9, 10}, ""},
		{"nested", "a text model within another", "", `{"text_config":{"eos_token_id":[11]}}`, `{"eos_token":null}`, "", []int32{11}, ""},
		{"nested beside its own", "the outer one goes first", "", `{"eos_token_id":9,"text_config":{"eos_token_id":[11]}}`, `{"eos_token":null}`, "", []int32{9}, ""},
		{"special_tokens_map", "as transformers reads it", "", `{}`, `{}`, `{"eos_token":{"content":"<s>"}}`, []int32{1}, ""},
		{"special_tokens_map beside added tokens", "the configuration alone counts", "", `{}`, `{"eos_token":"</s>","added_tokens_decoder":{}}`, `{"eos_token":"<s>"}`, []int32{2}, ""},
		{"below 0", "is no token", `{"eos_token_id":-1}`, `{}`, `{"eos_token":null}`, "", nil, ""},
		{"a text", "the file is named", `{"eos_token_id":"</s>"}`, `{}`, "", "", nil, `m/generation_config.json: eos_token_id is "</s>"; expected the id of a token`},
		{"broken", "the file is named", "", `{`, "", "", nil, "m/config.json:1: the end found; more JSON expected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := TextSide{Folder: "m", Files: map[string][]byte{}, Tokenizer: named(t, "llama2", test.tokenizer, test.specialMap)}
			if test.generation != "" {
				s.Files["generation_config.json"] = []byte(test.generation)
			}
			if test.config != "" {
				s.Config = []byte(test.config)
			}
			got, err := s.Ends()
			if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Fatalf("%s: %v; %q expected", test.why, err, test.problem)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, d)
			}
		})
	}
}

// An answer ends with the token by which its text comes to hold the stop text,
// however both are spelt.
func TestAnswersEndWithTheTokenThatSpellsTheStop(t *testing.T) {
	long := strings.Repeat("Ein längerer Satz, 日本語 🙂. ", 40)
	for _, name := range []string{"smollm2", "llama2", "mistral", "gemma", "qwen2", "minilm", "t5"} {
		tok := named(t, name, "", "")
		for _, c := range []struct{ before, stop, after string }{
			{"Yes.", "###", "\nUSER: and"},
			{"Yes.\n", "###", " and"},
			{"Yes #", "###", ""},
			{"", "###", ""},
			{long, "###", "x"},
			{long, "</s>", "</s>"},
			{long, "終わり🙂", "x"},
			{"日本", "🙂", "x"},
			{"no stop here # ##", "###!", ""},
		} {
			for _, spelling := range []string{c.before + c.stop + c.after, c.before} {
				ids := tok.Encode(spelling, false)
				want := -1
				for n := 1; n <= len(ids) && want < 0; n++ {
					if strings.Contains(tok.Decode(ids[:n], false), c.stop) {
						want = n
					}
				}
				got, ended := -1, spells(tok, c.stop)
				for n := 1; n <= len(ids) && got < 0; n++ {
					if ended(ids[:n]) {
						got = n
					}
				}
				if got != want {
					t.Errorf("%s: %q ends %.40q after %d tokens; %d expected", name, c.stop, spelling, got, want)
				}
			}
		}
	}
	// Spelt byte by byte, after characters spelt so.
	tok := named(t, "llama2", "", "")
	var ids []int32
	for _, b := range []byte("日本語日本語日本語日本語日本語###") {
		id, ok := tok.ID("<0x" + strings.ToUpper(string("0123456789abcdef"[b>>4])+string("0123456789abcdef"[b&15])) + ">")
		if !ok {
			t.Fatal("no byte tokens")
		}
		ids = append(ids, id)
	}
	for n := 1; n <= len(ids); n++ {
		if got := spells(tok, "###")(ids[:n]); got != (n == len(ids)) {
			t.Errorf("%d of %d byte tokens: %v", n, len(ids), got)
		}
	}
}

func BenchmarkSpells(b *testing.B) {
	tok := named(b, "smollm2", "", "")
	ids := tok.Encode(strings.Repeat("A sentence of some words. ", 40), false)
	ended := spells(tok, "###")
	for b.Loop() {
		ended(ids)
	}
}

func TestWithoutPart(t *testing.T) {
	for _, c := range []struct{ text, stop, want string }{
		{"Yes. ##", "###", "Yes."}, {"Yes. </s", "</s>", "Yes."}, {"Yes.", "###", "Yes."}, {"", "###", ""}, {"#", "#", "#"}, {"##", "###", ""},
	} {
		if got := WithoutPart(c.text, c.stop); got != c.want {
			t.Errorf("%q without a part of %q: %q; %q expected", c.text, c.stop, got, c.want)
		}
	}
}

// A prompt that is saved reads again.
func TestSavedPrompt(t *testing.T) {
	data, err := json.Marshal(prompt.LocalRQA(prompt.DefaultFormat()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := TextSide{Files: map[string][]byte{prompt.FileName: data}}.saved()
	if err != nil || got.Source() != prompt.LocalRQA(prompt.DefaultFormat()).Source() {
		t.Errorf("%v, %v", got, err)
	}
}
