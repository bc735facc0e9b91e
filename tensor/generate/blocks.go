package generate

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"gorqa/batch"
	"gorqa/tensor/arch/llama"
	"gorqa/tensor/tape"
)

// ownBlocks is what a batch keeps of blocks where nobody keeps more, in bytes.
const ownBlocks = 1e9

// blockID is what a block's keys and values depend on beside the weights: the tokens of the
// prefix, and its own behind them, none for the prefix itself.
type blockID [sha256.Size]byte

// block is one of a prompt's.
type block struct {
	id          blockID
	prefix, own []int32
	at          int // in the prompt
}

// tokens are what is computed for it, of which the last size() are its own.
func (b block) tokens() []int32 { return slices.Concat(b.prefix, b.own) }

func (b block) size() int {
	if b.own == nil {
		return len(b.prefix)
	}
	return len(b.own)
}

// by is how much further in the prompt it stands than it is computed.
func (b block) by() int { return max(0, b.at-len(b.prefix)) }

// inBlocks are the blocks of a row's prompt, without empty ones.
func (r *row) inBlocks() (blocks []block) {
	prefix := r.tokens[:r.Blocks[0]]
	from := 0
	for i, end := range r.Blocks {
		b := block{prefix: prefix, at: from}
		if i > 0 {
			b.own = r.tokens[from:end]
		}
		if end > from {
			h := sha256.New()
			for _, n := range [][]int32{{int32(len(prefix))}, prefix, b.own} {
				_ = binary.Write(h, binary.LittleEndian, n) // a hash takes all
			}
			h.Sum(b.id[:0])
			blocks = append(blocks, b)
		}
		from = end
	}
	return blocks
}

// admitBlocks prefills rows in blocks: what is not kept of their blocks, each once, then
// their last blocks behind them.
func (d *onCPU) admitBlocks(ctx context.Context, rows []*row) error {
	held := map[blockID]*llama.KVBlock{}
	var missing []block
	each := make([][]block, len(rows)) // of the rows' prompts
	for i, r := range rows {
		each[i] = r.inBlocks()
		for _, b := range each[i] {
			if held[b.id] != nil {
				continue
			}
			if held[b.id] = d.blocks.get(b.id, d.model.NewKVBlock, b.size()); held[b.id] == nil {
				held[b.id] = d.model.NewKVBlock(b.size())
				missing = append(missing, b)
			}
		}
	}
	if err := d.compute(ctx, missing, held); err != nil {
		return err
	}
	for len(rows) > 0 {
		n, positions, seen := 0, 0, 0
		for n < len(rows) {
			last := rows[n].Blocks[len(rows[n].Blocks)-1]
			positions, seen = positions+len(rows[n].tokens)-last, seen+last
			if n > 0 && (positions > d.device.Prompts.Capacity || seen > mostSeen) {
				break
			}
			n++
		}
		if err := d.behind(ctx, rows[:n], each[:n], held); err != nil {
			return err
		}
		rows, each = rows[n:], each[n:]
	}
	return nil
}

// mostSeen bounds the tokens of blocks that stand behind one micro-batch, of which a copy
// is made.
const mostSeen = 16384

// compute computes the blocks that are missing, and keeps them.
func (d *onCPU) compute(ctx context.Context, missing []block, held map[blockID]*llama.KVBlock) error {
	var rows []batch.Row
	for i, b := range missing {
		tokens := b.tokens()
		rows = append(rows, batch.Row{Tokens: tokens, From: len(tokens), Index: i})
	}
	for _, pack := range d.device.Prompts.Pack(rows) {
		err := d.prefill(ctx, pack, func(layer int, k, v *tape.Value) error {
			for i, index := range pack.Rows {
				b := missing[index]
				if err := held[b.id].Set(layer, k, v, pack.Paths[i][len(pack.Paths[i])-b.size():]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, index := range pack.Rows {
			d.blocks.put(missing[index].id, held[missing[index].id])
		}
	}
	return nil
}

// behind prefills the last blocks of rows, of whose tokens the last is the first step's.
func (d *onCPU) behind(ctx context.Context, rows []*row, each [][]block, held map[blockID]*llama.KVBlock) error {
	var last [][]int32
	var places []int
	var behind []llama.Behind
	positions := 0
	for i, r := range rows {
		of := llama.Behind{First: positions, Caches: r.caches}
		for _, b := range each[i] {
			of.Blocks = append(of.Blocks, llama.Placed{KVBlock: held[b.id], At: b.at, By: b.by()})
		}
		from := r.Blocks[len(r.Blocks)-1]
		of.Tokens = len(r.tokens) - from
		positions += of.Tokens
		last, places = append(last, r.tokens[from:]), append(places, from)
		behind = append(behind, of)
	}
	return d.model.PrefillBehind(ctx, d.runner, d.device.Prompts.Behind(last, places), behind)
}

// Blocks keeps keys and values of blocks by what they hold, those that were used last, in
// so many bytes. All are of one model, whose weights stay.
type Blocks struct {
	most, used int64
	byID       map[blockID]*list.Element // of keptBlock
	recent     *list.List                // the last used first
	disk       *blockFiles               // nil for none
}

type keptBlock struct {
	id blockID
	*llama.KVBlock
}

// NewBlocks keeps so many bytes in memory.
func NewBlocks(most int64) *Blocks {
	return &Blocks{most: most, byID: map[blockID]*list.Element{}, recent: list.New()}
}

// get gives a block that is kept, nil for none.
func (b *Blocks) get(id blockID, made func(tokens int) *llama.KVBlock, tokens int) *llama.KVBlock {
	if e := b.byID[id]; e != nil {
		b.recent.MoveToFront(e)
		return e.Value.(keptBlock).KVBlock
	}
	if b.disk == nil {
		return nil
	}
	kv := made(tokens)
	if !b.disk.read(id, kv) {
		return nil
	}
	b.keep(id, kv)
	return kv
}

// put keeps a block.
func (b *Blocks) put(id blockID, kv *llama.KVBlock) {
	b.keep(id, kv)
	if b.disk != nil {
		b.disk.write(id, kv)
	}
}

// keep keeps a block in memory, in place of those that were not used for longest.
func (b *Blocks) keep(id blockID, kv *llama.KVBlock) {
	if kv.Bytes() > b.most || b.byID[id] != nil {
		return
	}
	b.byID[id] = b.recent.PushFront(keptBlock{id, kv})
	for b.used += kv.Bytes(); b.used > b.most; {
		oldest := b.recent.Remove(b.recent.Back()).(keptBlock)
		delete(b.byID, oldest.id)
		b.used -= oldest.Bytes()
	}
}
