package cpu

// #include "decode.h"
// #include "isa.h"
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// rounded gives n values of bf16 until it is called again.
func (s *Workspace) rounded(n int) []uint16 {
	if n > len(s.bf16) {
		s.bf16 = make([]uint16, n)
	}
	return s.bf16[:n]
}

// Multiply gives x·Mᵀ [rows, Out], in memory of s, for x [rows, In] and each of the
// matrices, which have one In. Rows are rounded to bf16 where a matrix asks for it and the
// processor has such products.
func (s *Workspace) Multiply(x []float32, rows int, ms ...Matrix) ([][]float32, error) {
	if rows < 1 || len(ms) == 0 {
		return nil, fmt.Errorf("decode: %d rows, %d matrices", rows, len(ms))
	}
	in, padded := ms[0].In, (rows+C.DECODE_ROWS-1)/C.DECODE_ROWS*C.DECODE_ROWS
	if len(x) != rows*in {
		return nil, fmt.Errorf("decode: %d values for %d rows of %d", len(x), rows, in)
	}
	var full []float32
	var rounded []uint16
	ys := make([][]float32, len(ms))
	taken := make([]Matrix, len(ms))
	for i, m := range ms {
		m = m.forRows(rows)
		taken[i] = m
		if m.In != in {
			return nil, fmt.Errorf("decode: matrices of %d and %d columns", in, m.In)
		}
		ys[i] = s.Floats(rows * m.Out)
		if m.rounds && C.decode_rounds() != 0 {
			if rounded == nil {
				rounded = s.rounded(padded * in)
				C.round_bf16((*C.uint16_t)(&rounded[0]), (*C.float)(&x[0]), C.long(len(x)))
			}
		} else if full == nil {
			full = s.Floats(padded * in)
			copy(full, x)
		}
	}
	for from := 0; from < len(taken); from += C.DECODE_PRODUCTS {
		some := taken[from:min(from+C.DECODE_PRODUCTS, len(taken))]
		next := s.next(some)
		b, size := C.decode_batch{count: C.int(len(some)), after: C.decode_product{w: next.memory(), form: C.int(next.form), k: C.int(next.In), out: C.int(next.Out)}}, 0
		for i, m := range some {
			p := C.decode_product{w: m.memory(), form: C.int(m.form), x: pointer(full), y: floats(ys[from+i]), m: C.int(rows), k: C.int(in), out: C.int(m.Out)}
			if m.rounds {
				p.bf16 = 1
				if rounded != nil {
					p.x = unsafe.Pointer(&rounded[0])
				}
			}
			b.of[i] = p
			size += m.Out * in
		}
		if err := done("decode", C.decode_gemm(b, workers(size))); err != nil {
			return nil, err
		}
	}
	return ys, nil
}

// next is what was multiplied behind these matrices the last time.
func (s *Workspace) next(ms []Matrix) Matrix {
	if s.after == nil {
		s.after = map[unsafe.Pointer]Matrix{}
	}
	s.after[s.last] = ms[0]
	s.last = ms[len(ms)-1].memory()
	return s.after[s.last]
}

// memory is where a matrix lies.
func (m Matrix) memory() unsafe.Pointer {
	switch {
	case m.quantised != nil:
		return unsafe.Pointer(unsafe.SliceData(m.quantised))
	case m.bf16 != nil:
		return pointer(m.bf16)
	}
	return pointer(m.full)
}

// MultipliesQuantised says whether a quantised matrix gives the products of the same values in
// f32, or with bf16 in that type, and faster: not where those of bf16 are by tiles.
func MultipliesQuantised(bf16 bool) bool {
	return !bf16 || C.isa_used() == C.ISA_AVX512BF16
}

// smallestShare is how many weights are worth a worker.
const smallestShare = 1 << 14

// workers are how many share work on so many weights or values.
func workers(size int) C.int {
	return C.int(max(1, min(runtime.GOMAXPROCS(0), size/smallestShare)))
}

// SoftCap sets each x to most·tanh(x/most).
func SoftCap(x []float32, most float64) {
	if len(x) != 0 {
		C.soft_cap((*C.float)(&x[0]), C.long(len(x)), C.float(most))
	}
}
