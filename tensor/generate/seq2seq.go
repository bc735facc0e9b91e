package generate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/tensor/arch/t5"
	"gorqa/tensor/tape"
)

// Seq2Seq answers rows of passages with an encoder-decoder (Fusion-in-Decoder;
// with one passage a row, plain T5). It is not safe for concurrent use.
type Seq2Seq struct {
	model  *t5.Model
	runner *tape.Runner
}

// NewSeq2Seq makes a generator on the runner's weights, which are read at every
// call: after a training step it answers with the updated ones.
func NewSeq2Seq(m *t5.Model, r *tape.Runner) *Seq2Seq { return &Seq2Seq{m, r} }

// The values of Beams.Early.
const (
	EarlyNo    = "false" // a row ends when its best running beam, at its present length, is worse than every finished answer
	EarlyYes   = "true"  // a row ends as soon as it has as many finished answers as beams
	EarlyNever = "never" // as EarlyNo, but at the length that would serve the beam best
)

// Beams are the options of Seq2Seq. Its search is that of transformers'
// generate without sampling.
type Beams struct {
	MaxNewTokens  int
	BatchSize     int     // rows decoded together
	Beams         int     // 1 for greedy decoding
	LengthPenalty float64 // an answer's score is its log-probability over its length to this power
	Early         string  // EarlyNo, EarlyYes or EarlyNever
	Shares        bool    // fill Answer.Shares
	Ends          []int32 // tokens that end an answer beside the configuration's

	// Progress is told how many of the answers are complete; may be nil.
	Progress func(done, total int)
}

// DefaultBeams are greedy answers of up to 256 tokens, 8 rows at a time.
func DefaultBeams() Beams {
	return Beams{MaxNewTokens: 256, BatchSize: 8, Beams: 1, LengthPenalty: 1, Early: EarlyNo}
}

// Validate reports every option out of range.
func (o Beams) Validate() error {
	var problems []error
	for _, f := range []struct {
		name  string
		value int
	}{{"MaxNewTokens", o.MaxNewTokens}, {"BatchSize", o.BatchSize}, {"Beams", o.Beams}} {
		if f.value < 1 {
			problems = append(problems, fmt.Errorf("option %s is %d; expected at least 1", f.name, f.value))
		}
	}
	if math.IsNaN(o.LengthPenalty) || math.IsInf(o.LengthPenalty, 0) {
		problems = append(problems, fmt.Errorf("option LengthPenalty is %g; expected a finite number", o.LengthPenalty))
	}
	if early := []string{EarlyNo, EarlyYes, EarlyNever}; !slices.Contains(early, o.Early) {
		problems = append(problems, fmt.Errorf("option Early is %q; expected one of %q", o.Early, early))
	}
	return errors.Join(problems...)
}

// Answer is what Seq2Seq makes of a row.
type Answer struct {
	Tokens []int32   // without the end token
	Ended  bool      // by the end token, not by the length
	Score  float64   // log-probability, the end token's included, over its length to the length penalty
	Shares []float64 // of each passage in the answer (see t5.Model.Shares), if asked for
}

// Generate answers the rows, each a list of passages as token ids, in their
// order. An empty passage counts as missing. The context is looked at before
// every step.
func (s *Seq2Seq) Generate(ctx context.Context, rows [][][]int32, opt Beams) ([]Answer, error) {
	answers, err := s.generate(ctx, rows, opt)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	return answers, nil
}

func (s *Seq2Seq) generate(ctx context.Context, rows [][][]int32, opt Beams) ([]Answer, error) {
	c := s.model.Config
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if 2*opt.Beams > c.Vocabulary {
		return nil, fmt.Errorf("%d beams; expected at most half of the vocabulary of %d", opt.Beams, c.Vocabulary)
	}
	packing := s.runner.Device.FiD
	packing.Start = int32(c.Start)
	packed := make([]batch.FiDRow, len(rows))
	size := func(r batch.FiDRow) int { return len(slices.Concat(r.Passages...)) }
	for i, passages := range rows {
		packed[i] = batch.FiDRow{Passages: passages, Index: i}
	}
	slices.SortStableFunc(packed, func(a, b batch.FiDRow) int { return cmp.Compare(size(b), size(a)) })
	answers, done := make([]Answer, len(rows)), 0
	for chunk := range slices.Chunk(packed, opt.BatchSize) {
		for _, b := range packing.Pack(chunk) {
			if err := s.answer(ctx, packing, b, opt, answers); err != nil {
				return nil, err
			}
			if done += len(b.Rows); opt.Progress != nil {
				opt.Progress(done, len(rows))
			}
		}
	}
	for i := range answers {
		for opt.Shares && len(answers[i].Shares) < len(rows[i]) {
			answers[i].Shares = append(answers[i].Shares, 0) // missing passages at the end
		}
	}
	return answers, nil
}

// answer decodes one micro-batch and puts the answers into all.
func (s *Seq2Seq) answer(ctx context.Context, packing batch.FiDPacking, b *batch.FiD, opt Beams, all []Answer) (err error) {
	t := s.runner.New(false) // holds what all steps read
	defer func() { err = errors.Join(err, t.Free()) }()
	context, err := s.model.Context(t, b)
	if err != nil {
		return err
	}
	d := seqDecoding{Seq2Seq: s, opt: opt, ends: append([]int32{int32(s.model.Config.End)}, opt.Ends...), width: firstWidth, lengths: context.Lengths}
	for range b.Rows {
		d.searches = append(d.searches, newSearch(opt))
	}
	beams := len(b.Rows) * opt.Beams
	blank, err := s.model.Blank(t, beams, d.width)
	if err != nil {
		return err
	}
	d.blank = blank.Tensor
	for l := range s.model.Config.DecoderLayers {
		k, v, err := s.model.Cross(t, l, context)
		if err != nil {
			return err
		}
		d.crossed = append(d.crossed, [2]*tape.Value{k, v})
		d.caches = append(d.caches, [2]*tensors.Tensor{blank.Tensor, blank.Tensor})
	}
	defer func() { err = errors.Join(err, d.free()) }()
	last, from := slices.Repeat([]int32{packing.Start}, beams), make([]int32, beams)
	for i := range from {
		from[i] = int32(i)
	}
	for place := range opt.MaxNewTokens {
		if err := ctx.Err(); err != nil {
			return err
		}
		open, err := d.step(place, last, from)
		if err != nil {
			return err
		}
		if !open {
			break
		}
	}
	full := d.best(b, all)
	if !opt.Shares {
		return nil
	}
	shares, err := s.model.Shares(t, context, packing.WithAnswers(b, full))
	for i, row := range b.Rows {
		if err == nil {
			all[row].Shares = shares[i]
		}
	}
	return err
}

// best puts the best answer to each row among all, and gives its tokens with the end
// tokens.
func (d *seqDecoding) best(b *batch.FiD, all []Answer) (full [][]int32) {
	for i, row := range b.Rows {
		best := d.searches[i].best()
		full = append(full, best.tokens)
		a := Answer{Tokens: best.tokens, Score: float64(best.score)}
		if n := len(a.Tokens); n > 0 && slices.Contains(d.ends, a.Tokens[n-1]) {
			a.Tokens, a.Ended = a.Tokens[:n-1], true
		}
		all[row] = a
	}
	return full
}

// firstWidth is how many tokens of an answer the caches hold at first. A step
// copies the whole caches, so they grow with the answers.
const firstWidth = 16

// seqDecoding is one micro-batch under way.
type seqDecoding struct {
	*Seq2Seq
	opt      Beams
	ends     []int32
	width    int // T, places of the caches, doubled when they are full
	lengths  *tape.Value
	crossed  [][2]*tape.Value     // keys and values of the context, by layer
	caches   [][2]*tensors.Tensor // keys and values of the answers, by layer
	blank    *tensors.Tensor      // the cache before the first step
	searches []*search
}

// replace sets a layer's caches and frees the old ones, unless they are the
// blank one that all layers begin with.
func (d *seqDecoding) replace(layer int, k, v *tensors.Tensor) error {
	c := d.caches[layer]
	d.caches[layer] = [2]*tensors.Tensor{k, v}
	if c[0] == d.blank {
		return nil
	}
	return xla.Free(c[0], c[1])
}

func (d *seqDecoding) free() error {
	var errs []error
	for l := range d.caches {
		errs = append(errs, d.replace(l, nil, nil))
	}
	return errors.Join(errs...)
}

// grow doubles the caches.
func (d *seqDecoding) grow() error {
	double, err := d.runner.Engine.Shared("seq2seq: double", func(in []*graph.Node) []*graph.Node {
		var out []*graph.Node
		for _, x := range in {
			out = append(out, graph.Concatenate([]*graph.Node{x, graph.ZerosLike(x)}, 2))
		}
		return out
	})
	if err != nil {
		return err
	}
	for l, c := range d.caches {
		out, err := double.Call(c[0], c[1])
		if err != nil {
			return err
		}
		if err := d.replace(l, out[0], out[1]); err != nil {
			return err
		}
	}
	d.width *= 2
	return nil
}

// step reads every beam's last token at a place, lets the searches choose, and
// writes what they chose to last and from. It says whether any row is open.
func (d *seqDecoding) step(place int, last, from []int32) (open bool, err error) {
	if place == d.width {
		if err := d.grow(); err != nil {
			return false, err
		}
	}
	t := d.runner.New(false)
	defer func() { err = errors.Join(err, t.Free()) }()
	x, err := d.model.Embed(t, last)
	if err != nil {
		return false, err
	}
	at, err := t.Ints([]int32{int32(place)})
	if err != nil {
		return false, err
	}
	origin, err := t.Ints(from, len(from))
	if err != nil {
		return false, err
	}
	bias, err := d.model.StepBias(t, at, d.width)
	if err != nil {
		return false, err
	}
	for l, c := range d.caches {
		out, err := t.Call(d.model.Step(l), x, bias, at, origin, held(c[0]), held(c[1]), d.crossed[l][0], d.crossed[l][1], d.lengths)
		if err != nil {
			return false, err
		}
		x = out[0]
		if err := d.replace(l, take(out[1]), take(out[2])); err != nil {
			return false, err
		}
	}
	logProbabilities, err := d.model.Next(t, x)
	if err != nil {
		return false, err
	}
	return open, xla.View(logProbabilities.Tensor, func(flat []float32) error {
		n := len(flat) / len(d.searches)
		for i, s := range d.searches {
			lo := i * d.opt.Beams
			if of := flat[i*n : (i+1)*n]; !s.done && slices.ContainsFunc(s.firsts(of), func(p float32) bool { return p != p }) {
				return errNoNumber
			}
			s.advance(flat[i*n:(i+1)*n], d.ends)
			for j, r := range s.running {
				last[lo+j], from[lo+j] = r.tokens[len(r.tokens)-1], int32(lo+r.from)
			}
			open = open || !s.done
		}
		return nil
	})
}

// hypothesis is an answer so far.
type hypothesis struct {
	tokens   []int32
	score    float32 // log-probability while it runs, over the length penalty once it has ended
	from     int     // the beam it continues
	finished bool
}

// search is the search for one row's answer. It follows transformers'
// _beam_search, whose scores are f32; far from any score is what worst says.
type search struct {
	opt      Beams
	length   int          // tokens of the running beams
	running  []hypothesis // as many as beams, the best first
	finished []hypothesis // as many as beams, the best first
	hopeful  bool         // a running beam may yet beat a finished answer
	done     bool
}

const worst = -1e9

func newSearch(opt Beams) *search {
	s := &search{opt: opt, hopeful: true}
	for i := range opt.Beams {
		running := hypothesis{score: worst}
		if i == 0 {
			running.score = 0 // all beams start alike: only the first counts
		}
		s.running, s.finished = append(s.running, running), append(s.finished, hypothesis{score: worst})
	}
	return s
}

// best is the answer of a search that is over.
func (s *search) best() hypothesis { return s.finished[0] }

// firsts are the first log-probability of each beam: if a logit is no number, all of
// its beam's are none.
func (s *search) firsts(logProbabilities []float32) []float32 {
	v := len(logProbabilities) / len(s.running)
	first := make([]float32, len(s.running))
	for i := range first {
		first[i] = logProbabilities[i*v]
	}
	return first
}

// advance takes the log-probabilities [beams, V] of the next token.
func (s *search) advance(logProbabilities []float32, stops []int32) {
	if s.done {
		return
	}
	if s.opt.Beams == 1 {
		s.greedy(logProbabilities, stops)
		return
	}
	n := s.opt.Beams
	candidates := s.continuations(logProbabilities, 2*n)
	s.length++
	penalty := func(length int) float32 { return float32(math.Pow(float64(length), s.opt.LengthPenalty)) }
	last := s.length == s.opt.MaxNewTokens
	runs, ends, allEnd := slices.Clone(candidates), slices.Clone(s.finished), true
	full := s.full()
	for i, c := range candidates {
		over := last || slices.Contains(stops, c.tokens[s.length-1])
		allEnd = allEnd && over
		if over {
			runs[i].score += worst
		}
		// Candidates beyond the number of beams only stand by, so that enough
		// are left to run.
		c.finished = over && i < n
		c.score /= penalty(s.length)
		if full && s.opt.Early == EarlyYes {
			c.score += worst
		}
		if !s.hopeful {
			c.score += worst
		}
		if !c.finished {
			c.score += worst
		}
		ends = append(ends, c)
	}
	byScore := func(a, b hypothesis) int { return cmp.Compare(b.score, a.score) }
	slices.SortStableFunc(runs, byScore)
	slices.SortStableFunc(ends, byScore)
	s.running, s.finished = runs[:n], ends[:n]

	length := s.length
	if s.opt.Early == EarlyNever && s.opt.LengthPenalty > 0 {
		length = s.opt.MaxNewTokens
	}
	possible := s.running[0].score / penalty(length)
	full = s.full()
	s.hopeful = s.hopeful && (!full && possible > worst || full && possible > s.finished[n-1].score)
	s.done = !s.hopeful || full && s.opt.Early == EarlyYes || allEnd
}

// full says that every place for a finished answer is taken.
func (s *search) full() bool {
	return !slices.ContainsFunc(s.finished, func(h hypothesis) bool { return !h.finished })
}

// continuations are the n best of all beams with one more token, the best
// first.
func (s *search) continuations(logProbabilities []float32, n int) []hypothesis {
	type place struct {
		score       float32
		beam, token int
	}
	var top []place // sorted, the best first
	v := len(logProbabilities) / len(s.running)
	for beam, r := range s.running {
		for token, p := range logProbabilities[beam*v : (beam+1)*v] {
			score := p + r.score
			if len(top) == n && !(score > top[n-1].score) { // NaN is never better
				continue
			}
			at := len(top)
			for at > 0 && top[at-1].score < score {
				at--
			}
			if len(top) == n {
				top = top[:n-1]
			}
			top = slices.Insert(top, at, place{score, beam, token})
		}
	}
	out := make([]hypothesis, len(top))
	for i, c := range top {
		tokens := append(slices.Clip(s.running[c.beam].tokens), int32(c.token))
		out[i] = hypothesis{tokens: tokens, score: c.score, from: c.beam}
	}
	return out
}

// greedy takes the likeliest token.
func (s *search) greedy(logProbabilities []float32, stops []int32) {
	s.running = s.continuations(logProbabilities, 1)
	s.length++
	h := s.running[0]
	if slices.Contains(stops, h.tokens[s.length-1]) || s.length == s.opt.MaxNewTokens {
		h.score /= float32(math.Pow(float64(s.length), s.opt.LengthPenalty))
		h.finished, s.done = true, true
		s.finished[0] = h
	}
}
