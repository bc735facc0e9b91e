package generate

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gorqa/arch/llama"
	"gorqa/batch"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/internal/xla"
	"gorqa/tape"

	"github.com/google/go-cmp/cmp"
)

// tiny are the models of arch/llama/testdata.
var tiny = []struct{ name, why string }{
	{"llama", "tied embeddings, grouped queries"},
	{"llama3", "untied head, rope scaling of type llama3"},
	{"mistral", "a sliding window shorter than the rows"},
	{"qwen2", "biases on query, key and value"},
	{"qwen3", "norms on queries and keys, heads wider than D/H"},
}

// load puts a tiny model on the device.
func load(t testing.TB, name string) (*llama.Model, *tape.Runner) {
	t.Helper()
	folder := filepath.Join("..", "arch", "llama", "testdata", name)
	config, err := os.ReadFile(filepath.Join(folder, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	arrays := golden.Arrays(t, filepath.Join(folder, "model.safetensors"))
	return place(t, config, func(name string) ([]float32, error) { return arrays[name].Floats, nil })
}

// place puts the weights that read gives on the device.
func place(t testing.TB, config []byte, read func(name string) ([]float32, error)) (*llama.Model, *tape.Runner) {
	t.Helper()
	c, err := llama.ParseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	e := enginetest.Open(t)
	p := tape.NewParams(e, false)
	t.Cleanup(func() {
		if err := p.Free(); err != nil {
			t.Error(err)
		}
	})
	for _, w := range c.Weights() {
		values, err := read(w.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Add(w.Name, w.Dims, values, false); err != nil {
			t.Fatal(err)
		}
	}
	return llama.New(c, false), tape.NewRunner(e, p)
}

// repeated continues one prompt by a full forward pass for every token, in one
// shape.
func repeated(t *testing.T, m *llama.Model, r *tape.Runner, prompt []int32, n int) []int32 {
	t.Helper()
	tokens := slices.Clone(prompt)
	for range n {
		b := &batch.Decoder{Window: 256}
		for i := range 256 {
			id, reach := int32(0), int32(i)
			if i < len(tokens) {
				id, reach = tokens[i], int32(len(tokens)-1)
			}
			b.Tokens, b.Positions, b.Reach = append(b.Tokens, id), append(b.Positions, int32(i)), append(b.Reach, reach)
		}
		tp := r.New(false)
		out, err := m.Logits(tp, b, []int32{int32(len(tokens) - 1)})
		if err != nil {
			t.Fatal(err)
		}
		logits, err := xla.ToHost[float32](out.Tensor)
		if err != nil {
			t.Fatal(err)
		}
		if err := tp.Free(); err != nil {
			t.Fatal(err)
		}
		best := 0
		for i, l := range logits {
			if l > logits[best] {
				best = i
			}
		}
		tokens = append(tokens, int32(best))
	}
	return tokens[len(prompt):]
}

// prompts are ragged, some on shared prefixes, one a prefix of another, one of
// a single token.
func prompts(vocabulary int) [][]int32 {
	rnd := rand.New(rand.NewPCG(1, 1))
	random := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(rnd.IntN(vocabulary))
		}
		return out
	}
	shared := random(60)
	return [][]int32{
		random(5),
		slices.Concat(shared, random(20)),
		random(1),
		slices.Concat(shared, random(9)),
		random(130),
		shared,
		random(33),
	}
}

func TestGreedyEqualsRepeatedForward(t *testing.T) {
	for _, c := range tiny {
		t.Run(c.name, func(t *testing.T) {
			m, r := load(t, c.name)
			ps := prompts(m.Config.Vocabulary)
			var want [][]int32
			n := 40 // past one rebuild of the cache
			for _, p := range ps {
				want = append(want, repeated(t, m, r, p, n))
			}
			g := New(m, r)
			for _, size := range []int{1, 3, 8} {
				opt := DefaultOptions()
				opt.MaxNewTokens, opt.BatchSize = n, size
				got, err := g.Generate(t.Context(), ps, opt)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%d rows at once (%s), -repeated +generated:\n%s", size, c.why, d)
				}
			}
		})
	}
}
