package generate

import (
	"context"
	"fmt"
	"slices"
)

// Batch continues prompts that come and go: those under way take every step together,
// and one that ends makes room for the next. A greedy answer does not depend on what
// else is in the batch, but for how the products of its prompt are rounded. It is not
// safe for concurrent use, and neither is its generator beside it.
type Batch struct {
	// Eager lets prompts in as soon as there is room, which serves them sooner; else
	// some are let in together, which takes less time in all.
	Eager bool

	generator     *Generator
	memory        memory
	size          int // most rows at once
	waiting, rows []*row
}

// NewBatch makes an empty batch of so many prompts at most. The weights are those of
// now: they must stay until it is freed.
func (g *Generator) NewBatch(size int) (*Batch, error) {
	m, err := g.memory(size)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	return &Batch{generator: g, memory: m, size: size}, nil
}

// Free gives the keys and values back.
func (b *Batch) Free() error { return b.memory.free() }

// Len is how many prompts have not ended, those that wait among them.
func (b *Batch) Len() int { return len(b.waiting) + len(b.rows) }

// Add lets a prompt wait for its turn, or says what the prompt is that cannot.
func (b *Batch) Add(r Request) error {
	if err := b.generator.check(r.Prompt, r.Blocks); err != nil {
		return err
	}
	of := &row{Request: r, tokens: slices.Clone(r.Prompt)}
	if r.Sample != nil {
		of.numbers = r.Sample.stream(r.Stream)
	}
	b.waiting = append(b.waiting, of)
	return nil
}

// Step lets waiting prompts in and takes each one under way further, by a token or more.
func (b *Batch) Step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.due() {
		if err := b.admit(ctx); err != nil {
			return err
		}
	}
	if len(b.rows) == 0 {
		return nil
	}
	next, err := b.memory.steps(b.rows)
	if err != nil {
		return err
	}
	rows := b.rows
	b.rows = nil
	for i, r := range rows {
		if slices.Contains(next[i], noNumber) {
			return fmt.Errorf("generate: prompt of %d tokens: %w", len(r.Prompt), errNoNumber)
		}
		if ended := r.extend(next[i]); !r.Took(r.answer(), ended) || ended {
			b.memory.evict(r)
		} else {
			b.rows = append(b.rows, r)
		}
	}
	return nil
}

// due says that rows must be admitted: there is no room, or enough rows were evicted for
// waiting ones to come in.
func (b *Batch) due() bool {
	idle := b.size - len(b.rows)
	enough := 4*idle >= b.size || b.Eager && idle > 0
	return len(b.rows) == 0 || b.memory.full() || len(b.waiting) > 0 && enough
}

// admit lets waiting rows in.
func (b *Batch) admit(ctx context.Context) error {
	admitted := b.waiting[:min(len(b.waiting), b.size-len(b.rows))]
	b.waiting = b.waiting[len(admitted):]
	if err := b.memory.admit(ctx, b.rows, admitted); err != nil {
		return err
	}
	b.rows = append(b.rows, admitted...)
	return nil
}
