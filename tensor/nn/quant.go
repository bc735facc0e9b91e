package nn

import (
	"math"

	"gorqa/engine/cpu"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// QuantBlock is how many values of a weight's row share a scale.
const QuantBlock = cpu.QuantBlock

// Quantise8 gives 8-bit values and their scales, one for each block: the largest
// magnitude of a block becomes 127, as in GGUF's Q8_0, whose weights come out as
// they are in the file. values are whole blocks.
func Quantise8(values []float32) (eight []int8, scales []float32) {
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

// Quantise4 gives 4-bit values, two to a byte, the first half of a block in the
// low bits, and for each block the step between values and the lowest of them:
// the form of GGUF's Q4_0, Q4_1 and Q4_K, whose weights come out as they are in
// the file but for the last bit of f32. values are whole blocks.
func Quantise4(values []float32) (pairs []uint8, scales []float32) {
	const half = QuantBlock / 2
	pairs, scales = make([]uint8, len(values)/2), make([]float32, len(values)/half)
	for b := range len(values) / QuantBlock {
		block := values[b*QuantBlock : (b+1)*QuantBlock]
		step, lowest := levels(block)
		scales[2*b], scales[2*b+1] = float32(step), float32(lowest)
		if step == 0 {
			continue
		}
		for i := range half {
			low, high := math.RoundToEven((float64(block[i])-lowest)/step), math.RoundToEven((float64(block[i+half])-lowest)/step)
			pairs[b*half+i] = uint8(low) | uint8(high)<<4
		}
	}
	return pairs, scales
}

// levels gives the widest step of at most 15 from the lowest value of a block to
// the highest that meets every value on its way, or else a fifteenth of the way.
// A block that was quantised before need not use all its 16 values.
func levels(block []float32) (step, lowest float64) {
	lowest, highest := float64(block[0]), float64(block[0])
	for _, v := range block {
		lowest, highest = min(lowest, float64(v)), max(highest, float64(v))
	}
	const most = 15
	for n := 1.0; n < most; n++ {
		step := (highest - lowest) / n
		meets := true
		for _, v := range block {
			at := (float64(v) - lowest) / step
			if math.Abs(at-math.RoundToEven(at)) > 1e-3 {
				meets = false
				break
			}
		}
		if meets {
			return step, lowest
		}
	}
	return (highest - lowest) / most, lowest
}

// Dequantised8 gives the values that Quantise8's outputs stand for.
func Dequantised8(eight []int8, scales []float32) []float32 {
	values := make([]float32, len(eight))
	for i, v := range eight {
		values[i] = float32(v) * scales[i/QuantBlock]
	}
	return values
}

// Dequantised4 gives the values that Quantise4's outputs stand for.
func Dequantised4(pairs []uint8, scales []float32) []float32 {
	const half = QuantBlock / 2
	values := make([]float32, 2*len(pairs))
	for i, p := range pairs {
		b := i / half
		at := b*QuantBlock + i%half
		values[at] = float32(p&15)*scales[2*b] + scales[2*b+1]
		values[at+half] = float32(p>>4)*scales[2*b] + scales[2*b+1]
	}
	return values
}

// Dequantise gives a weight [out, in] of the given type from what Quantise8
// makes, i8 values [out, blocks, QuantBlock] and f32 scales [out, blocks, 1], or
// Quantise4, u8 pairs [out, blocks, QuantBlock/2] and f32 scales [out, blocks, 2].
func Dequantise(codes, scales *Node, dtype dtypes.DType) *Node {
	four := codes.DType() == dtypes.Uint8
	if four {
		low := BitwiseAnd(codes, BroadcastToShape(Scalar(codes.Graph(), dtypes.Uint8, 15), codes.Shape()))
		codes = Concatenate([]*Node{low, BitwiseShiftRightLogicalScalar(codes, uint8(4))}, -1)
	}
	d := codes.Shape().Dimensions
	of := func(i int) *Node {
		return BroadcastToDims(SliceAxis(scales, -1, AxisElem(i)), d...)
	}
	w := Mul(ConvertDType(codes, dtypes.Float32), of(0))
	if four {
		w = Add(w, of(1))
	}
	return cast(Reshape(w, d[0], d[1]*d[2]), dtype)
}
