package qa

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"gorqa/files/weights"
	"gorqa/internal/enginetest"
	"gorqa/report"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/generate"
)

// An answer ends with the token by which it comes to spell a separator that is no
// token, in batches of any size, and holds nothing of it.
func TestStopsAtText(t *testing.T) {
	const conf = `{"model_type":"llama","hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":8,
		"intermediate_size":32,"vocab_size":49152,"rms_norm_eps":1e-5,"rope_theta":10000,"max_position_embeddings":512,"tie_word_embeddings":true,"hidden_act":"silu"}`
	c, err := llama.ParseConfig([]byte(conf))
	if err != nil {
		t.Fatal(err)
	}
	s := weights.Saved{Config: []byte(conf), DType: weights.F32, Files: map[string][]byte{"tokenizer.json": vocabulary(t, "smollm2")}}
	random := rand.New(rand.NewPCG(1, 2))
	for _, w := range c.Weights() {
		values := make([]float32, w.Size())
		for i := range values {
			values[i] = float32(random.NormFloat64() * 0.3)
		}
		s.Tensors = append(s.Tensors, weights.Tensor{Name: w.Name, DType: weights.F32, Shape: w.Dims, Data: func() (any, error) { return values, nil }})
	}
	dir := t.TempDir() + "/model"
	if err := weights.Save(t.Context(), dir, s); err != nil {
		t.Fatal(err)
	}
	show, err := report.Open("", report.Options{Console: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	g, err := Open(t.Context(), Device{Engine: enginetest.Open(t)}, Origin{Base: dir}, AnyKind, false)
	if err != nil {
		t.Fatal(err)
	}
	d := g.(*decoder)
	defer d.Params.Free()
	const most = 24
	set := func(sep string, rows int) {
		t.Helper()
		if err := d.UsePrompt(PromptOptions{SepSys: &sep, MaxTokens: 2048}, show); err != nil {
			t.Fatal(err)
		}
		if err := d.UseGeneration(GenerationOptions{MaxNewTokens: most, BatchSize: rows, Seed: 1}); err != nil {
			t.Fatal(err)
		}
	}
	var prompts [][]int32
	for _, text := range []string{"One?", "And two?", "What of the third one?"} {
		prompts = append(prompts, d.Encoder.Tokenizer.Encode(text, false))
	}
	set("gorqa never says this", 2)
	whole, err := d.generator.Generate(t.Context(), generate.Plain(prompts), d.generate)
	if err != nil {
		t.Fatal(err)
	}
	// A text of the end of one token and the beginning of the next, without white
	// space, which a separator does not begin or end with.
	tokens := d.Encoder.Tokenizer
	stop := ""
	for at := 2; at+1 < most && stop == ""; at++ {
		first, second := tokens.Decode(whole[0][at:at+1], false), tokens.Decode(whole[0][at+1:at+2], false)
		if n := len(first); n >= 2 && len(second) >= 2 {
			if both := first[n-1:] + second[:1]; strings.Trim(both, " \n\t") == both && utf8.ValidString(both) {
				stop = both
			}
		}
	}
	if stop == "" {
		t.Fatalf("no two tokens of %q are long enough for the test", tokens.Decode(whole[0], false))
	}
	for _, rows := range []int{1, 2, 8} {
		set(stop, rows)
		got, err := d.generator.Generate(t.Context(), generate.Plain(prompts), d.generate)
		if err != nil {
			t.Fatal(err)
		}
		texts, err := d.texts(t.Context(), generate.Plain(prompts), d.generate)
		if err != nil {
			t.Fatal(err)
		}
		for i := range prompts {
			want := 1
			for want < most && !strings.Contains(tokens.Decode(whole[i][:want], false), stop) {
				want++
			}
			if len(got[i]) != want {
				t.Errorf("batches of %d: answer %d has %d tokens; %d expected, to where %q is spelt", rows, i, len(got[i]), want, stop)
			}
			before, _, _ := strings.Cut(tokens.Decode(whole[i][:want], true), stop)
			if want == most { // nothing spelt it whole
				before = WithoutPart(before, stop)
			}
			if texts[i] != strings.TrimSpace(before) {
				t.Errorf("batches of %d: answer %d is %q; %q expected, what stands before %q", rows, i, texts[i], before, stop)
			}
		}
		if len(got[0]) > 7 {
			t.Errorf("batches of %d: %d tokens; at most 7 expected", rows, len(got[0]))
		}
	}
}
