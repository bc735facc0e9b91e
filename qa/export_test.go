package qa

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
	"gorqa/text/prompt"
)

// What a chat endpoint is sent has the tokens that training had.
func TestExportedChatTemplate(t *testing.T) {
	f := prompt.Format{UserPrefix: "USER", AssistantPrefix: "ASSISTANT", SepUser: " ", SepSys: "</s>"}
	for _, name := range []string{"llama2", "mistral", "gemma", "smollm2", "llama3", "qwen2", "falcon"} {
		t.Run(name, func(t *testing.T) {
			s := TextSide{Folder: "m", Tokenizer: named(t, name, "", "")}
			trained := prompt.Default(f)
			files, err := s.export(trained)
			if err != nil {
				t.Fatal(err)
			}
			var c struct {
				Template string `json:"chat_template"`
			}
			if err := json.Unmarshal(files["tokenizer_config.json"], &c); err != nil || c.Template != string(files["chat_template.jinja"]) {
				t.Fatalf("%v: %q in tokenizer_config.json, %q in chat_template.jinja", err, c.Template, files["chat_template.jinja"])
			}
			served, err := prompt.Chat(prompt.ChatOptions{Source: c.Template}, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, in := range []prompt.Input{
				{Passages: []string{"One.", " Two </s> "}, Question: "why?"},
				{Passages: []string{"日本語"}, Question: "e", History: []dataset.Turn{{Speaker: "user", Message: "a"}, {Speaker: "assistant", Message: "b"}}},
			} {
				text, err := trained.Render(in)
				if err != nil {
					t.Fatal(err)
				}
				sent, err := served.Render(in)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(s.Tokenizer.Encode(text, true), s.Tokenizer.Encode(sent, false)); d != "" {
					t.Errorf("%q is sent for %q (-trained +sent):\n%s", sent, text, d)
				}
			}
		})
	}
}

func TestExportedEnds(t *testing.T) {
	chat, err := prompt.Chat(prompt.ChatOptions{Source: chatML}, prompt.DefaultFormat())
	if err != nil {
		t.Fatal(err)
	}
	text := prompt.Default(prompt.Format{UserPrefix: "U", AssistantPrefix: "A", SepUser: " ", SepSys: "<|im_end|>"})
	for _, test := range []struct {
		name, why          string
		template           *prompt.Template
		generation, config string
		want               string
		end                string // eos_token of tokenizer_config.json
	}{
		{"chat", "the end of a turn beside the model's own", chat, `{"eos_token_id":0,"bos_token_id":1}`, `{}`, `{"bos_token_id":1,"eos_token_id":[0,2]}`, "<|im_end|>"},
		{"wording", "likewise", text, `{"eos_token_id":[0]}`, `{}`, `{"eos_token_id":[0,2]}`, "<|im_end|>"},
		{"without a generation_config", "what transformers would take from config.json", text, "", `{"bos_token_id":1,"eos_token_id":0,"pad_token_id":5,"decoder_start_token_id":null,"vocab_size":9}`, `{"bos_token_id":1,"eos_token_id":[0,2],"pad_token_id":5}`, "<|im_end|>"},
		{"made from config.json", "transformers 4 would take config.json's ids", text, `{"_from_model_config":true,"eos_token_id":0,"transformers_version":"4"}`, `{}`, `{"eos_token_id":[0,2],"transformers_version":"4"}`, "<|im_end|>"},
		{"untrained", "as its files have it, in one place", nil, `{"eos_token_id":[0]}`, `{}`, `{"eos_token_id":0}`, "<|endoftext|>"},
		{"sampling", "stays", nil, `{"eos_token_id":0,"do_sample":true,"temperature":0.6,"top_p":0.9}`, `{}`, `{"do_sample":true,"eos_token_id":0,"temperature":0.6,"top_p":0.9}`, "<|endoftext|>"},
		{"sampling that is off", "transformers does not save it", nil, `{"eos_token_id":0,"do_sample":false,"temperature":0.6,"top_p":1.0,"top_k":50,"min_p":0.1,"repetition_penalty":1.2,"length_penalty":2.0,"early_stopping":true,"max_length":99}`, `{}`,
			`{"do_sample":false,"eos_token_id":0,"max_length":99,"repetition_penalty":1.2,"top_k":50,"top_p":1.0}`, "<|endoftext|>"},
		{"beams", "stay", nil, `{"eos_token_id":0,"num_beams":4,"length_penalty":2.0,"early_stopping":true}`, `{}`, `{"early_stopping":true,"eos_token_id":0,"length_penalty":2.0,"num_beams":4}`, "<|endoftext|>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := `{"eos_token":"<|endoftext|>"}`
			s := TextSide{Folder: "m", Config: []byte(test.config), Tokenizer: named(t, "smollm2", config, ""), Files: map[string][]byte{"tokenizer_config.json": []byte(config)}}
			if test.generation != "" {
				s.Files[generationFile] = []byte(test.generation)
			}
			files, err := s.export(test.template)
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := json.Unmarshal(files[generationFile], &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, d)
			}
			var c struct {
				End string `json:"eos_token"`
			}
			if err := json.Unmarshal(files["tokenizer_config.json"], &c); err != nil || c.End != test.end {
				t.Errorf("eos_token %q, %v; %q expected", c.End, err, test.end)
			}
			again := TextSide{Folder: "m", Config: s.Config, Files: files, Tokenizer: named(t, "smollm2", string(files["tokenizer_config.json"]), "")}
			ends, err := again.Ends()
			if err != nil {
				t.Fatal(err)
			}
			if id, ok := s.Tokenizer.ID("<|im_end|>"); test.template != nil && (!ok || !slices.Contains(ends, id)) {
				t.Errorf("the exported folder's end tokens are %v; %d among them expected", ends, id)
			}
		})
	}
}

// A prompt that begins with the tokenizer's own first token has it once, in
// training and in what a chat endpoint is sent.
func TestExportedFirstTokenOnce(t *testing.T) {
	for _, name := range []string{"llama2", "mistral", "gemma", "llama3"} {
		t.Run(name, func(t *testing.T) {
			s := TextSide{Folder: "m", Tokenizer: named(t, name, "", "")}
			before, _ := s.Tokenizer.Around()
			first, ok := s.Tokenizer.Token(before[0])
			if !ok {
				t.Fatalf("no token %d", before[0])
			}
			trained, err := prompt.Parse(first+"[INST] {passages}\n{history}{question} [/INST]", prompt.Format{UserPrefix: "U", AssistantPrefix: "A", SepUser: " ", SepSys: "</s>"})
			if err != nil {
				t.Fatal(err)
			}
			files, err := s.export(trained)
			if err != nil {
				t.Fatal(err)
			}
			served, err := prompt.Chat(prompt.ChatOptions{Source: string(files["chat_template.jinja"])}, prompt.DefaultFormat())
			if err != nil {
				t.Fatal(err)
			}
			sent, err := served.Render(prompt.Input{Question: "why?"})
			if err != nil {
				t.Fatal(err)
			}
			want := s.Tokenizer.Encode(first+"[INST]", false)[:len(before)+1]
			if d := cmp.Diff(want, s.Tokenizer.Encode(sent, false)[:len(want)]); d != "" {
				t.Errorf("%q is sent (-trained +sent):\n%s", sent, d)
			}
		})
	}
}

// What transformers 5 saves of a tokenizer, transformers 4 refuses or reads in part.
func TestExportedTokenizerConfig(t *testing.T) {
	for _, test := range []struct{ name, why, config, template, want string }{
		{"transformers 5", "a class of its own, and a list under a name that has a table in 4", `{"tokenizer_class":"TokenizersBackend","extra_special_tokens":["<turn>"],"model_max_length":1000000000000000019884624838656}`, "{{ messages }}",
			`{"tokenizer_class":"PreTrainedTokenizerFast","additional_special_tokens":["<turn>"],"model_input_names":["input_ids","attention_mask"],"model_max_length":1000000000000000019884624838656,"chat_template":"{{ messages }}"}`},
		{"names of its inputs", "stay", `{"tokenizer_class":"TokenizersBackend","model_input_names":["input_ids"]}`, "", `{"tokenizer_class":"PreTrainedTokenizerFast","model_input_names":["input_ids"]}`},
		{"both lists", "each token once, under the older name", `{"extra_special_tokens":["<b>"],"additional_special_tokens":["<a>"]}`, "", `{"additional_special_tokens":["<a>","<b>"]}`},
		{"table", "named tokens are a table in both", `{"tokenizer_class":"LlamaTokenizer","extra_special_tokens":{"image_token":"<image>"}}`, "", `{"tokenizer_class":"LlamaTokenizer","extra_special_tokens":{"image_token":"<image>"}}`},
		{"template in both", "each is read where it lies", `{"chat_template":"a"}`, "b", `{"chat_template":"a"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := TextSide{Folder: "m", Tokenizer: named(t, "smollm2", "", ""), Files: map[string][]byte{"tokenizer_config.json": []byte(test.config)}}
			if test.template != "" {
				s.Files["chat_template.jinja"] = []byte(test.template)
			}
			files, err := s.export(nil)
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			for data, to := range map[string]*any{string(files["tokenizer_config.json"]): &got, test.want: &want} {
				if err := json.Unmarshal([]byte(data), to); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, d)
			}
		})
	}
}
