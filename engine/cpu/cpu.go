// Package cpu has the kernels that compute in the host's memory, in C: attention over
// trees and rows, products of bf16 matrices (GEMM) and what stands between them (norms,
// rotations, gates), also as calls from XLA's graphs, the products and sums that gradients
// are made of, AdamW, and what decoding takes a step with. It works on slices: it must
// not know tensors, graphs or models.
//
// A kernel is written once, over vectors (simd.h) and what is multiplied (operands_*.h),
// and compiled for each set of instructions (set_*.c); what a processor has, or
// GORQA_MAX_ISA permits, is chosen when the program runs (isa.c). Everything in C stands
// in this one folder, whose headers the go command tracks.
package cpu

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// Number is what values are: f32, or bf16, of which probabilities and the cotangents of
// scores are rounded to bf16 too where it is multiplied as such (AVX512BF16).
type Number interface{ float32 | bfloat16.BFloat16 }

func isBF16[T Number](s []T) bool {
	_, is := any(s).([]bfloat16.BFloat16)
	return is
}

// MaxISA is the environment variable that caps the instructions that are used.
const MaxISA = "GORQA_MAX_ISA"

// ISA is a set of instructions. Each has all that those before it have.
type ISA int

// The sets. AMX multiplies matrices of bf16 by tiles, and is AVX512BF16 in all else.
const (
	Plain ISA = iota
	AVX2
	AVX512
	AVX512BF16
	AMX
)

func (i ISA) String() string { return [...]string{"plain", "avx2", "avx512", "avx512bf16", "amx"}[i] }

// errUnknownISA is about what GORQA_MAX_ISA names.
func errUnknownISA(name string) error {
	var names []string
	for i := Plain; i <= AMX; i++ {
		names = append(names, i.String())
	}
	return fmt.Errorf("%s is %q; expected one of %s", MaxISA, name, strings.Join(names, ", "))
}

var errMemory = errors.New("out of memory")
