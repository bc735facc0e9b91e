// Package cpu has the kernels that compute in the host's memory, in C: attention over
// trees and rows, products of bf16 matrices (GEMM), also as calls from XLA's graphs,
// the products and sums that gradients are made of, AdamW, and what decoding takes a
// step with. It works on slices: it must not know tensors, graphs or models.
//
// Everything in C stands in this one folder, whose headers the go command tracks.
package cpu

/*
#cgo CFLAGS: -O3
#cgo LDFLAGS: -lm -lpthread
#include <stdint.h>
*/
import "C"

import (
	"runtime"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// Number is what values are: f32, or bf16, of which probabilities and the cotangents of
// scores are rounded to bf16 too where the processor multiplies it (AVX512-BF16).
type Number interface{ float32 | bfloat16.BFloat16 }

func isBF16[T Number](s []T) bool {
	_, is := any(s).([]bfloat16.BFloat16)
	return is
}

func pointer[T Number](s []T) unsafe.Pointer  { return unsafe.Pointer(&s[0]) }
func floats(s []float32) *C.float             { return (*C.float)(&s[0]) }
func ints(s []int32) *C.int                   { return (*C.int)(&s[0]) }
func bf16s(s []bfloat16.BFloat16) *C.uint16_t { return (*C.uint16_t)(unsafe.Pointer(&s[0])) }

func truth(is bool) C.int {
	if is {
		return 1
	}
	return 0
}

// processors is how many workers there are at most.
func processors() C.int { return C.int(runtime.GOMAXPROCS(0)) }
