package qa

import (
	"encoding/json"
	"testing"

	"gorqa/report"
	"gorqa/text/prompt"
	"gorqa/text/recipe"
)

// A trained model's prompts are as it was trained; flags change the wording, and
// not how it is cut.
func TestUsePrompt(t *testing.T) {
	saved, err := json.Marshal(prompt.Default(prompt.Format{UserPrefix: "Q", AssistantPrefix: "A", SepUser: "\n", SepSys: "#"}).DroppingPassages(true))
	if err != nil {
		t.Fatal(err)
	}
	show, err := report.Open("", report.Options{Console: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, why string
		files     map[string][]byte
		sepSys    *string
		stop      string
		drops     bool
	}{
		{"untrained", "the tokenizer's end token", nil, nil, "</s>", false},
		{"trained", "as saved", map[string][]byte{prompt.FileName: saved}, nil, "#", true},
		{"trained, with flags", "the flags' wording, cut as saved", map[string][]byte{prompt.FileName: saved}, new("!"), "!", true},
	} {
		e := &recipe.Encoder{Tokenizer: wordy(t)}
		d := &decoder{Model: Model{files: test.files, Encoder: e, asking: decoderAsking{encoder: e}}}
		c := PromptOptions{MaxTokens: 2048}
		c.SepSys = test.sepSys
		if err := d.UsePrompt(c, show); err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := d.Encoder.Template; got.Stops()[0] != test.stop || got.DropsPassages() != test.drops {
			t.Errorf("%s: stop %q, drops %v; %s", test.name, got.Stops(), got.DropsPassages(), test.why)
		}
	}
	e := &recipe.Encoder{Tokenizer: wordy(t)}
	d := &decoder{Model: Model{folder: "m", files: map[string][]byte{prompt.FileName: []byte("{")}, Encoder: e, asking: decoderAsking{encoder: e}}}
	if err := d.UsePrompt(PromptOptions{MaxTokens: 2048}, show); err == nil {
		t.Error("a damaged prompt file: no error")
	}
}
