package generate

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/device"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"

	"github.com/google/go-cmp/cmp"
)

// load puts a tiny model on the device.
func load(t testing.TB, name string, bf16 bool) (*llama.Model, *tape.Runner) {
	t.Helper()
	files := enginetest.Files(t, filepath.Join("..", "arch", "llama", "testdata", name))
	return place(t, files.Config(), bf16, files.Float32)
}

// place puts the weights that read gives on the device.
func place(t testing.TB, config []byte, bf16 bool, read func(name string) ([]float32, error)) (*llama.Model, *tape.Runner) {
	t.Helper()
	return placeFor(t, config, bf16, read, false)
}

// placeFor is place for weights that are trained or not.
func placeFor(t testing.TB, config []byte, bf16 bool, read func(name string) ([]float32, error), trained bool) (*llama.Model, *tape.Runner) {
	t.Helper()
	c, err := llama.ParseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	e := enginetest.Open(t)
	p := tape.NewParams(e, bf16)
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
		if err := p.Add(w, values, trained); err != nil {
			t.Fatal(err)
		}
	}
	return llama.New(c, bf16), tape.NewRunner(e, p)
}

// forward runs prompts with their answers through one full forward pass, and
// gives for each answer the tokens chosen after every prefix: the likeliest, or
// drawn from the same random numbers. Where that is the answer itself, the
// answer is what repeated forward passes would build token by token.
func forward(t *testing.T, m *llama.Model, r *tape.Runner, prompts, answers [][]int32, sample *Sampling) [][]int32 {
	t.Helper()
	want := make([][]int32, len(prompts))
	for row, lines := range forwardLogits(t, m, r, prompts, answers) {
		want[row] = []int32{}
		var numbers *rand.Rand
		if sample != nil {
			numbers = sample.stream(row)
		}
		for _, line := range lines {
			next := int32(slices.Index(line, slices.Max(line)))
			if sample != nil {
				next = sample.draw(line, numbers)
			}
			want[row] = append(want[row], next)
		}
	}
	return want
}

// forwardLogits are the logits [V] that each token of the answers is chosen by, by one
// full forward pass.
func forwardLogits(t *testing.T, m *llama.Model, r *tape.Runner, prompts, answers [][]int32) [][][]float32 {
	t.Helper()
	packing := batch.Packing{Capacity: 1 << 20, Round: 256, Terms: 1}
	var rows []batch.Row
	for i, p := range prompts {
		all := slices.Concat(p, answers[i])
		rows = append(rows, batch.Row{Tokens: all, From: len(all), Index: i})
	}
	b := packing.Pack(rows)[0]
	var at []int32
	for i, row := range b.Rows {
		n := len(prompts[row])
		at = append(at, b.Paths[i][n-1:n-1+len(answers[row])]...)
	}
	tp := r.New(false)
	out, err := m.Logits(tp, b, at)
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
	all := make([][][]float32, len(prompts))
	for _, row := range b.Rows {
		for range answers[row] {
			all[row] = append(all[row], logits[:m.Config.Vocabulary])
			logits = logits[m.Config.Vocabulary:]
		}
	}
	return all
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

func TestTinyModels(t *testing.T) {
	for _, c := range enginetest.FamiliesHere() {
		t.Run(c.Name, func(t *testing.T) {
			m, r := load(t, c.Name, false)
			g := New(m, r)
			testEqualsForward(t, g, c.Why)
			if !r.Device.Native { // that was by graphs, in a GPU's shapes
				if c.Name == "llama" {
					testOneModel(t, g)
				}
				return
			}
			t.Run("by graphs", func(t *testing.T) {
				host := device.Host()
				host.Native = false
				testEqualsForward(t, &Generator{model: m, runner: r, device: host}, c.Why)
			})
			gpu := device.GPU()
			gpu.LayersPerGraph = 2 // not all
			byGraphs := &Generator{model: m, runner: r, device: gpu}
			t.Run("by graphs, as on a GPU", func(t *testing.T) { testEqualsForward(t, byGraphs, c.Why) })
			if c.Name != "llama" {
				return
			}
			t.Run("batches and stops by graphs", func(t *testing.T) { testBatchesAndStops(t, byGraphs) })
			testOneModel(t, g)
		})
	}
}

// testOneModel holds the tests that need one model, which what is compiled once serves.
func testOneModel(t *testing.T, g *Generator) {
	t.Run("batches and stops", func(t *testing.T) { testBatchesAndStops(t, g) })
	t.Run("sampling by seed", func(t *testing.T) { testSamplingBySeed(t, g) })
	t.Run("errors", func(t *testing.T) { testErrors(t, g) })
	t.Run("follows training", func(t *testing.T) { testFollowsTraining(t, g) })
}

// testEqualsForward draws as well as taking the likeliest token: a random model
// repeats itself in greedy answers, and a draw shows where a distribution is
// off that still has its peak at the right token.
func testEqualsForward(t *testing.T, g *Generator, why string) {
	ps := prompts(g.model.Config.Vocabulary)
	hot := &Sampling{Temperature: 4, TopP: 1, Seed: 1}
	for name, sample := range map[string]*Sampling{"greedy": nil, "drawn": hot} {
		// Rows are admitted later, and the cache's recent part runs full.
		got := answers(t, g, ps, Options{MaxNewTokens: 40, BatchSize: 3, Sample: sample})
		for i, a := range got {
			if len(a) != 40 {
				t.Errorf("%s answer %d has %d tokens, expected 40", name, i, len(a))
			}
		}
		if d := cmp.Diff(forward(t, g.model, g.runner, ps, got, sample), got); d != "" {
			t.Errorf("%s (%s), -forward +generated:\n%s", name, why, d)
		}
	}
}

// TestAdapters decodes with low-rank matrices beside the weights.
func TestAdapters(t *testing.T) {
	m, r := load(t, "llama", false)
	matrices := tape.Adapters(m.Config.Linears(), 3)
	if err := r.Params.Load(t.Context(), matrices, tape.NewAdapters(matrices, 1), true, nil); err != nil {
		t.Fatal(err)
	}
	r.Adapter = nn.Adapter{Scale: 2}
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, a := range matrices { // B begins at zero
		values := make([]float32, a.Size())
		for i := range values {
			values[i] = float32(rnd.NormFloat64()) / 4
		}
		if err := r.Params.SetHost(r.Params.Get(a.Name), values); err != nil {
			t.Fatal(err)
		}
	}
	testEqualsForward(t, New(m, r), "adapters beside the weights")
}

// TestDecodesInBF16 decodes in bf16, where a step and a full pass round differently: a
// near tie may fall the other way.
func TestDecodesInBF16(t *testing.T) {
	m, r := load(t, "qwen3", true)
	ps := prompts(m.Config.Vocabulary)[:4]
	got := answers(t, New(m, r), ps, Options{MaxNewTokens: 40, BatchSize: 4})
	same, total := 0, 0
	for i, want := range forward(t, m, r, ps, got, nil) {
		for j, id := range want {
			total++
			if got[i][j] == id {
				same++
			}
		}
	}
	t.Logf("%d of %d tokens equal", same, total)
	if total != 160 || 10*same < 9*total {
		t.Errorf("%d of %d tokens are those of a full forward pass; expected 160 and at least 9 of 10", same, total)
	}
}

// TestLogitsAreThoseOfAFullPass: what an answer's tokens were chosen by is what a full
// forward pass gives, in the host's memory with drafts and by graphs.
func TestLogitsAreThoseOfAFullPass(t *testing.T) {
	for _, name := range []string{"llama", "gemma2"} {
		m, r := load(t, name, false)
		ps := prompts(m.Config.Vocabulary)[:4]
		for _, graphs := range []bool{false, true} {
			g := New(m, r)
			g.device.Native = g.device.Native && !graphs
			b, err := g.NewBatch(3)
			if err != nil {
				t.Fatal(err)
			}
			got, said := make([][][]float32, len(ps)), make([][]int32, len(ps))
			for i, p := range ps {
				opt := Options{MaxNewTokens: 24, BatchSize: 3, Drafts: 10}
				if err := b.Add(Request{
					Prompt: p, Options: opt,
					Logits: func(_ int32, logits []float32) { got[i] = append(got[i], slices.Clone(logits)) },
					Took:   func(answer []int32, ended bool) bool { said[i] = slices.Clone(answer); return true },
				}); err != nil {
					t.Fatal(err)
				}
			}
			for b.Len() > 0 {
				if err := b.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Free(); err != nil {
				t.Fatal(err)
			}
			worst := 0.0
			for i, lines := range forwardLogits(t, m, r, ps, said) {
				for k, want := range lines {
					a, _ := LogProbs(got[i][k], said[i][k], 0)
					b, _ := LogProbs(want, said[i][k], 0)
					worst = max(worst, math.Abs(a-b))
				}
			}
			if !(worst <= 1e-5) {
				t.Errorf("%s, graphs %v: log-probabilities differ by %g from those of a full pass; at most 1e-5 expected", name, graphs, worst)
			}
			t.Logf("%s, graphs %v: %g", name, graphs, worst)
		}
	}
}

// answers generates and fails the test on an error.
func answers(t *testing.T, g *Generator, prompts [][]int32, opt Options) [][]int32 {
	t.Helper()
	got, err := g.Generate(t.Context(), Plain(prompts), opt)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func testBatchesAndStops(t *testing.T, g *Generator) {
	ps := prompts(g.model.Config.Vocabulary)
	opt := DefaultOptions()
	opt.MaxNewTokens = 70
	whole := answers(t, g, ps, opt)
	single, pair := whole[0][3:4], whole[4][30:32]
	for _, c := range []struct {
		name, why string
		size, max int
		stops     [][]int32
		ended     func(answer []int32) bool
	}{
		{"one at a time", "batches of one row", 1, 10, nil, nil},
		{"three at a time", "rows are admitted as others are evicted", 3, 70, nil, nil},
		{"one token", "an end-token id", 8, 70, [][]int32{single}, nil},
		{"two tokens", "a stop sequence, of which one token alone ends nothing", 3, 70, [][]int32{pair}, nil},
		{"one or two", "rows end early at several places, the batch shrinks", 8, 70, [][]int32{single, pair}, nil},
		{"longest", "of two stops that end at one token the longer counts", 8, 70, [][]int32{pair[1:], pair}, nil},
		{"never", "a stop sequence longer than the answers", 2, 1, [][]int32{whole[0][:5]}, nil},
		{"ended", "the caller says when, and the answer keeps its tokens", 3, 70, nil, func(a []int32) bool { return stopLength(a, [][]int32{pair}) > 0 }},
		{"ended or one token", "whichever comes first", 8, 70, [][]int32{single}, func(a []int32) bool { return len(a) == 20 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			opt := Options{MaxNewTokens: c.max, BatchSize: c.size, Stops: c.stops, Ended: c.ended}
			var done []int
			opt.Progress = func(n, total int) {
				if total != len(ps) {
					t.Errorf("progress of %d, expected %d", total, len(ps))
				}
				done = append(done, n)
			}
			want := make([][]int32, len(ps))
			for i, a := range whole {
				want[i] = a[:c.max]
				for n := range want[i] {
					if stop := stopLength(a[:n+1], c.stops); stop > 0 {
						want[i] = a[:n+1-stop]
						break
					}
					if c.ended != nil && c.ended(a[:n+1]) {
						want[i] = a[:n+1]
						break
					}
				}
			}
			got := answers(t, g, ps, opt)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, -expected +generated:\n%s", c.why, d)
			}
			if len(done) == 0 || !slices.IsSorted(done) || done[len(done)-1] != len(ps) {
				t.Errorf("progress %v, expected to rise to %d", done, len(ps))
			}
		})
	}
}

func TestStopLength(t *testing.T) {
	for _, c := range []struct {
		name, why string
		answer    []int32
		stops     [][]int32
		want      int
	}{
		{"none", "no stops", []int32{1, 2}, nil, 0},
		{"end", "the answer's last token", []int32{1, 2}, [][]int32{{2}}, 1},
		{"inside", "a stop is looked for at the end only", []int32{2, 1}, [][]int32{{2}}, 0},
		{"whole", "an answer that is nothing but its stop", []int32{3, 4}, [][]int32{{3, 4}}, 2},
		{"short", "an answer shorter than the stop", []int32{4}, [][]int32{{3, 4}}, 0},
		{"longest", "the longer of two", []int32{1, 3, 4}, [][]int32{{4}, {3, 4}, {4}}, 2},
	} {
		if got := stopLength(c.answer, c.stops); got != c.want {
			t.Errorf("%s: %d, expected %d (%s)", c.name, got, c.want, c.why)
		}
	}
}

// testFollowsTraining shows that a generator answers with the weights of the
// moment.
func testFollowsTraining(t *testing.T, g *Generator) {
	m, r := g.model, g.runner
	ps := prompts(m.Config.Vocabulary)[:2]
	opt := DefaultOptions()
	opt.MaxNewTokens = 20
	before := answers(t, g, ps, opt)
	for _, p := range r.Params.All() {
		if len(p.Dims) == 1 {
			continue
		}
		values, err := r.Params.Host(p)
		if err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(5, uint64(len(values))))
		for i := range values {
			values[i] += float32(rnd.NormFloat64()) / 10
		}
		if err := r.Params.SetHost(p, values); err != nil {
			t.Fatal(err)
		}
	}
	after := answers(t, g, ps, opt)
	if cmp.Equal(before, after) {
		t.Error("other weights, the same answers")
	}
	if d := cmp.Diff(forward(t, m, r, ps, after, nil), after); d != "" {
		t.Errorf("-forward +generated:\n%s", d)
	}
}

func testErrors(t *testing.T, g *Generator) {
	m := g.model
	good := [][]int32{{1, 2}}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name    string
		ctx     context.Context
		prompts [][]int32
		opt     Options
		want    []string // each part of the message
	}{
		{"options", t.Context(), good, Options{Stops: [][]int32{{}}, Sample: &Sampling{TopK: -1}},
			[]string{"MaxNewTokens is 0", "BatchSize is 0", "stop sequence 0 is empty", "temperature is 0", "TopK is -1", "TopP is 0"}},
		{"prompts", t.Context(), [][]int32{{}, {-1}, {1, int32(m.Config.Vocabulary)}}, DefaultOptions(),
			[]string{"prompt 0 is empty", "prompt 1 holds token id -1", "prompt 2 holds token id"}},
		{"cancelled", stopped, good, DefaultOptions(), []string{context.Canceled.Error()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := g.Generate(c.ctx, Plain(c.prompts), c.opt)
			if err == nil {
				t.Fatalf("answers %v, expected an error", got)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
		})
	}
	none, err := g.Generate(t.Context(), nil, DefaultOptions())
	if err != nil || len(none) != 0 {
		t.Errorf("no prompts: %v, %v; expected no answers and no error", none, err)
	}
	// Cancelled under way, by the first row that ends.
	ctx, cancel := context.WithCancel(t.Context())
	opt := Options{MaxNewTokens: 3, BatchSize: 1, Progress: func(int, int) { cancel() }}
	if _, err := g.Generate(ctx, Plain(prompts(m.Config.Vocabulary)), opt); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected %v", err, context.Canceled)
	}
}

func TestOrderIsLongestFirstAndPrefixesTogether(t *testing.T) {
	ps := [][]int32{{1}, {5, 5, 5, 1}, {2, 2, 2}, {5, 5, 5, 2, 2, 2}, {7, 7, 7, 7, 7}}
	if d := cmp.Diff([]int{1, 3, 4, 2, 0}, order(Plain(ps))); d != "" {
		t.Errorf("longest first, those that share a prefix together, -expected +got:\n%s", d)
	}
}
