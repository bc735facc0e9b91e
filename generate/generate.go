package generate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"gorqa/arch/llama"
	"gorqa/batch"
	"gorqa/tape"
)

// Generator continues prompts with one model. It is not safe for concurrent
// use.
type Generator struct {
	model  *llama.Model
	runner *tape.Runner
}

// New makes a generator on the runner's weights, which are read at every call:
// after a training step it answers with the updated ones.
func New(m *llama.Model, r *tape.Runner) *Generator { return &Generator{m, r} }

// row is one prompt and its answer so far.
type row struct {
	prompt  int // place in the caller's list
	tokens  []int32
	start   int        // length of the prompt
	old     int        // tokens in the old part of the cache
	slot    int        // row of the cache
	numbers *rand.Rand // nil for greedy decoding
}

// cached is how many of the row's tokens the cache holds: all but the last.
func (r *row) cached() int { return len(r.tokens) - 1 }

// Generate answers the prompts, token ids, in their order. An answer ends
// before the first stop sequence in it or after opt.MaxNewTokens; of two stop
// sequences that end at one token the longer is cut off. The context is looked
// at before every step.
func (g *Generator) Generate(ctx context.Context, prompts [][]int32, opt Options) ([][]int32, error) {
	if err := errors.Join(opt.Validate(), g.check(prompts)); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	d := &decoding{Generator: g, size: opt.BatchSize, layers: make([]cache, g.model.Config.Layers)}
	for _, i := range order(prompts) {
		r := &row{prompt: i, tokens: slices.Clone(prompts[i]), start: len(prompts[i])}
		if opt.Sample != nil {
			r.numbers = opt.Sample.stream(i)
		}
		d.waiting = append(d.waiting, r)
	}
	answers, err := d.run(ctx, opt)
	if err = errors.Join(err, d.free()); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	return answers, nil
}

// check reports every prompt that cannot be continued.
func (g *Generator) check(prompts [][]int32) error {
	var problems []error
	for i, p := range prompts {
		if len(p) == 0 {
			problems = append(problems, fmt.Errorf("prompt %d is empty; expected at least one token", i))
		}
		for _, id := range p {
			if id < 0 || int(id) >= g.model.Config.Vocabulary {
				problems = append(problems, fmt.Errorf("prompt %d holds token id %d; expected one of the model's %d", i, id, g.model.Config.Vocabulary))
				break
			}
		}
	}
	return errors.Join(problems...)
}

// run takes the waiting rows through the batch until all have ended.
func (d *decoding) run(ctx context.Context, opt Options) ([][]int32, error) {
	answers := make([][]int32, len(d.waiting))
	done, total := 0, len(d.waiting)
	for done < total {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if d.due() {
			if err := d.rebuild(ctx); err != nil {
				return nil, err
			}
		}
		if err := d.step(opt.Sample); err != nil {
			return nil, err
		}
		ended := 0
		d.rows = slices.DeleteFunc(d.rows, func(r *row) bool {
			answer := r.tokens[r.start:]
			stop := stopLength(answer, opt.Stops)
			if stop == 0 && len(answer) < opt.MaxNewTokens {
				return false
			}
			answers[r.prompt] = answer[:len(answer)-stop]
			ended++
			return true
		})
		if done += ended; ended > 0 && opt.Progress != nil {
			opt.Progress(done, total)
		}
	}
	return answers, nil
}

// stopLength is the length of the longest stop sequence that answer ends in.
func stopLength(answer []int32, stops [][]int32) int {
	longest := 0
	for _, s := range stops {
		if len(s) > longest && len(s) <= len(answer) && slices.Equal(answer[len(answer)-len(s):], s) {
			longest = len(s)
		}
	}
	return longest
}

// order gives the order in which prompts enter the batch: the longest first,
// so that cache lengths are alike, and those that share more than half their
// tokens together, so that the shared ones are prefilled once.
func order(prompts [][]int32) []int {
	places := make([]int, len(prompts))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return slices.Compare(prompts[a], prompts[b]) })
	var groups [][]int
	for i, p := range places {
		if i > 0 {
			last, this := prompts[places[i-1]], prompts[p]
			if n := min(len(last), len(this)); slices.Equal(last[:n/2+1], this[:n/2+1]) {
				groups[len(groups)-1] = append(groups[len(groups)-1], p)
				continue
			}
		}
		groups = append(groups, []int{p})
	}
	longest := func(g []int) int {
		n := 0
		for _, p := range g {
			n = max(n, len(prompts[p]))
		}
		return n
	}
	slices.SortStableFunc(groups, func(a, b []int) int { return longest(b) - longest(a) })
	return slices.Concat(groups...)
}

// prefillPacking lays prompts out as micro-batches of few sizes; there are no
// loss terms.
func prefillPacking() batch.Packing {
	return batch.Packing{Capacity: 2048, Round: 128, Terms: 1, Share: true}
}
