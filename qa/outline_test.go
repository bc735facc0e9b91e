package qa

import (
	"encoding/json"
	"testing"

	"gorqa/text/prompt"
	"gorqa/text/recipe"
)

// What blocks take is counted where the model's own folder says that its passages are
// blocks, not only where the command line does.
func TestMemoryCountsBlocksAsTheModelWasTrained(t *testing.T) {
	config := []byte(`{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 512, "max_position_embeddings": 4096}`)
	s, err := decoderShape(config, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	template := func(blocks bool) []byte {
		text, err := json.Marshal(prompt.Default(prompt.DefaultFormat()).InBlocks(blocks))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	yes, no := true, false
	for _, test := range []struct {
		name, why string
		saved     []byte
		asked     *bool
		want      bool
	}{
		{"untrained", "nothing says so", nil, nil, false},
		{"asked", "by the command line", nil, &yes, true},
		{"trained", "the folder's prompt says so", template(true), nil, true},
		{"trained without", "and that it is not", template(false), nil, false},
		{"refused", "the command line goes first", template(true), &no, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := &Outline{TextSide: TextSide{Files: map[string][]byte{}}, shape: s}
			if test.saved != nil {
				o.Files[prompt.FileName] = test.saved
			}
			var err error
			if o.asking, err = s.asking(&recipe.Encoder{}, o.TextSide); err != nil {
				t.Fatal(err)
			}
			m := MemoryOptions{OnHost: true, EvalRows: 1, MaxNewTokens: 16, Prompt: PromptOptions{MaxTokens: 1024, Blocks: &no}}
			plain, err := o.Memory(m)
			if err != nil {
				t.Fatal(err)
			}
			m.Prompt.Blocks, m.Blocks = test.asked, 1<<30
			got, err := o.Memory(m)
			if more := got.Evaluation-plain.Evaluation >= 1<<30; err != nil || more != test.want {
				t.Errorf("%d bytes against %d: %v; blocks counted %t expected (%s)", got.Evaluation, plain.Evaluation, err, test.want, test.why)
			}
		})
	}
}
