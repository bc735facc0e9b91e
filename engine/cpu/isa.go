package cpu

/*
#cgo CFLAGS: -O3
#cgo LDFLAGS: -lm -lpthread
#include "isa.h"
#include <stdint.h>
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// BestISA is the largest set that the processor has.
func BestISA() ISA { return ISA(C.isa_best()) }

// ISAInUse is the set that the kernels take: the best, or less where GORQA_MAX_ISA says so.
func ISAInUse() (ISA, error) {
	if C.isa_known() == 0 {
		return 0, errUnknownISA(os.Getenv(MaxISA))
	}
	return ISA(C.isa_used()), nil
}

// limitISA has the kernels take no more than a set, for tests that run each of them.
func limitISA(isa ISA) { C.isa_limit(C.int(isa)) }

func pointer[T Number](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }
func floats(s []float32) *C.float            { return (*C.float)(unsafe.SliceData(s)) }
func ints(s []int32) *C.int                  { return (*C.int)(unsafe.SliceData(s)) }
func bf16s(s []bfloat16.BFloat16) *C.uint16_t {
	return (*C.uint16_t)(unsafe.Pointer(unsafe.SliceData(s)))
}

func truth(is bool) C.int {
	if is {
		return 1
	}
	return 0
}

// done is the error of what C gives, -1 without memory.
func done(what string, failed C.int) error {
	if failed != 0 {
		return fmt.Errorf("%s: %w", what, errMemory)
	}
	return nil
}

// processors is how many workers there are at most.
func processors() C.int { return C.int(runtime.GOMAXPROCS(0)) }
