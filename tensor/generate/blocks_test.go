package generate

import (
	"crypto/sha256"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/tape"
)

// inPassages is a prompt in blocks.
func inPassages(prefix []int32, passages [][]int32, last []int32) batch.Row {
	r := batch.Row{Tokens: slices.Clone(prefix), Blocks: []int{len(prefix)}}
	for _, p := range passages {
		r.Tokens = append(r.Tokens, p...)
		r.Blocks = append(r.Blocks, len(r.Tokens))
	}
	r.Tokens = append(r.Tokens, last...)
	r.From = len(r.Tokens)
	return r
}

// blockPrompts share passages, in several orders; one has no prefix, one a last block of
// one token, one no blocks.
func blockPrompts(vocabulary int) []batch.Row {
	random := rand.New(rand.NewPCG(21, 22))
	some := func(n int) []int32 { return tokensOf(random, n, vocabulary) }
	prefix, a, b, c := some(6), some(11), some(70), some(17)
	return []batch.Row{
		inPassages(prefix, [][]int32{a, b}, some(9)),
		inPassages(prefix, [][]int32{b, c, a}, some(4)),
		inPassages(prefix, [][]int32{c}, some(1)),
		inPassages(nil, [][]int32{a, a}, some(5)),
		{Tokens: some(12)},
	}
}

// answered are greedy answers with the logits of each token.
type answered struct {
	tokens [][]int32
	logits [][][]float32
}

func answerAll(t *testing.T, g *Generator, prompts []batch.Row, size int) answered {
	t.Helper()
	out := answered{make([][]int32, len(prompts)), make([][][]float32, len(prompts))}
	batch, err := g.NewBatch(size)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range prompts {
		err := batch.Add(Request{
			Prompt: p.Tokens, Blocks: p.Blocks, Options: Options{MaxNewTokens: 5, BatchSize: size},
			Logits: func(_ int32, l []float32) { out.logits[i] = append(out.logits[i], slices.Clone(l)) },
			Took:   func(answer []int32, _ bool) bool { out.tokens[i] = slices.Clone(answer); return true },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for batch.Len() > 0 {
		if err := batch.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Free(); err != nil {
		t.Fatal(err)
	}
	return out
}

// apart is the largest difference of logits beside their size.
func (a answered) apart(t *testing.T, b answered) (worst float64) {
	t.Helper()
	for i := range a.tokens {
		if !slices.Equal(a.tokens[i], b.tokens[i]) {
			t.Errorf("answer %d is %v and %v", i, a.tokens[i], b.tokens[i])
			continue
		}
		for j, logits := range a.logits[i] {
			for k, x := range logits {
				worst = max(worst, math.Abs(float64(x-b.logits[i][j][k]))/(1+math.Abs(float64(x))))
			}
		}
	}
	return worst
}

// trained is what the model that is trained on rows in blocks gives for the same answers:
// each row with its answer in one micro-batch, as in training.
func trained(t *testing.T, m *llama.Model, r *tape.Runner, prompts []batch.Row, said answered) answered {
	t.Helper()
	out := answered{said.tokens, make([][][]float32, len(prompts))}
	for i, p := range prompts {
		row := p
		row.Tokens = slices.Concat(p.Tokens, said.tokens[i])
		row.From = len(row.Tokens)
		b := batch.DefaultPacking().Pack([]batch.Row{row})[0]
		at := b.Paths[0][len(p.Tokens)-1 : len(row.Tokens)-1]
		tp := r.New(false)
		x, err := m.Logits(tp, b, at)
		if err != nil {
			t.Fatal(err)
		}
		all, err := xla.ToHost[float32](x.Tensor)
		if err != nil {
			t.Fatal(err)
		}
		for j := range at {
			out.logits[i] = append(out.logits[i], all[j*m.Config.Vocabulary:(j+1)*m.Config.Vocabulary])
		}
		if err := tp.Free(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestBlocksAnswerAsTrained: answers from blocks have the logits that training computes
// for the same rows, whether blocks are computed, kept in memory, read from disk, or kept
// only in part, one row at a time and several.
func TestBlocksAnswerAsTrained(t *testing.T) {
	if enginetest.Name() != "cpu" {
		t.Skip("blocks are computed on the processor alone")
	}
	for _, c := range []struct {
		model string
		bf16  bool
		size  int
		most  float64 // of what is rounded to bf16 on two ways
	}{{"llama", false, 8, 1e-5}, {"llama", false, 1, 1e-5}, {"gemma3_text", false, 8, 1e-5}, {"smollm3", false, 8, 1e-5}, {"llama", true, 8, 0.1}} {
		t.Run(c.model, func(t *testing.T) {
			m, r := load(t, c.model, c.bf16)
			prompts := blockPrompts(m.Config.Vocabulary)
			g := New(m, r)
			said := answerAll(t, g, prompts, c.size)
			near := func(what string, other answered) {
				t.Helper()
				if worst := said.apart(t, other); !(worst <= c.most) {
					t.Errorf("%s: logits differ by %g; at most %g expected", what, worst, c.most)
				}
			}
			near("in training", trained(t, m, r, prompts, said))
			g.Blocks = NewBlocks(1 << 20)
			near("kept, computed", answerAll(t, g, prompts, c.size))
			kept := g.Blocks.used
			near("kept, seen before", answerAll(t, g, prompts, c.size))
			if kept == 0 || g.Blocks.used != kept {
				t.Errorf("%d bytes are kept, then %d; expected the same blocks", kept, g.Blocks.used)
			}
			g.Blocks = NewBlocks(kept / 2)
			near("room for half", answerAll(t, g, prompts, c.size))
			if g.Blocks.used > kept/2 || len(g.Blocks.byID) != g.Blocks.recent.Len() {
				t.Errorf("%d bytes kept of %d blocks, %d in order; at most %d bytes expected", g.Blocks.used, len(g.Blocks.byID), g.Blocks.recent.Len(), kept/2)
			}
		})
	}
}

// TestBlocksOnDisk: what a file holds is taken as it is, and what is no whole file of the
// block is told of and computed anew.
func TestBlocksOnDisk(t *testing.T) {
	if enginetest.Name() != "cpu" {
		t.Skip("blocks are computed on the processor alone")
	}
	for _, bf16 := range []bool{false, true} {
		m, r := load(t, "llama", bf16)
		prompts, dir, model := blockPrompts(m.Config.Vocabulary), t.TempDir(), sha256.Sum256([]byte("a model"))
		g := New(m, r)
		var told []string
		answers := func(model [32]byte) answered {
			g.Blocks, told = NewBlocks(1<<20), nil
			if err := g.Blocks.UseFolder(dir, model, func(err error) { told = append(told, err.Error()) }); err != nil {
				t.Fatal(err)
			}
			return answerAll(t, g, prompts, 8)
		}
		want := answers(model)
		files, err := filepath.Glob(filepath.Join(dir, "*", "*.kv"))
		if err != nil || len(files) != 5 { // the prefix, three passages behind it, one without it
			t.Fatalf("%d files, %v; expected 5", len(files), err)
		}
		again := func(what, tells string) {
			t.Helper()
			got := answers(model)
			if worst := want.apart(t, got); worst > 1e-5 {
				t.Errorf("%s: logits differ by %g", what, worst)
			}
			if all := strings.Join(told, "\n"); tells == "" && all != "" || !strings.Contains(all, tells) {
				t.Errorf("%s: told %q; expected %q", what, all, tells)
			}
		}
		again("whole files", "")
		for _, damage := range []struct {
			what, tells string
			of          func(data []byte) []byte
		}{
			{"a torn file", "bytes found", func(data []byte) []byte { return data[:len(data)/2] }},
			{"an empty file", "bytes found", func([]byte) []byte { return nil }},
			{"another value", "damaged", func(data []byte) []byte { data[len(data)/2] ^= 1; return data }},
			{"another passage's", "another model or passage", func(data []byte) []byte { data[60] ^= 1; return data }},
		} {
			data, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(files[0], damage.of(data), 0o600); err != nil {
				t.Fatal(err)
			}
			again(damage.what, damage.tells)
			again(damage.what+", then written anew", "")
		}
		answers(sha256.Sum256([]byte("another model")))
		if files, err := filepath.Glob(filepath.Join(dir, "*", "*.kv")); err != nil || len(files) != 10 {
			t.Errorf("%d files, %v; expected as many of the other model", len(files), err)
		}
	}
}

// TestGraphsRefuseBlocks: a device without kernels says so.
func TestGraphsRefuseBlocks(t *testing.T) {
	m, r := load(t, "llama", false)
	r.Device.Native = false
	if _, err := New(m, r).Generate(t.Context(), blockPrompts(m.Config.Vocabulary), Options{MaxNewTokens: 1, BatchSize: 8}); err == nil || !strings.Contains(err.Error(), "--block_attention=false") {
		t.Errorf("%v; expected an error that says what to do", err)
	}
	if _, err := New(m, r).Generate(t.Context(), []batch.Row{{Tokens: []int32{1, 2}, Blocks: []int{2}}}, DefaultOptions()); err == nil {
		t.Error("a prompt without a last block is taken")
	}
}
