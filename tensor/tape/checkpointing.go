package tape

import (
	"errors"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
)

// Part is a piece of a model, several calls on a tape. What it reads beside its
// inputs stands on the tape that it was made for.
type Part func(t *Tape, in []*Value) ([]*Value, error)

// Checkpoint runs a part. Where the runner recomputes, only its inputs and
// outputs stay in memory between the passes, and the backward pass runs it again
// (gradient checkpointing, arXiv 1604.06174).
func (t *Tape) Checkpoint(part Part, in ...*Value) ([]*Value, error) {
	if !t.runner.Recompute || !t.train || t.forgets {
		return part(t, in)
	}
	inner := &Tape{Seed: t.draw(), runner: t.runner, train: true, forgets: true}
	out, err := part(inner, in)
	if err != nil {
		return nil, errors.Join(err, inner.Free())
	}
	// The outputs stay; what led to them goes.
	inner.values = slices.DeleteFunc(inner.values, func(v *Value) bool { return slices.Contains(out, v) })
	t.values = append(t.values, out...)
	t.records = append(t.records, &again{part: part, seed: inner.Seed, in: in, out: out, used: inner.used})
	return out, inner.Free()
}

// again is a record of Checkpoint.
type again struct {
	part    Part
	seed    uint64
	in, out []*Value
	used    []*Param
}

func (a *again) outputs() []*Value { return a.out }
func (a *again) free() error       { return nil }

func (a *again) keeps() []*tensors.Tensor { return nil }

func (a *again) trained() []*Param { return a.used }

func (a *again) back(t *Tape, dOut []*tensors.Tensor) (err error) {
	inner := t.runner.New(true)
	inner.Seed = a.seed
	defer func() { err = errors.Join(err, inner.Free()) }()
	in := make([]*Value, len(a.in))
	for i, v := range a.in {
		in[i] = &Value{Tensor: v.Tensor, flows: v.flows}
	}
	out, err := a.part(inner, in)
	if err != nil {
		return err
	}
	for i, v := range a.out {
		out[i].grad, v.grad = dOut[i], nil
	}
	if err := inner.backwardPass(); err != nil {
		return err
	}
	for i, v := range in {
		if v.grad != nil {
			err = errors.Join(err, t.accumulate(a.in[i], v.grad))
		}
	}
	return err
}
