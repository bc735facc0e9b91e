package cpu

/*
#include "gemm.h"
#include "threads.h"

static void *nt(void) { return (void *)gemm_nt_call; }
static void *nn(void) { return (void *)gemm_nn_call; }
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// HasGEMM says whether the set in use multiplies bf16 with bf16.
func HasGEMM() bool {
	isa, err := ISAInUse()
	return err == nil && isa >= AVX512BF16
}

// GEMMHandler is the handler of a foreign call (XLA's typed FFI) that does what GEMM does.
func GEMMHandler(transB bool) unsafe.Pointer {
	C.threads_for_calls(processors())
	if transB {
		return C.nt()
	}
	return C.nn()
}

// GEMM sets y [m, n] to x·wᵀ for x [m, k] and w [n, k] if transB, else to x·w for
// w [k, n], by VDPBF16PS, or by AMX's tiles (TDPBF16PS). k is even.
func GEMM(y, x, w []bfloat16.BFloat16, m, k, n int, transB bool) error {
	if m < 1 || k < 2 || n < 1 || k%2 != 0 || len(x) != m*k || len(w) != n*k || len(y) != m*n {
		return fmt.Errorf("GEMM: %d by %d values to %d x %d over %d", len(x), len(w), m, n, k)
	}
	if !HasGEMM() {
		return fmt.Errorf("GEMM of bf16 needs %s", AVX512BF16)
	}
	return done("GEMM", C.gemm_bf16(C.gemm{
		a: pointer(x), b: pointer(w), y: bf16s(y), trans_b: truth(transB),
		m: C.long(m), k: C.long(k), n: C.long(n), workers: processors(),
	}))
}

// WeightGradGEMM adds yᵀ·x to sum [n, k], or sets sum to it where it is the first
// term, for y [S, n] and x [S, k] in rows: what a weight's gradient is made of.
func WeightGradGEMM[T Number](sum []float32, y, x []T, n, k int, first bool) error {
	if n < 1 || k < 1 || len(y) == 0 || len(y)%n != 0 || len(x) != len(y)/n*k || len(sum) != n*k {
		return fmt.Errorf("weight gradient: a product of %d by %d values to %d x %d", len(y), len(x), n, k)
	}
	return done("weight gradient", C.weight_grad_gemm(C.gemm{
		a: pointer(y), b: pointer(x), bf16: truth(isBF16(y)), sum: floats(sum), first: truth(first),
		m: C.long(n), k: C.long(len(y) / n), n: C.long(k), workers: processors(),
	}))
}
