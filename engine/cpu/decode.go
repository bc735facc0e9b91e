package cpu

// #include "decode.h"
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// Matrix is a weight [Out, In] in f32 or bf16, which stays its owner's.
type Matrix struct {
	Out, In int
	full    []float32
	bf16    []bfloat16.BFloat16
}

// NewMatrix wraps values of f32 or bf16.
func NewMatrix[T Number](values []T, out, in int) (Matrix, error) {
	m := Matrix{Out: out, In: in}
	if out < 1 || in < 1 || len(values) != out*in {
		return m, fmt.Errorf("decode: %d values for a matrix of %d x %d", len(values), out, in)
	}
	switch v := any(values).(type) {
	case []float32:
		m.full = v
	case []bfloat16.BFloat16:
		m.bf16 = v
	}
	return m, nil
}

// Row copies row i to [In] of f32.
func (m Matrix) Row(i int, to []float32) {
	if m.bf16 == nil {
		copy(to, m.full[i*m.In:(i+1)*m.In])
		return
	}
	for j, x := range m.bf16[i*m.In : (i+1)*m.In] {
		to[j] = x.Float32()
	}
}

// Workspace is memory for what is soon given up, so that a step of decoding leaves the
// garbage collector nothing. The zero value is ready. It is not safe for concurrent use.
type Workspace struct {
	block []float32
	used  int
	bf16  []uint16
}

// Floats gives n values that nobody else holds since the last Reset; what they are is
// left open.
func (s *Workspace) Floats(n int) []float32 {
	if s.used+n > len(s.block) {
		s.block, s.used = make([]float32, 2*(s.used+n)), 0
	}
	s.used += n
	return s.block[s.used-n : s.used : s.used]
}

// rounded gives n values of bf16 until it is called again.
func (s *Workspace) rounded(n int) []uint16 {
	if n > len(s.bf16) {
		s.bf16 = make([]uint16, n)
	}
	return s.bf16[:n]
}

// Reset takes back all that was given.
func (s *Workspace) Reset() { s.used = 0 }

// Multiply gives x·Mᵀ [rows, Out], in memory of s, for x [rows, In] and each of the
// matrices, which have one In. Rows are rounded to bf16 where a matrix is bf16 and the
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
	for i, m := range ms {
		if m.In != in {
			return nil, fmt.Errorf("decode: matrices of %d and %d columns", in, m.In)
		}
		ys[i] = s.Floats(rows * m.Out)
		if m.bf16 != nil && C.decode_rounds() != 0 {
			if rounded == nil {
				rounded = s.rounded(padded * in)
				C.round_bf16((*C.uint16_t)(&rounded[0]), (*C.float)(&x[0]), C.long(len(x)))
			}
		} else if full == nil {
			full = s.Floats(padded * in)
			copy(full, x)
		}
	}
	for i, m := range ms {
		p := C.decode_product{w: pointer(m.full), x: pointer(full), y: floats(ys[i]), m: C.int(rows), k: C.int(in), out: C.int(m.Out)}
		if m.bf16 != nil {
			p.w, p.bf16 = pointer(m.bf16), 1
			if rounded != nil {
				p.x = unsafe.Pointer(&rounded[0])
			}
		}
		C.decode_gemm(p, workers(m.Out*in))
	}
	return ys, nil
}

// smallestShare is how many weights are worth a worker.
const smallestShare = 1 << 14

// workers are how many share work on so many weights or values.
func workers(size int) C.int {
	return C.int(max(1, min(runtime.GOMAXPROCS(0), size/smallestShare)))
}

// SwiGLU sets g to silu(g)·u (arXiv 2002.05202), both of one length.
func SwiGLU(g, u []float32) {
	if len(g) != 0 && len(u) >= len(g) {
		C.swiglu((*C.float)(&g[0]), (*C.float)(&u[0]), C.long(len(g)))
	}
}
