package cpu

/*
#include "gemm.h"

static void *nt(void) { return (void *)gemm_nt_call; }
static void *nn(void) { return (void *)gemm_nn_call; }
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// HasGEMM says whether the processor multiplies bf16 with bf16 (AVX512-BF16).
func HasGEMM() bool { return C.gemm_usable() != 0 }

// GEMMHandler is the handler of a foreign call (XLA's typed FFI) that does what GEMM does.
func GEMMHandler(transB bool) unsafe.Pointer {
	C.gemm_call_workers(processors())
	if transB {
		return C.nt()
	}
	return C.nn()
}

// GEMM sets y [m, n] to x·wᵀ for x [m, k] and w [n, k] if transB, else to x·w for
// w [k, n], at nearly the rate of the processor's registers (VDPBF16PS). k is even.
func GEMM(y, x, w []bfloat16.BFloat16, m, k, n int, transB bool) error {
	if m < 1 || k < 2 || n < 1 || k%2 != 0 || len(x) != m*k || len(w) != n*k || len(y) != m*n {
		return fmt.Errorf("GEMM: %d by %d values to %d x %d over %d", len(x), len(w), m, n, k)
	}
	C.gemm_bf16(bf16s(x), bf16s(w), bf16s(y), C.long(m), C.long(k), C.long(n), truth(!transB), processors())
	return nil
}

// weightGradBF16 is WeightGradGEMM on a processor that HasGEMM.
func weightGradBF16(sum []float32, y, x []bfloat16.BFloat16, n, k int, first bool) error {
	if C.weight_grad_gemm_bf16(floats(sum), bf16s(y), bf16s(x), C.long(len(y)/n), C.long(n), C.long(k), truth(first), processors()) == 0 {
		return errors.New("weight gradient: out of memory")
	}
	return nil
}
