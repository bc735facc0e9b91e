package nn

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// QuantBlock is how many values of a weight's row share a scale.
const QuantBlock = 32

// Quantise gives 8-bit values and their scales, one for each block: the largest
// magnitude of a block becomes 127, as in GGUF's Q8_0, whose weights come out as
// they are in the file. values are whole blocks.
func Quantise(values []float32) (eight []int8, scales []float32) {
	eight, scales = make([]int8, len(values)), make([]float32, len(values)/QuantBlock)
	for b := range scales {
		block := values[b*QuantBlock : (b+1)*QuantBlock]
		var top float32
		for _, v := range block {
			top = max(top, float32(math.Abs(float64(v))))
		}
		if scales[b] = top / 127; scales[b] == 0 {
			continue
		}
		for i, v := range block {
			eight[b*QuantBlock+i] = int8(math.RoundToEven(float64(v) / float64(scales[b])))
		}
	}
	return eight, scales
}

// Dequantised gives the values that Quantise's outputs stand for.
func Dequantised(eight []int8, scales []float32) []float32 {
	values := make([]float32, len(eight))
	for i, v := range eight {
		values[i] = float32(v) * scales[i/QuantBlock]
	}
	return values
}

// Dequantise gives a weight [out, in] of the given type from i8 values [out,
// blocks, QuantBlock] and f32 scales [out, blocks].
func Dequantise(eight, scales *Node, dtype dtypes.DType) *Node {
	w := Mul(ConvertDType(eight, dtypes.Float32), BroadcastToShape(InsertAxes(scales, -1), eight.Shape()))
	d := eight.Shape().Dimensions
	return cast(Reshape(w, d[0], d[1]*d[2]), dtype)
}
