package train

import (
	"errors"
	"testing"
	"time"

	"gorqa/engine/world"
	"gorqa/tensor/tape"

	"github.com/google/go-cmp/cmp"
)

// Blocks are summed in the order of the model, whatever order the backward pass is done
// with weights in, and it does not wait for them.
func TestOverlap(t *testing.T) {
	for _, test := range []struct {
		name, why string
		final     []int // weights, in the order in which the backward pass is done with them
		before    int   // blocks handed over before its end
	}{
		{"in order", "from the last weight to the first", []int{3, 2, 1, 0}, 4},
		{"out of order", "a block waits for those before it", []int{0, 1, 2, 3}, 4},
		{"one is late", "what comes behind it waits, too", []int{3, 1, 0}, 1},
		{"the big one is late", "tied embeddings are whole at the very end", []int{3, 2, 1}, 2},
		{"idle", "a process without rows has all blocks summed at the end", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			params := make([]*tape.Param, 4)
			for i, n := range []int{world.BlockValues, 1, world.BlockValues, world.BlockValues} {
				params[i] = &tape.Param{Weight: tape.Weight{Dims: []int{n}}, Trained: true}
			}
			got, goOn := []int{}, make(chan struct{})
			o := &overlap{
				blocks: blocks(params, func(*tape.Param) bool { return true }),
				values: func(*tape.Param) ([]float32, error) { return nil, nil },
				sum: func(i int, _ [][]float32, _ func(func()) error) error {
					<-goOn // a sum that takes for ever: handing over must not wait
					got = append(got, i)
					return nil
				},
			}
			o.open()
			defer o.close()
			for _, i := range test.final {
				if err := o.final(params[i]); err != nil {
					t.Fatal(err)
				}
			}
			if o.sent != test.before {
				t.Errorf("%d blocks handed over by the backward pass; %d expected: %s", o.sent, test.before, test.why)
			}
			if err := o.rest(); err != nil {
				t.Fatal(err)
			}
			close(goOn)
			if err := o.join(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]int{0, 1, 2, 3}, got); diff != "" {
				t.Errorf("%s:\n%s", test.why, diff)
			}
		})
	}
}

// A sum that fails ends the step, and no sum is begun after it.
func TestOverlapFails(t *testing.T) {
	q := &tape.Param{Weight: tape.Weight{Dims: []int{3 * world.BlockValues}}, Trained: true}
	broken, calls := errors.New("the world is gone"), 0
	o := &overlap{
		blocks: blocks([]*tape.Param{q}, func(*tape.Param) bool { return true }), room: 1,
		values: func(*tape.Param) ([]float32, error) { return nil, nil },
		sum:    func(int, [][]float32, func(func()) error) error { calls++; return broken },
	}
	o.open()
	if err := errors.Join(o.final(q), o.join()); !errors.Is(err, broken) {
		t.Errorf("%v; %v expected", err, broken)
	}
	o.close()
	if err := o.touch(func() {}); err == nil || calls != 1 {
		t.Errorf("gradients are touched after the end, or %d sums; 1 expected", calls)
	}
}

// One process pays nothing for what sums over several.
func TestOverlapAlone(t *testing.T) {
	l := &Loop{}
	if n := testing.AllocsPerRun(100, func() {
		if err := l.sumGradients(); err != nil || l.newOverlap() != nil {
			t.Error(err)
		}
		var wait, busy time.Duration
		if wait, busy = l.overlap.times(); wait+busy != 0 {
			t.Error(wait, busy)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
