package weights

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DType is a number format under its name in safetensors.
type DType string

// The formats that are read as float32 (F32, F16, BF16), as integers (I32,
// U32) or as bytes (U8), and that are written. Others may stand in a file unread.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I32  DType = "I32"
	U32  DType = "U32"
	U8   DType = "U8"
)

// dtypeBytes are the sizes of all formats of safetensors 0.6 that fill whole
// bytes.
var dtypeBytes = map[DType]int64{
	"BOOL": 1, U8: 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1,
	"U16": 2, "I16": 2, F16: 2, BF16: 2,
	U32: 4, I32: 4, F32: 4,
	"U64": 8, "I64": 8, "F64": 8, "C64": 8,
}

// float32FromF16 widens an IEEE half, which float32 holds exactly.
func float32FromF16(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exp {
	case 0: // zero or subnormal: frac * 2^-24
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// float32FromBF16 widens a bfloat16.
func float32FromBF16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// bf16FromFloat32 rounds to nearest, ties to even; a NaN stays one.
func bf16FromFloat32(f float32) uint16 {
	bits := math.Float32bits(f)
	if f != f {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// f16FromFloat32 rounds to nearest, ties to even; a NaN stays one.
func f16FromFloat32(f float32) uint16 {
	bits := math.Float32bits(f)
	sign, size := uint16(bits>>16&0x8000), bits&0x7fffffff
	switch {
	case size > 0x7f800000:
		return sign | 0x7e00
	case size < 113<<23: // below 2^-14: a multiple of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(size))*(1<<24)))
	}
	size -= (127 - 15) << 23
	return sign | uint16(min((size+0xfff+size>>13&1)>>13, 0x7c00))
}

// decodeFloat32 fills dst from little-endian src of the format.
func decodeFloat32(dtype DType, dst []float32, src []byte) error {
	switch dtype {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = float32FromF16(binary.LittleEndian.Uint16(src[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = float32FromBF16(binary.LittleEndian.Uint16(src[2*i:]))
		}
	default:
		return fmt.Errorf("format %s; expected F32, F16 or BF16; convert the model to one of them", dtype)
	}
	return nil
}
