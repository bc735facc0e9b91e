package cpu

import (
	"math"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
)

// matrix is values [rows, columns] in f64.
func matrix(values []bfloat16.BFloat16, rows, columns int) blas64.General {
	m := blas64.General{Rows: rows, Cols: columns, Stride: columns, Data: make([]float64, len(values))}
	for i, v := range values {
		m.Data[i] = float64(v.Float32())
	}
	return m
}

// exactProduct is op(a)·op(b) [m, n] in f64, and the same of the values' sizes, which rounding errors
// are in proportion to; a and b hold sizes then. gonum's kernels are assembler, so that -asan does
// not check each of the many reads.
func exactProduct(transA, transB blas.Transpose, a, b blas64.General, m, n int) (values, sizes []float64) {
	multiply := func() []float64 {
		c := blas64.General{Rows: m, Cols: n, Stride: n, Data: make([]float64, m*n)}
		blas64.Gemm(transA, transB, 1, a, b, 0, c)
		return c.Data
	}
	values = multiply()
	for _, x := range []blas64.General{a, b} {
		for i, v := range x.Data {
			x.Data[i] = math.Abs(v)
		}
	}
	return values, multiply()
}
