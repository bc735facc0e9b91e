package tape

import (
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
)

// told is a record that has these weights and does nothing.
type told struct{ params []*Param }

func (told) outputs() []*Value                   { return nil }
func (told) back(*Tape, []*tensors.Tensor) error { return nil }
func (told) free() error                         { return nil }
func (told) keeps() []*tensors.Tensor            { return nil }
func (r told) trained() []*Param                 { return r.params }

// A weight's gradient is whole once the first record that has it is gone back over, and
// that is told once.
func TestFinal(t *testing.T) {
	a, b, c := &Param{Weight: Weight{Name: "a"}}, &Param{Weight: Weight{Name: "b"}}, &Param{Weight: Weight{Name: "c"}}
	var got []string
	tp := &Tape{Final: func(q *Param) error { got = append(got, q.Name); return nil }}
	tp.records = []record{told{[]*Param{a, a}}, told{[]*Param{b}}, told{[]*Param{a, c}}}
	if err := tp.Backward(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"c", "b", "a"}; !slices.Equal(got, want) {
		t.Errorf("%v; %v expected: a is in the first record, too", got, want)
	}
}
