// Package product multiplies bf16 matrices in the host's memory at nearly the rate
// of the processor's registers (VDPBF16PS): for its callers, and as foreign calls of
// XLA's graphs. It works on slices and knows nothing of tensors or models.
package product

/*
#cgo CFLAGS: -O3
#include "product.h"

static void *rows(void) { return (void *)product_rows; }
static void *across(void) { return (void *)product_across; }
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"gorqa/internal/share"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

func init() { C.product_share_by(share.Function(), C.int(runtime.GOMAXPROCS(0))) }

// Usable says whether the processor multiplies bf16 with bf16 (AVX512-BF16).
func Usable() bool { return C.product_usable() != 0 }

// Handler is the handler of a foreign call (XLA's typed FFI) that sets y [m, n] to
// x·wᵀ for x [m, k] and w [n, k], or, if across, to x·w for w [k, n], all in bf16. k
// is even.
func Handler(across bool) unsafe.Pointer {
	if across {
		return C.across()
	}
	return C.rows()
}

// Multiply is what a Handler does.
func Multiply(y, x, w []bfloat16.BFloat16, m, k, n int, across bool) error {
	if m < 1 || k < 2 || n < 1 || k%2 != 0 || len(x) != m*k || len(w) != n*k || len(y) != m*n {
		return fmt.Errorf("product: %d by %d values to %d x %d over %d", len(x), len(w), m, n, k)
	}
	C.product_set(at(x), at(w), at(y), C.long(m), C.long(k), C.long(n), truth(across))
	return nil
}

// Add adds yᵀ·x to sum [n, k], or sets sum to it where it is the first term, for y
// [S, n] and x [S, k] in rows.
func Add(sum []float32, y, x []bfloat16.BFloat16, n, k int, first bool) error {
	if n < 1 || k < 1 || len(y) == 0 || len(y)%n != 0 || len(x) != len(y)/n*k || len(sum) != n*k {
		return fmt.Errorf("product: %d by %d values to %d x %d", len(y), len(x), n, k)
	}
	if C.product_add((*C.float)(&sum[0]), at(y), at(x), C.long(len(y)/n), C.long(n), C.long(k), truth(first)) == 0 {
		return errors.New("product: out of memory")
	}
	return nil
}

func at(s []bfloat16.BFloat16) *C.uint16_t { return (*C.uint16_t)(unsafe.Pointer(&s[0])) }

func truth(is bool) C.int {
	if is {
		return 1
	}
	return 0
}
