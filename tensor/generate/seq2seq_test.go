package generate

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/arch/t5"
)

// loadT5 puts a tiny T5 on the device, to compute in bf16 or f32.
func loadT5(t *testing.T, name string, bf16 bool) *Seq2Seq {
	t.Helper()
	files := enginetest.Files(t, filepath.Join("..", "arch", "t5", "testdata", name))
	c, err := t5.ParseConfig(files.Config(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return NewSeq2Seq(t5.New(c, bf16), enginetest.Load(t, files, c.Weights(), bf16, false))
}

// generated is what transformers' generate gives for a row.
type generated struct {
	IDs      []int32   `json:"ids"`
	Passages [][]int32 `json:"passages"`
	Greedy   []int32   `json:"greedy"`
	Beam     []int32   `json:"beam"`
	Score    float32   `json:"score"`
}

// TestSeq2Seq holds greedy and beam search over 20 inputs and two rows of
// several passages against transformers, under several settings of the search.
func TestSeq2Seq(t *testing.T) {
	for _, name := range []string{"t5", "t5v11"} {
		t.Run(name, func(t *testing.T) {
			s := loadT5(t, name, false)
			folder := filepath.Join("..", "arch", "t5", "testdata", name)
			g := golden.Golden{}
			golden.ReadJSON(t, filepath.Join(folder, "generate.json"), &g.Header)
			var values struct {
				Settings struct {
					Beams         int     `json:"num_beams"`
					MaxNewTokens  int     `json:"max_new_tokens"`
					LengthPenalty float64 `json:"length_penalty"`
				} `json:"settings"`
				Rows []generated `json:"rows"`
				FiD  []generated `json:"fid"`
			}
			g.Decode(t, &values)
			all := append(values.Rows, values.FiD...)
			var rows [][][]int32
			for _, r := range all {
				if r.Passages == nil {
					r.Passages = [][]int32{r.IDs}
				}
				rows = append(rows, r.Passages)
			}
			opt := DefaultBeams()
			opt.MaxNewTokens, opt.LengthPenalty, opt.BatchSize = values.Settings.MaxNewTokens, values.Settings.LengthPenalty, 2
			greedy, err := s.Generate(t.Context(), rows, opt)
			if err != nil {
				t.Fatal(err)
			}
			at := 0
			for i := range greedy {
				if len(greedy[i].Tokens) > len(greedy[at].Tokens) {
					at = i
				}
			}
			longest := greedy[at].Tokens
			opt.Ends = longest[len(longest)/2:][:1]
			sooner, err := s.Generate(t.Context(), rows[at:at+1], opt)
			if n := slices.Index(longest, opt.Ends[0]); err != nil || !sooner[0].Ended || !slices.Equal(sooner[0].Tokens, longest[:n]) {
				t.Errorf("another end token: %v, %v; the answer up to it expected, %v", sooner, err, longest[:n])
			}
			opt.Ends, opt.Beams = nil, values.Settings.Beams
			beam, err := s.Generate(t.Context(), rows, opt)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range all {
				same(t, fmt.Sprintf("row %d greedy", i), greedy[i], want.Greedy)
				same(t, fmt.Sprintf("row %d beam", i), beam[i], want.Beam)
				golden.Compare(t, fmt.Sprintf("row %d score", i), []float32{float32(beam[i].Score)}, []float32{want.Score}, g.ToleranceOf(t, "score"))
			}
			searches(t, s, filepath.Join(folder, "search.json"), rows)
		})
	}
}

// searches holds beam search under other settings against transformers.
func searches(t *testing.T, s *Seq2Seq, path string, rows [][][]int32) {
	t.Helper()
	g := golden.Golden{}
	golden.ReadJSON(t, path, &g.Header)
	var values struct {
		MaxNewTokens int `json:"max_new_tokens"`
		Searches     []struct {
			Settings struct {
				Early         string  `json:"early_stopping"`
				LengthPenalty float64 `json:"length_penalty"`
				Beams         int     `json:"num_beams"`
			} `json:"settings"`
			Answers []struct {
				Row   int     `json:"row"`
				Beam  []int32 `json:"beam"`
				Score float32 `json:"score"`
			} `json:"answers"`
		} `json:"searches"`
	}
	g.Decode(t, &values)
	opt := DefaultBeams()
	opt.MaxNewTokens, opt.BatchSize = values.MaxNewTokens, 2
	for _, c := range values.Searches {
		opt.Early, opt.LengthPenalty, opt.Beams = c.Settings.Early, c.Settings.LengthPenalty, c.Settings.Beams
		got, err := s.Generate(t.Context(), rows, opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.Answers {
			name := fmt.Sprintf("row %d under %+v", want.Row, c.Settings)
			same(t, name, got[want.Row], want.Beam)
			golden.Compare(t, name, []float32{float32(got[want.Row].Score)}, []float32{want.Score}, g.ToleranceOf(t, "score"))
		}
	}
}

// same compares an answer with ids that hold the end token where it ended.
func same(t *testing.T, name string, got Answer, want []int32) {
	t.Helper()
	const end = 1
	ended := len(want) > 0 && want[len(want)-1] == end
	if ended {
		want = want[:len(want)-1]
	}
	if !slices.Equal(got.Tokens, want) || got.Ended != ended {
		t.Errorf("%s: %v (ended: %t), expected %v (%t)", name, got.Tokens, got.Ended, want, ended)
	}
}

// TestSeq2SeqLong shows that a cached step gives what a full pass gives, beyond
// the first width of the caches too: every token of a long greedy answer is the
// likeliest after those before it.
func TestSeq2SeqLong(t *testing.T) {
	s := loadT5(t, "t5", false)
	rows := [][][]int32{{{39, 27, 12, 34, 95, 1}, nil}}
	opt := DefaultBeams()
	opt.MaxNewTokens, opt.Shares = 40, true
	answers, err := s.Generate(t.Context(), rows, opt)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float64{1, 0}, answers[0].Shares); diff != "" {
		t.Errorf("shares of a passage and a missing one (-want +got):\n%s", diff)
	}
	tokens := answers[0].Tokens
	if len(tokens) <= firstWidth {
		t.Fatalf("an answer of %d tokens; expected one that outgrows caches of %d", len(tokens), firstWidth)
	}
	b := batch.DefaultFiDPacking().Pack([]batch.FiDRow{{Passages: rows[0], Answer: tokens}})[0]
	tp := s.runner.New(false)
	logits, err := s.model.Logits(tp, b, b.Sources)
	if err != nil {
		t.Fatal(err)
	}
	flat, err := xla.ToHost[float32](logits.Tensor)
	if err != nil {
		t.Fatal(err)
	}
	if err := tp.Free(); err != nil {
		t.Fatal(err)
	}
	v := s.model.Config.Vocabulary
	for i, id := range tokens {
		if row := flat[i*v : (i+1)*v]; row[id] < slices.Max(row)-1e-5 {
			t.Errorf("token %d of the answer is %d with logit %g; the likeliest has %g", i, id, row[id], slices.Max(row))
		}
	}
}

// TestSeq2SeqInBF16AnswersAsInF32 shows that decoding in bf16 gives the same answer where the
// model is sure of it.
func TestSeq2SeqInBF16AnswersAsInF32(t *testing.T) {
	s := loadT5(t, "t5", true)
	opt := DefaultBeams()
	opt.MaxNewTokens, opt.Beams, opt.Shares = 16, 2, true
	answers, err := s.Generate(t.Context(), [][][]int32{{{22, 46, 1}}}, opt)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "answer", answers[0], []int32{22, 1})
	if diff := cmp.Diff([]float64{1}, answers[0].Shares); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
}

func TestSeq2SeqErrors(t *testing.T) {
	s := loadT5(t, "t5", false)
	for _, c := range []struct {
		name, why, want string
		change          func(*Beams)
		id              int32
	}{
		{"beams", "no beams, no answer", "Beams is 0", func(o *Beams) { o.Beams = 0 }, 5},
		{"many beams", "each beam needs two candidates", "half of the vocabulary", func(o *Beams) { o.Beams = 49 }, 5},
		{"tokens", "nothing to say", "MaxNewTokens is -1", func(o *Beams) { o.MaxNewTokens = -1 }, 5},
		{"early", "transformers knows three", `Early is "maybe"`, func(o *Beams) { o.Early = "maybe" }, 5},
		{"penalty", "no score could be compared", "LengthPenalty is NaN", func(o *Beams) { o.LengthPenalty = math.NaN() }, 5},
		{"id", "another model's tokenizer", "token id 96", func(*Beams) {}, 96},
	} {
		t.Run(c.name, func(t *testing.T) {
			opt := DefaultBeams()
			c.change(&opt)
			_, err := s.Generate(t.Context(), [][][]int32{{{c.id, 1}}}, opt)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want one with %q (%s)", err, c.want, c.why)
			}
		})
	}
}
