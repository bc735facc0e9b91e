package prompt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Ollama itself renders a TEMPLATE against conversations and compares: what is tested
// here is for which chat templates there is one.
func TestOllama(t *testing.T) {
	f := DefaultFormat()
	f.SepSys = "<|end|>"
	const chatML = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
	for _, c := range []struct {
		name, why, source, begin string
		ok                       bool
		contains, lacks          string
	}{
		{"gorqa's wording", "the words before the passages are written once", Default(f).ChatTemplate(""), "", true, `{{ else if ne (slice $m.Content 0 160)`, ""},
		{"LocalRQA's wording", "another wording", LocalRQA(f).ChatTemplate("<s>"), "<s>", true, "ASSISTANT:", "<s>"},
		{"ChatML", "the usual shape", chatML, "", true, `{{ "<|im_end|>\n<|im_start|>assistant\n" }}`, ""},
		{"begin token", "ollama puts it before by itself", "{{ '<s>' }}" + chatML, "<s>", true, "<|im_start|>", "<s>"},
		{"quotes", "three quotes end a TEMPLATE", `{{ '"""{{ not a tag }}' }}` + chatML, "", true, `\"\"\"{{ not a tag }}`, `"""`},
		{"no system message", "what refuses one has none in ollama", "{% if messages[0].role == 'system' %}{{ raise_exception('none') }}{% endif %}" + chatML, "", true, "", `"system" }}`},
		{"by place", "a turn that is rendered otherwise the second time", "{% for m in messages %}{{ loop.index0 }}{{ m.role }}{{ m.content }}{% endfor %}{% if add_generation_prompt %}A{% endif %}", "", false, "", ""},
		{"lost question", "nothing to show", "{{ messages[0].content }}", "", false, "", ""},
		{"no Jinja", "nothing to render", "{% if %}", "", false, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, ok := Ollama(ChatOptions{Source: c.source}, c.begin)
			if ok != c.ok || !strings.Contains(text, c.contains) || c.lacks != "" && strings.Contains(text, c.lacks) {
				t.Errorf("%s: %t %s", c.why, ok, text)
			}
		})
	}
	for name, want := range map[string]bool{
		"llama3": true, "llama3.2": true, "mistral-v0.1": true, "mistral-v0.2": true, "mistral-v0.3": false, // the system message stands before the last question
		"qwen2.5": true, "qwen3": true, "smollm2": true,
	} {
		source, err := os.ReadFile(filepath.Join("testdata/chat", name+".jinja"))
		if err != nil {
			t.Fatal(err)
		}
		text, ok := Ollama(ChatOptions{Source: string(source), SpecialTokens: map[string]string{"bos_token": "<s>", "eos_token": "</s>"}}, "<s>")
		if ok != want {
			t.Errorf("%s: %t %s", name, ok, text)
		}
	}
}
