//go:build !cgo

package cpu

import (
	"context"
	"errors"
	"os"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// ErrNoKernels is what every kernel gives in a program that was built without cgo.
var ErrNoKernels = errors.New("built without cgo (CGO_ENABLED=0), so there are no kernels; build with CGO_ENABLED=1 and gcc or clang")

// BestISA is Plain: there are no kernels.
func BestISA() ISA { return Plain }

// ISAInUse is Plain, or says that GORQA_MAX_ISA names no set.
func ISAInUse() (ISA, error) {
	name := os.Getenv(MaxISA)
	for isa := Plain; isa <= AMX; isa++ {
		if name == "" || name == isa.String() {
			return Plain, nil
		}
	}
	return 0, errUnknownISA(name)
}

// What follows is as in the files with C.

func (a Attention[T]) Forward() error                                       { return ErrNoKernels }
func (a Attention[T]) Backward(AttentionGrads[T]) error                     { return ErrNoKernels }
func (w SplitWeight) Split([]float32) error                                 { return ErrNoKernels }
func (w SplitWeight) Join([]float32) error                                  { return ErrNoKernels }
func AdamW(_ AdamWStep, _, _, _, _ []float32) error                         { return ErrNoKernels }
func AdamWSplit(_ AdamWStep, _ SplitWeight, _, _, _ []float32) error        { return ErrNoKernels }
func AdamW8(_ AdamWStep, _ []float32, _ Moments8, _ []float32) error        { return ErrNoKernels }
func AdamW8Split(_ AdamWStep, _ SplitWeight, _ Moments8, _ []float32) error { return ErrNoKernels }
func HasGEMM() bool                                                         { return false }
func GEMMHandler(bool) unsafe.Pointer                                       { return nil }
func GEMM(_, _, _ []bfloat16.BFloat16, _, _, _ int, _ bool) error           { return ErrNoKernels }
func WeightGradGEMM[T Number]([]float32, []T, []T, int, int, bool) error    { return ErrNoKernels }
func Accumulate[T Number]([]float32, []T, bool) error                       { return ErrNoKernels }
func AccumulateRows[T Number]([]float32, []int32, []T, int, bool) error     { return ErrNoKernels }
func add[T Number]([]float32, []T, bool)                                    {}
func LayerHandlers() map[string]unsafe.Pointer                              { return nil }
func NormRows[T Number](Norm, []T, []T) error                               { return ErrNoKernels }
func NormRowsVJP[T Number](Norm, []T, []float32, []T, []T) error            { return ErrNoKernels }
func LayerNormRows[T Number](Norm, []float32, []T, []T) error               { return ErrNoKernels }
func Rotate[T Number]([]T, []float32, []float32, int, int) error            { return ErrNoKernels }
func Gated[T Number](Act, []T, []T, []T) error                              { return ErrNoKernels }
func GatedVJP[T Number](Act, []T, []T, []T, []T, []T) error                 { return ErrNoKernels }
func Activate[T Number](Act, []T, []T, []float32) error                     { return ErrNoKernels }
func SoftCap([]float32, float64)                                            {}
func (s *Workspace) Multiply([]float32, int, ...Matrix) ([][]float32, error) {
	return nil, ErrNoKernels
}
func MultipliesQuantised(bool) bool { return false }
func TopK(context.Context, []float32, Rows, *Codes, int) ([][]Hit, error) {
	return nil, ErrNoKernels
}

// CodeRows is what the first row of Set is a multiple of.
const CodeRows = 16

// Codes are none.
type Codes struct{}

func NewCodes(int, int) *Codes       { return nil }
func (c *Codes) Set(int, Rows) error { return ErrNoKernels }

// KVCache is empty.
type KVCache struct{}

func NewKVCache(int, int, bool) (*KVCache, error)          { return nil, ErrNoKernels }
func (c *KVCache) Free()                                   {}
func (c *KVCache) Length() int                             { return 0 }
func (c *KVCache) Truncate(int)                            {}
func AppendKV[T Number](*KVCache, []T, []T, []int32) error { return ErrNoKernels }
func DecodeAttention([]*KVCache, []int32, int, int, Scores, []float32, []float32) error {
	return ErrNoKernels
}
