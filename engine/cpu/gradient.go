package cpu

/*
#include "gradient.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// smallestSum is how many values are worth a goroutine.
const smallestSum = 1 << 15

// group is of how many rows of a product each part of it is a multiple.
const group = C.GROUP

// Accumulate adds d to sum, or sets sum to it where it is the first term.
func Accumulate[T Number](sum []float32, d []T, first bool) error {
	if len(sum) != len(d) {
		return fmt.Errorf("gradient: %d values to %d", len(d), len(sum))
	}
	share(len(d), func(from, to int) { add(sum[from:to], d[from:to], first) })
	return nil
}

// share does work on n values in parts, each on a processor.
func share(n int, work func(from, to int)) {
	parts := max(1, min(runtime.GOMAXPROCS(0), n/smallestSum))
	var wait sync.WaitGroup
	for i := range parts {
		from, to := i*n/parts, (i+1)*n/parts
		wait.Go(func() { work(from, to) })
	}
	wait.Wait()
}

// AdamWStep is what a step of AdamW (arXiv 1711.05101) does to a weight, whose moments
// are running means of the gradient and of its square.
type AdamWStep struct {
	Scale        float32 // of the gradient
	Rate         float32 // over the bias of the mean, 1 - Beta1^steps
	Root         float32 // 1 over the root of the bias of the mean square
	Keep         float32 // what the weight is multiplied with: 1 without decay
	Beta1, Beta2 float64 // 1 less one of them is not exact in f32
	Epsilon      float32
}

// SplitWeight are f32 values in two parts: BF16, the nearest bf16, and Residual, what is
// to be added to its bits, the lower 16 being zeros, to have those of the value. A value
// half a step above an even bf16, which is one more than Residual can be, is the next
// smaller f32. Without Residual they are values rounded to bf16.
type SplitWeight struct {
	BF16     []bfloat16.BFloat16
	Residual []int16
}

func (w SplitWeight) check(n int) error {
	if len(w.BF16) != n || w.Residual != nil && len(w.Residual) != n {
		return fmt.Errorf("split weight: parts of %d and %d values for %d", len(w.BF16), len(w.Residual), n)
	}
	return nil
}

// from are pointers to the parts from a place on, NULL for none.
func (w SplitWeight) from(at int) (high *C.uint16_t, low *C.int16_t) {
	if w.BF16 != nil {
		high = (*C.uint16_t)(unsafe.Pointer(&w.BF16[at]))
	}
	if w.Residual != nil {
		low = (*C.int16_t)(unsafe.Pointer(&w.Residual[at]))
	}
	return high, low
}

// Split sets the parts to values.
func (w SplitWeight) Split(values []float32) error {
	return w.each(values, func(x *C.float, high *C.uint16_t, low *C.int16_t, n C.long) { C.split(x, high, low, n) })
}

// Join sets values to what the parts are.
func (w SplitWeight) Join(values []float32) error {
	return w.each(values, func(x *C.float, high *C.uint16_t, low *C.int16_t, n C.long) { C.join(x, high, low, n) })
}

// each does work on values and their parts in pieces, each on a processor.
func (w SplitWeight) each(values []float32, work func(x *C.float, high *C.uint16_t, low *C.int16_t, n C.long)) error {
	if err := w.check(len(values)); err != nil || len(values) == 0 {
		return err
	}
	share(len(values), func(from, to int) {
		high, low := w.from(from)
		work((*C.float)(&values[from]), high, low, C.long(to-from))
	})
	return nil
}

// AdamW moves the weights w and their moments m and v one step on by the gradients g.
func AdamW(s AdamWStep, w, m, v, g []float32) error {
	if len(w) != len(m) {
		return fmt.Errorf("gradient: %d weights with %d moments", len(w), len(m))
	}
	return s.move(w, SplitWeight{}, m, v, g)
}

// AdamWSplit is AdamW for split weights.
func AdamWSplit(s AdamWStep, w SplitWeight, m, v, g []float32) error {
	if err := w.check(len(m)); err != nil || w.Residual == nil {
		return errors.Join(err, fmt.Errorf("gradient: weights of %d and residuals of %d with %d moments", len(w.BF16), len(w.Residual), len(m)))
	}
	return s.move(nil, w, m, v, g)
}

func (s AdamWStep) move(w []float32, split SplitWeight, m, v, g []float32) error {
	if n := len(m); len(v) != n || len(g) != n {
		return fmt.Errorf("gradient: moments of %d and %d, %d gradients", len(m), len(v), len(g))
	}
	if len(m) == 0 {
		return nil
	}
	step := C.struct_step{
		C.float(s.Scale), C.float(s.Rate), C.float(s.Root), C.float(s.Keep),
		C.float(s.Beta1), C.float(1 - s.Beta1), C.float(s.Beta2), C.float(1 - s.Beta2), C.float(s.Epsilon),
	}
	share(len(m), func(from, to int) {
		var whole *C.float
		if w != nil {
			whole = (*C.float)(&w[from])
		}
		high, low := split.from(from)
		at := func(x []float32) *C.float { return (*C.float)(&x[from]) }
		C.adamw(whole, high, low, at(m), at(v), at(g), C.long(to-from), &step)
	})
	return nil
}

// WeightGradGEMM adds yᵀ·x to sum [n, k], or sets sum to it where it is the first
// term, for y [S, n] and x [S, k] in rows.
func WeightGradGEMM[T Number](sum []float32, y, x []T, n, k int, first bool) error {
	if n < 1 || k < 1 || len(y) == 0 || len(y)%n != 0 || len(x) != len(y)/n*k || len(sum) != n*k {
		return fmt.Errorf("weight gradient: a product of %d by %d values to %d x %d", len(y), len(x), n, k)
	}
	var half C.int
	if narrow, ok := any(y).([]bfloat16.BFloat16); ok {
		if HasGEMM() {
			return weightGradBF16(sum, narrow, any(x).([]bfloat16.BFloat16), n, k, first)
		}
		half = 1
	}
	rows, set := C.long(len(y)/n), C.int(0)
	if first {
		set = 1
	}
	groups := (n + group - 1) / group
	parts := min(runtime.GOMAXPROCS(0), groups)
	var failed atomic.Bool
	var wait sync.WaitGroup
	for i := range parts {
		from, to := i*groups/parts*group, min((i+1)*groups/parts*group, n)
		wait.Go(func() {
			if C.weight_grad_gemm((*C.float)(&sum[0]), unsafe.Pointer(&y[0]), unsafe.Pointer(&x[0]), half, rows,
				C.long(n), C.long(k), C.long(from), C.long(to), set) == 0 {
				failed.Store(true)
			}
		})
	}
	wait.Wait()
	if failed.Load() {
		return errors.New("weight gradient: out of memory")
	}
	return nil
}

// AccumulateRows adds row i of x [S, k] to row at[i] of sum [n, k], or of zeros where it
// is the first term.
func AccumulateRows[T Number](sum []float32, at []int32, x []T, k int, first bool) error {
	if k < 1 || len(x) != len(at)*k || len(sum)%k != 0 {
		return fmt.Errorf("gradient: %d values at %d places of %d in rows of %d", len(x), len(at), len(sum), k)
	}
	if first {
		clear(sum)
	}
	for i, place := range at {
		if place < 0 || int(place) >= len(sum)/k {
			return fmt.Errorf("gradient: row %d of %d", place, len(sum)/k)
		}
		add(sum[int(place)*k:][:k], x[i*k:][:k], false)
	}
	return nil
}

func add[T Number](sum []float32, d []T, first bool) {
	if len(sum) == 0 {
		return
	}
	to, from, n := (*C.float)(&sum[0]), unsafe.Pointer(&d[0]), C.long(len(sum))
	_, half := any(d).([]bfloat16.BFloat16)
	switch {
	case half && first:
		C.set_half(to, (*C.uint16_t)(from), n)
	case half:
		C.add_half(to, (*C.uint16_t)(from), n)
	case first:
		copy(sum, any(d).([]float32))
	default:
		C.add_float(to, (*C.float)(from), n)
	}
}
