package cpu

// #include "adamw.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// AdamW8 is AdamW with moments in 8 bits.
func AdamW8(s AdamWStep, w []float32, m Moments8, g []float32) error {
	if len(w) != len(m.Mean) {
		return fmt.Errorf("AdamW: %d weights with %d moments", len(w), len(m.Mean))
	}
	return s.moveCoded(w, SplitWeight{}, m, g)
}

// AdamW8Split is AdamW8 for split weights.
func AdamW8Split(s AdamWStep, w SplitWeight, m Moments8, g []float32) error {
	if err := w.check(len(m.Mean)); err != nil || w.Residual == nil {
		return errors.Join(err, fmt.Errorf("AdamW: weights of %d and residuals of %d with %d moments", len(w.BF16), len(w.Residual), len(m.Mean)))
	}
	return s.moveCoded(nil, w, m, g)
}

func (s AdamWStep) moveCoded(w []float32, split SplitWeight, m Moments8, g []float32) error {
	n, blocks := len(m.Mean), MomentBlocks(len(m.Mean))
	if len(m.Square) != n || len(m.MeanMax) != blocks || len(m.SquareMax) != blocks || len(g) != n {
		return fmt.Errorf("AdamW: moments of %d and %d in blocks of %d and %d, %d gradients", n, len(m.Square), len(m.MeanMax), len(m.SquareMax), len(g))
	}
	if n == 0 {
		return nil
	}
	step, maps := s.inC(), momentMaps()
	share(n, func(from, to int) { // whole blocks
		first, end := MomentBlocks(from), MomentBlocks(to)
		from, to = first*MomentBlock, min(n, end*MomentBlock)
		if from >= to {
			return
		}
		at := C.adamw_weights{g: floats(g[from:])}
		if w != nil {
			at.w = floats(w[from:])
		} else {
			at.bf16, at.residual = split.from(from)
		}
		coded := C.coded_moments{
			m: (*C.uint8_t)(&m.Mean[from]), v: (*C.uint8_t)(&m.Square[from]),
			m_max: floats(m.MeanMax[first:]), v_max: floats(m.SquareMax[first:]),
		}
		C.adamw_coded(step, at, coded, maps, C.long(to-from))
	})
	return nil
}

// momentMaps are the maps of codes, and halfway to the next value where its code begins.
var momentMaps = sync.OnceValue(func() *C.moment_maps {
	var maps C.moment_maps
	for i, signed := range []bool{true, false} {
		values := DynamicMap(signed)
		for j, v := range values {
			maps.value[i][j] = C.float(v)
			if next := j + 1; next < len(values) {
				maps.end[i][j] = C.float((v + values[next]) / 2)
			}
		}
	}
	return &maps
})

// DynamicMap is what the 256 codes stand for, rising: 0, 1 and, for each power of ten down
// to the sixth below 1, the middles of equal parts of its upper nine tenths; twice as many
// parts with each power. Signed, there are half as many, and their negatives.
func DynamicMap(signed bool) []float32 {
	values := []float32{0, 1}
	for i := range 7 {
		parts := 1 << i
		if !signed {
			parts *= 2
		}
		for k := range parts {
			v := float32(math.Pow10(i-6) * (0.1 + 0.9*(float64(k)+0.5)/float64(parts)))
			if values = append(values, v); signed {
				values = append(values, -v)
			}
		}
	}
	slices.Sort(values)
	return values
}
