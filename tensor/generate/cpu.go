package generate

import (
	"context"
	"errors"
	"math"
	"slices"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/tape"
)

// onCPU is the memory of a decoder whose steps are taken in the host's memory.
type onCPU struct {
	*Generator
	decoder    *llama.CPUDecoder
	blocks     *Blocks
	all, spare []llama.KVCaches // made so far; of rows that were evicted
}

func (d *onCPU) full() bool { return false }

func (d *onCPU) free() error {
	for _, p := range d.all {
		p.Free()
	}
	return nil
}

func (d *onCPU) evict(r *row) {
	r.caches.Truncate(0)
	d.spare, r.caches = append(d.spare, r.caches), nil
}

func (d *onCPU) admit(ctx context.Context, _, admitted []*row) error {
	for _, r := range admitted {
		if last := len(d.spare) - 1; last >= 0 {
			r.caches, d.spare = d.spare[last], d.spare[:last]
		} else {
			caches, err := d.decoder.NewKVCaches()
			if err != nil {
				return err
			}
			r.caches = caches
			d.all = append(d.all, r.caches)
		}
	}
	var plain, inBlocks []*row
	for _, r := range admitted {
		if len(r.Blocks) > 0 {
			inBlocks = append(inBlocks, r)
		} else {
			plain = append(plain, r)
		}
	}
	for _, pack := range d.prefills(plain) {
		err := d.prefill(ctx, pack, func(layer int, k, v *tape.Value) error { return keep(pack, plain, layer, k, v) })
		if err != nil {
			return err
		}
	}
	return d.admitBlocks(ctx, inBlocks)
}

// prefill runs a pack through the layers and hands each layer's keys and values
// [S, N, C] on.
func (d *onCPU) prefill(ctx context.Context, pack *batch.Decoder, keep func(layer int, k, v *tape.Value) error) (err error) {
	t := d.runner.New(false)
	defer func() { err = errors.Join(err, t.Free()) }()
	x, err := d.model.Embed(t, pack.Tokens)
	if err != nil {
		return err
	}
	shared, err := d.model.Share(t, pack)
	if err != nil {
		return err
	}
	for l := range d.model.Config.Layers {
		if err := ctx.Err(); err != nil {
			return err
		}
		y, k, v, err := d.model.Prefill(t, l, x, shared)
		if err != nil {
			return err
		}
		if err := keep(l, k, v); err != nil {
			return err
		}
		if err := xla.Free(x.Tensor, k.Tensor, v.Tensor); err != nil {
			return err
		}
		x = y
	}
	return nil
}

// keep adds a layer's keys and values [S, N, C] to the caches of a pack's rows.
func keep(pack *batch.Decoder, rows []*row, layer int, k, v *tape.Value) error {
	for i, index := range pack.Rows {
		r := rows[index]
		if err := r.caches.Add(layer, k, v, pack.Paths[i][:r.cached()]); err != nil {
			return err
		}
	}
	return nil
}

// tokensAtOnce is how many tokens a step may hold for drafts to be worth it: up to
// there they take about as long as the weights take to arrive.
const tokensAtOnce = 24

// steps takes each row one token further, and over as many of its draft's tokens as are
// those that the model gives itself.
func (d *onCPU) steps(rows []*row) ([][]int32, error) {
	tokens, caches := make([][]int32, len(rows)), make([]llama.KVCaches, len(rows))
	room := tokensAtOnce - len(rows)
	for i, r := range rows {
		draft := r.draft(room)
		room -= len(draft)
		tokens[i], caches[i] = slices.Concat(r.tokens[r.cached():], draft), r.caches
	}
	logits, err := d.decoder.Step(tokens, caches)
	if err != nil {
		return nil, err
	}
	next, v := make([][]int32, len(rows)), d.model.Config.Vocabulary
	for i, r := range rows {
		next[i] = r.agree(tokens[i][1:], logits[:len(tokens[i])*v])
		r.caches.Truncate(r.cached() + len(next[i]))
		d.drafts = d.drafts.Plus(Drafts{1, len(next[i]), len(tokens[i]) - 1, len(next[i]) - 1})
		logits = logits[len(tokens[i])*v:]
	}
	return next, nil
}

// draft is what may follow the row's tokens: none where numbers are drawn, and no more
// than the answer has room for beside the token that the model gives behind it.
func (r *row) draft(most int) []int32 {
	if most = min(most, r.Drafts, r.MaxNewTokens-len(r.answer())-1); r.Sample != nil || most < 1 {
		return nil
	}
	return lookup(r.tokens, most)
}

// agree are the tokens that the model gives: where its logits [1 + draft, V] give the
// draft's own token, the one behind that as well.
func (r *row) agree(draft []int32, logits []float32) (next []int32) {
	v := len(logits) / (1 + len(draft))
	for i := range 1 + len(draft) {
		of := logits[i*v : (i+1)*v]
		next = append(next, r.choose(of))
		if r.Logits != nil && next[i] != noNumber {
			r.Logits(next[i], of)
		}
		if i < len(draft) && next[i] != draft[i] {
			break
		}
	}
	return next
}

// choose gives the next token by its logits [V], or noNumber.
func (r *row) choose(logits []float32) int32 {
	if r.Sample != nil {
		return r.Sample.draw(logits, r.numbers)
	}
	return likeliest(logits)
}

// likeliest is the place of the largest logit, the first of several, or noNumber.
func likeliest(logits []float32) int32 {
	at, top := 0, float32(math.Inf(-1))
	for i, x := range logits {
		if !(x <= top) {
			if x != x {
				return noNumber
			}
			at, top = i, x
		}
	}
	if math.IsInf(float64(top), 0) {
		return noNumber
	}
	return int32(at)
}
