package generate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"gorqa/batch"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/device"
	"gorqa/tensor/tape"
)

// Generator continues prompts with one model. It is not safe for concurrent
// use.
type Generator struct {
	model  *llama.Model
	runner *tape.Runner
	device device.Profile // the runner's
	drafts Drafts

	// Blocks keeps what was computed of blocks between batches, for weights that stay as
	// they are. nil: each batch keeps its own.
	Blocks *Blocks
}

// Drafts counts what drafts have brought since a generator was made.
type Drafts struct {
	Steps, Tokens    int // of all rows, those without a draft too
	Tried, Confirmed int // tokens of drafts, and those that the model gave itself
}

// Since is what has been counted after an earlier count.
func (d Drafts) Since(x Drafts) Drafts {
	return Drafts{d.Steps - x.Steps, d.Tokens - x.Tokens, d.Tried - x.Tried, d.Confirmed - x.Confirmed}
}

// Plus is both together.
func (d Drafts) Plus(x Drafts) Drafts {
	return Drafts{d.Steps + x.Steps, d.Tokens + x.Tokens, d.Tried + x.Tried, d.Confirmed + x.Confirmed}
}

// Drafts are counted where they are tried, see Options.Drafts.
func (g *Generator) Drafts() Drafts { return g.drafts }

// New makes a generator on the runner's weights, which are read at every call:
// after a training step it answers with the updated ones.
func New(m *llama.Model, r *tape.Runner) *Generator {
	return &Generator{model: m, runner: r, device: r.Device}
}

// noNumber stands for the token where logits are no numbers, which any token would
// hide.
const noNumber = -1

var errNoNumber = errors.New("the model's logits are not finite; expected finite numbers; its weights are damaged or too large for the format it computes in: try --bf16 false, or take another checkpoint")

// Request is a prompt, token ids, that is to be continued.
type Request struct {
	Prompt  []int32
	Blocks  []int // of the prompt, as batch.Row has them
	Options       // but for BatchSize and Progress
	Stream  int   // of the random numbers that Sample draws by

	// Logits is given the logits [V] that each token of the answer was chosen by, in order,
	// before Took has the token; and those of tokens behind a stop sequence that comes
	// within a step. They hold until it returns. May be nil.
	Logits func(token int32, logits []float32)

	// Took is given the whole answer so far after every step that took it further, and
	// whether it has ended; false ends it there. The slice holds until Took returns.
	Took func(answer []int32, ended bool) (goOn bool)
}

// row is one prompt and its answer so far.
type row struct {
	Request
	tokens  []int32
	numbers *rand.Rand // nil for greedy decoding

	old, slot int            // of graphs: tokens in the old part of the cache, row of the cache
	caches    llama.KVCaches // of onCPU
}

// cached is how many of the row's tokens the cache holds: all but the last.
func (r *row) cached() int { return len(r.tokens) - 1 }

// answer is what follows the prompt.
func (r *row) answer() []int32 { return r.tokens[len(r.Prompt):] }

// memory holds the keys and values of the rows under way.
type memory interface {
	// full says that admit must be called before the next step, if only to make
	// room.
	full() bool
	// admit prefills rows, which it adds to those under way.
	admit(ctx context.Context, under, admitted []*row) error
	// steps gives the next tokens of each of the rows under way, one or more.
	steps(rows []*row) ([][]int32, error)
	// evict gives up what is held for a row.
	evict(r *row)
	free() error
}

// prefills packs what is known of the rows but their last token, which is the
// first step's; of one token too, so that every row has a place.
func (g *Generator) prefills(rows []*row) []*batch.Decoder {
	var packed []batch.Row
	for i, r := range rows {
		head := r.tokens[:max(1, r.cached())]
		packed = append(packed, batch.Row{Tokens: head, From: len(head), Index: i})
	}
	return g.device.Prompts.Pack(packed)
}

// Plain are prompts without blocks.
func Plain(prompts [][]int32) []batch.Row {
	rows := make([]batch.Row, len(prompts))
	for i, p := range prompts {
		rows[i].Tokens = p
	}
	return rows
}

// Generate answers the prompts, of rows Tokens and Blocks, in their order. An answer ends
// before the first stop sequence in it, where opt.Ended says so or after
// opt.MaxNewTokens; of two stop sequences that end at one token the longer is cut off. The context is looked
// at before every step.
func (g *Generator) Generate(ctx context.Context, prompts []batch.Row, opt Options) (answers [][]int32, err error) {
	problems := []error{opt.Validate()}
	for i, p := range prompts {
		if err := g.check(p.Tokens, p.Blocks); err != nil {
			problems = append(problems, fmt.Errorf("prompt %d %w", i, err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	b, err := g.NewBatch(opt.BatchSize)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.Free()) }()
	answers = make([][]int32, len(prompts))
	done := 0
	for _, i := range order(prompts) {
		err := b.Add(Request{Prompt: prompts[i].Tokens, Blocks: prompts[i].Blocks, Options: opt, Stream: i, Took: func(answer []int32, ended bool) bool {
			if ended {
				answers[i] = slices.Clone(answer)
				done++
			}
			return true
		}})
		if err != nil {
			return nil, err
		}
	}
	for told := 0; b.Len() > 0; {
		if err := b.Step(ctx); err != nil {
			return nil, err
		}
		if done > told && opt.Progress != nil {
			opt.Progress(done, len(prompts))
		}
		told = done
	}
	return answers, nil
}

// memory chooses how rows are decoded.
func (g *Generator) memory(size int) (memory, error) {
	if g.device.Native {
		if d, err := g.model.CPUDecoder(g.runner); d != nil || err != nil {
			return &onCPU{Generator: g, decoder: d, blocks: cmp.Or(g.Blocks, NewBlocks(ownBlocks))}, err
		}
	}
	return &graphs{Generator: g, size: size, layers: make([]cache, g.model.Config.Layers)}, nil
}

// check says why a prompt cannot be continued.
func (g *Generator) check(prompt []int32, blocks []int) error {
	if len(prompt) == 0 {
		return errors.New("is empty; expected at least one token")
	}
	for _, id := range prompt {
		if id < 0 || int(id) >= g.model.Config.Vocabulary {
			return fmt.Errorf("holds token id %d; expected one of the model's %d", id, g.model.Config.Vocabulary)
		}
	}
	if n := len(blocks); n > 0 && (!slices.IsSorted(blocks) || blocks[0] < 0 || blocks[n-1] >= len(prompt)) {
		return fmt.Errorf("of %d tokens has blocks that end at %v; expected ends that ascend, and tokens behind the last", len(prompt), blocks)
	}
	return nil
}

// extend adds the row's next tokens until its answer ends, and cuts off the stop
// sequence.
func (r *row) extend(next []int32) (ended bool) {
	for _, id := range next {
		r.tokens = append(r.tokens, id)
		stop := stopLength(r.answer(), r.Stops)
		if stop > 0 || len(r.answer()) == r.MaxNewTokens || r.Ended != nil && r.Ended(r.answer()) {
			r.tokens = r.tokens[:len(r.tokens)-stop]
			return true
		}
	}
	return false
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
func order(prompts []batch.Row) []int {
	places := make([]int, len(prompts))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return slices.Compare(prompts[a].Tokens, prompts[b].Tokens) })
	var groups [][]int
	for i, p := range places {
		if i > 0 {
			last, this := prompts[places[i-1]].Tokens, prompts[p].Tokens
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
			n = max(n, len(prompts[p].Tokens))
		}
		return n
	}
	slices.SortStableFunc(groups, func(a, b []int) int { return longest(b) - longest(a) })
	return slices.Concat(groups...)
}
