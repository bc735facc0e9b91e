package generate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"gorqa/batch"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/tape"
)

// familyConfig is a config.json of any type in the shape of SmolLM2-135M.
func familyConfig(modelType string, layers int) []byte {
	more := map[string]string{
		"gemma2": `,"query_pre_attn_scalar":64`, "gemma3_text": `,"query_pre_attn_scalar":64,"sliding_window":512`,
		"granite":    `,"embedding_multiplier":12,"attention_multiplier":0.125,"residual_multiplier":0.2,"logits_scaling":8`,
		"ministral3": `,"rope_parameters":{"rope_type":"yarn","rope_theta":10000,"factor":2,"original_max_position_embeddings":4096,"llama_4_scaling_beta":0.1}`,
	}[modelType]
	return fmt.Appendf(nil, `{"model_type":%q,"hidden_size":576,"num_hidden_layers":%d,"num_attention_heads":9,"num_key_value_heads":3,"head_dim":64,
		"intermediate_size":1536,"vocab_size":49152,"tie_word_embeddings":true,"max_position_embeddings":8192%s}`, modelType, layers, more)
}

// BenchmarkFamilies sets the rates of each family beside a Llama's of the same shape,
// both with random weights: loss and gradients of packed rows, and greedy answers. The
// two take turns, and the ratio is that of the medians; cpu-of-llama is that of the
// processor's time, which other work on the machine disturbs less. With -short the models
// have a fifth of the layers.
func BenchmarkFamilies(b *testing.B) {
	for _, bf16 := range []bool{true, false} {
		layers := 30
		if testing.Short() {
			layers = 6
		}
		base := newRated(b, "llama", layers, bf16)
		for _, modelType := range llama.Known() {
			b.Run(fmt.Sprintf("%s/bf16=%t", modelType, bf16), func(b *testing.B) {
				other := newRated(b, modelType, layers, bf16)
				for _, what := range []struct {
					name   string
					tokens int
					run    func(r *rated)
				}{
					{"training", 720, func(r *rated) { r.train(b) }},
					{"answers", 8 * 16, func(r *rated) { r.answer(b) }},
				} {
					b.Run(what.name, func(b *testing.B) {
						what.run(base) // compile
						what.run(other)
						var times, cpu [2][]time.Duration
						for b.Loop() {
							for i, r := range []*rated{base, other} {
								start, used := time.Now(), processorTime(b)
								what.run(r)
								times[i] = append(times[i], time.Since(start))
								cpu[i] = append(cpu[i], processorTime(b)-used)
							}
						}
						median := func(list []time.Duration) float64 {
							slices.Sort(list)
							return list[len(list)/2].Seconds()
						}
						b.ReportMetric(float64(what.tokens)/median(times[1]), "tokens/s")
						b.ReportMetric(median(times[0])/median(times[1]), "of-llama")
						b.ReportMetric(median(cpu[0])/median(cpu[1]), "cpu-of-llama")
					})
				}
			})
		}
	}
}

// processorTime is what this process has had of all processors.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rated is a model whose rate is taken.
type rated struct {
	model   *llama.Model
	runner  *tape.Runner
	packs   []*batch.Decoder
	prompts [][]int32
}

func newRated(b *testing.B, modelType string, layers int, bf16 bool) *rated {
	config := familyConfig(modelType, layers)
	c, err := llama.ParseConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	sizes := map[string]int{}
	for _, w := range c.Weights() {
		sizes[w.Name] = w.Size()
	}
	m, r := placeFor(b, config, bf16, func(name string) ([]float32, error) {
		values := make([]float32, sizes[name])
		for i := range values {
			values[i] = float32(random.NormFloat64() * 0.02)
		}
		return values, nil
	}, true)
	x := &rated{model: m, runner: r}
	var rows []batch.Row
	for i := range 2 {
		rows = append(rows, batch.Row{Tokens: tokensOf(random, 360, c.Vocabulary), From: 288, Index: i})
	}
	p := batch.DefaultPacking()
	p.Capacity = 768
	x.packs = p.Pack(rows)
	for range 8 {
		x.prompts = append(x.prompts, tokensOf(random, 60, c.Vocabulary))
	}
	return x
}

func tokensOf(random *rand.Rand, n, vocabulary int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = random.Int32N(int32(vocabulary))
	}
	return out
}

func (x *rated) train(b *testing.B) {
	for _, pack := range x.packs {
		t := x.runner.New(true)
		losses, err := x.model.Loss(t, pack)
		if err == nil {
			err = t.Backward(losses...)
		}
		if err != nil {
			b.Fatal(err)
		}
		if err := t.Free(); err != nil {
			b.Fatal(err)
		}
	}
}

func (x *rated) answer(b *testing.B) {
	opt := DefaultOptions()
	// How many drafts are right is chance in random models.
	opt.MaxNewTokens, opt.BatchSize, opt.Drafts = 16, len(x.prompts), 0
	if _, err := New(x.model, x.runner).Generate(b.Context(), Plain(x.prompts), opt); err != nil {
		b.Fatal(err)
	}
}
