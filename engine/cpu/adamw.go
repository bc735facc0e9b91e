package cpu

// #include "adamw.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

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
		return fmt.Errorf("AdamW: %d weights with %d moments", len(w), len(m))
	}
	return s.move(w, SplitWeight{}, m, v, g)
}

// AdamWSplit is AdamW for split weights.
func AdamWSplit(s AdamWStep, w SplitWeight, m, v, g []float32) error {
	if err := w.check(len(m)); err != nil || w.Residual == nil {
		return errors.Join(err, fmt.Errorf("AdamW: weights of %d and residuals of %d with %d moments", len(w.BF16), len(w.Residual), len(m)))
	}
	return s.move(nil, w, m, v, g)
}

func (s AdamWStep) move(w []float32, split SplitWeight, m, v, g []float32) error {
	if n := len(m); len(v) != n || len(g) != n {
		return fmt.Errorf("AdamW: moments of %d and %d, %d gradients", len(m), len(v), len(g))
	}
	if len(m) == 0 {
		return nil
	}
	step := s.inC()
	share(len(m), func(from, to int) {
		at := C.adamw_weights{m: floats(m[from:]), v: floats(v[from:]), g: floats(g[from:])}
		if w != nil {
			at.w = floats(w[from:])
		} else {
			at.bf16, at.residual = split.from(from)
		}
		C.adamw(step, at, C.long(to-from))
	})
	return nil
}

func (s AdamWStep) inC() C.adamw_step {
	return C.adamw_step{
		C.float(s.Scale), C.float(s.Rate), C.float(s.Root), C.float(s.Keep),
		C.float(s.Beta1), C.float(1 - s.Beta1), C.float(s.Beta2), C.float(1 - s.Beta2), C.float(s.Epsilon),
	}
}
