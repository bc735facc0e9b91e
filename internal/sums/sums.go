// Package sums adds gradients up in the host's memory: in place, on every
// processor, straight from bf16. A graph would write each sum to a new buffer.
// It works on slices and knows nothing of tensors or models.
package sums

/*
#cgo CFLAGS: -O3
#include "sums.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// smallest is how many values are worth a goroutine.
const smallest = 1 << 15

// Add adds d to sum, or sets sum to it where it is the first term.
func Add[T float32 | bfloat16.BFloat16](sum []float32, d []T, first bool) error {
	if len(sum) != len(d) {
		return fmt.Errorf("sums: %d values to %d", len(d), len(sum))
	}
	parts := max(1, min(runtime.GOMAXPROCS(0), len(d)/smallest))
	var wait sync.WaitGroup
	for i := range parts {
		from, to := i*len(d)/parts, (i+1)*len(d)/parts
		wait.Go(func() { add(sum[from:to], d[from:to], first) })
	}
	wait.Wait()
	return nil
}

func add[T float32 | bfloat16.BFloat16](sum []float32, d []T, first bool) {
	if len(sum) == 0 {
		return
	}
	to, from, n := (*C.float)(&sum[0]), unsafe.Pointer(&d[0]), C.long(len(sum))
	_, half := any(d).([]bfloat16.BFloat16)
	switch {
	case half && first:
		C.set_half(to, (*C.uint16_t)(from), n)
	case half:
		C.add_half(to, (*C.uint16_t)(from), n)
	case first:
		copy(sum, any(d).([]float32))
	default:
		C.add_float(to, (*C.float)(from), n)
	}
}
