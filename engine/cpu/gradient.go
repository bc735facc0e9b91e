package cpu

// #include "adamw.h"
import "C"

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// smallestSum is how many values are worth a goroutine.
const smallestSum = 1 << 15

// Accumulate adds d to sum, or sets sum to it where it is the first term.
func Accumulate[T Number](sum []float32, d []T, first bool) error {
	if len(sum) != len(d) {
		return fmt.Errorf("gradient: %d values to %d", len(d), len(sum))
	}
	share(len(d), func(from, to int) { add(sum[from:to], d[from:to], first) })
	return nil
}

// share does work on n values in parts, each on a processor.
func share(n int, work func(from, to int)) {
	parts := max(1, min(runtime.GOMAXPROCS(0), n/smallestSum))
	var wait sync.WaitGroup
	for i := range parts {
		from, to := i*n/parts, (i+1)*n/parts
		wait.Go(func() { work(from, to) })
	}
	wait.Wait()
}

// AccumulateRows adds row i of x [S, k] to row at[i] of sum [n, k], or of zeros where it
// is the first term.
func AccumulateRows[T Number](sum []float32, at []int32, x []T, k int, first bool) error {
	if k < 1 || len(x) != len(at)*k || len(sum)%k != 0 {
		return fmt.Errorf("gradient: %d values at %d places of %d in rows of %d", len(x), len(at), len(sum), k)
	}
	if first {
		clear(sum)
	}
	for i, place := range at {
		if place < 0 || int(place) >= len(sum)/k {
			return fmt.Errorf("gradient: row %d of %d", place, len(sum)/k)
		}
		add(sum[int(place)*k:][:k], x[i*k:][:k], false)
	}
	return nil
}

func add[T Number](sum []float32, d []T, first bool) {
	if len(sum) == 0 {
		return
	}
	if d, is := any(d).([]bfloat16.BFloat16); is {
		C.accumulate_bf16(floats(sum), bf16s(d), C.long(len(sum)), truth(first))
		return
	}
	full := any(d).([]float32)
	if first {
		copy(sum, full)
		return
	}
	C.accumulate_f32(floats(sum), floats(full), C.long(len(sum)))
}
