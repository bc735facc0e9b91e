package weights

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"
)

// ggufFormat is how a tensor of a GGUF file is stored: blocks of values in a
// fixed number of bytes.
type ggufFormat struct {
	name   string
	block  int64 // values
	bytes  int64
	plain  DType                         // of a block of one value
	split  func(q *quants, block []byte) // else
	group  int                           // values that share a scale
	lowest bool                          // and a lowest value
}

// quants are a block of at most 256 values: each is a number times the scale of its
// group, plus its lowest value where the format has that.
type quants struct {
	numbers       [256]int8
	scale, lowest [16]float32
}

// dequantise gives the values. Products are rounded before sums, which the conversion
// forces where a processor could fuse the two.
func (f *ggufFormat) dequantise(dst []float32, q *quants) {
	for g := 0; g*f.group < len(dst); g++ {
		to := dst[g*f.group : (g+1)*f.group]
		scale, lowest := q.scale[g], q.lowest[g]
		numbers := q.numbers[g*f.group : (g+1)*f.group]
		for i := range to {
			to[i] = scale * float32(numbers[i])
		}
		if f.lowest {
			for i, v := range to {
				to[i] = float32(v) + lowest
			}
		}
	}
}

// ggufFormats are the formats that are read, by their number in ggml.h. Each
// value comes out bit for bit as from the Python package gguf.
var ggufFormats = map[uint32]*ggufFormat{
	0:  {name: "F32", block: 1, bytes: 4, plain: F32},
	1:  {name: "F16", block: 1, bytes: 2, plain: F16},
	2:  {"Q4_0", 32, 18, "", splitQ4_0, 32, false},
	3:  {"Q4_1", 32, 20, "", splitQ4_1, 32, true},
	6:  {"Q5_0", 32, 22, "", splitQ5_0, 32, false},
	7:  {"Q5_1", 32, 24, "", splitQ5_1, 32, true},
	8:  {"Q8_0", 32, 34, "", splitQ8_0, 32, false},
	10: {"Q2_K", 256, 84, "", splitQ2_K, 16, true},
	11: {"Q3_K", 256, 110, "", splitQ3_K, 16, false},
	12: {"Q4_K", 256, 144, "", splitQ4_K, 32, true},
	13: {"Q5_K", 256, 176, "", splitQ5_K, 32, true},
	14: {"Q6_K", 256, 210, "", splitQ6_K, 16, false},
	20: {"IQ4_NL", 32, 18, "", splitIQ4_NL, 32, false},
	23: {"IQ4_XS", 256, 136, "", splitIQ4_XS, 32, false},
	30: {name: "BF16", block: 1, bytes: 2, plain: BF16},
	39: {"MXFP4", 32, 17, "", splitMXFP4, 32, false},
}

// ggufRefused are formats that llama.cpp reads and that are not read here, by name.
var ggufRefused = map[uint32]string{
	16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 40: "NVFP4",
}

// ggufReadNames lists the formats that are read.
func ggufReadNames() string {
	var names []string
	for _, number := range slices.Sorted(maps.Keys(ggufFormats)) {
		names = append(names, ggufFormats[number].name)
	}
	return strings.Join(names, ", ")
}

func half(src []byte) float32 { return float32FromF16(binary.LittleEndian.Uint16(src)) }

// splitQ4_0: scale, 16 bytes of nibbles (the low ones first) less 8.
func splitQ4_0(to *quants, src []byte) {
	to.scale[0] = half(src)
	for i, q := range src[2:18] {
		to.numbers[i], to.numbers[i+16] = int8(q&15)-8, int8(q>>4)-8
	}
}

// splitQ4_1: scale, minimum, 16 bytes of nibbles.
func splitQ4_1(to *quants, src []byte) {
	to.scale[0], to.lowest[0] = half(src), half(src[2:])
	for i, q := range src[4:20] {
		to.numbers[i], to.numbers[i+16] = int8(q&15), int8(q>>4)
	}
}

// splitQ5_0: scale, 32 fifth bits, 16 bytes of nibbles, less 16.
func splitQ5_0(to *quants, src []byte) {
	to.scale[0] = half(src)
	high := binary.LittleEndian.Uint32(src[2:])
	for i, q := range src[6:22] {
		to.numbers[i] = int8(int(q&15)|int(high>>i&1)<<4) - 16
		to.numbers[i+16] = int8(int(q>>4)|int(high>>(i+16)&1)<<4) - 16
	}
}

// splitQ5_1: scale, minimum, 32 fifth bits, 16 bytes of nibbles.
func splitQ5_1(to *quants, src []byte) {
	to.scale[0], to.lowest[0] = half(src), half(src[2:])
	high := binary.LittleEndian.Uint32(src[4:])
	for i, q := range src[8:24] {
		to.numbers[i] = int8(int(q&15) | int(high>>i&1)<<4)
		to.numbers[i+16] = int8(int(q>>4) | int(high>>(i+16)&1)<<4)
	}
}

// splitQ8_0: scale, 32 signed bytes.
func splitQ8_0(to *quants, src []byte) {
	to.scale[0] = half(src)
	for i, q := range src[2:34] {
		to.numbers[i] = int8(q)
	}
}

// splitQ2_K: 16 bytes of scales and minima in nibbles for groups of 16 values, 64
// bytes of four 2-bit values, scale of scales, scale of minima. Half a block (128
// values) is 32 bytes, its bits from the lowest up.
func splitQ2_K(to *quants, src []byte) {
	packed, qs, d, dmin := src[:16], src[16:80], half(src[80:]), half(src[82:])
	for g := range 16 {
		to.scale[g], to.lowest[g] = d*float32(packed[g]&15), -(dmin * float32(packed[g]>>4))
		for i := range 16 {
			to.numbers[g*16+i] = int8(qs[g/8*32+g%2*16+i] >> (g % 8 / 2 * 2) & 3)
		}
	}
}

// splitQ3_K: a third bit for each value (bit g/2 of 32 bytes for two groups of 16;
// where it is not set the value is less by 4), 64 bytes of two bits as in Q2_K, 16
// scales of 6 bits less 32 in 12 bytes, scale of scales.
func splitQ3_K(to *quants, src []byte) {
	high, qs, packed, d := src[:32], src[32:96], src[96:108], half(src[108:])
	for g := range 16 {
		scale := packed[g%8]>>(g/8*4)&15 | packed[8+g%4]>>(g/4*2)&3<<4
		to.scale[g] = d * float32(int(scale)-32)
		for i := range 16 {
			q := int8(qs[g/8*32+g%2*16+i] >> (g % 8 / 2 * 2) & 3)
			if high[g%2*16+i]>>(g/2)&1 == 0 {
				q -= 4
			}
			to.numbers[g*16+i] = q
		}
	}
}

// nonlinear are the 16 values of IQ4_NL and IQ4_XS, floating those of MXFP4: a sign,
// two bits of exponent and one of fraction, doubled.
var (
	nonlinear = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	floating  = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

// splitIQ4_NL: scale, 16 bytes of nibbles, each one of nonlinear.
func splitIQ4_NL(to *quants, src []byte) {
	to.scale[0] = half(src)
	lookUp(to.numbers[:], src[2:18], &nonlinear)
}

// lookUp: 16 bytes of nibbles (the low ones first), each one of a table.
func lookUp(to []int8, qs []byte, table *[16]int8) {
	for i, q := range qs {
		to[i], to[i+16] = table[q&15], table[q>>4]
	}
}

// splitIQ4_XS: scale of scales, two high bits of 8 scales, their nibbles, then 8
// groups of IQ4_NL's nibbles; scales less 32.
func splitIQ4_XS(to *quants, src []byte) {
	d, high, low := half(src), binary.LittleEndian.Uint16(src[2:]), src[4:8]
	for g := range 8 {
		scale := int(low[g/2]>>(g%2*4)&15) | int(high>>(2*g)&3)<<4
		to.scale[g] = d * float32(scale-32)
		lookUp(to.numbers[g*32:], src[8+g*16:8+g*16+16], &nonlinear)
	}
}

// splitMXFP4: an exponent, 16 bytes of nibbles, each one of floating; the scale is
// half a power of two.
func splitMXFP4(to *quants, src []byte) {
	bits := uint32(0x00200000) << src[0]
	if src[0] >= 2 {
		bits = uint32(src[0]-1) << 23
	}
	to.scale[0] = math.Float32frombits(bits)
	lookUp(to.numbers[:], src[1:17], &floating)
}

// scaleMin unpacks the j-th 6-bit scale and minimum of the 12 bytes that Q4_K
// and Q5_K pack 8 pairs into.
func scaleMin(packed []byte, j int) (scale, minimum float32) {
	if j < 4 {
		return float32(packed[j] & 63), float32(packed[j+4] & 63)
	}
	last := packed[j+4]
	return float32(last&15 | packed[j-4]>>2&48), float32(last>>4 | packed[j]>>2&48)
}

// splitQ4_K: scale of scales, scale of minima, 8 pairs of them, then nibbles
// for 8 groups of 32 values; two groups share 32 bytes.
func splitQ4_K(to *quants, src []byte) {
	d, dmin, packed, qs := half(src), half(src[2:]), src[4:16], src[16:144]
	for g := range 8 {
		scale, minimum := scaleMin(packed, g)
		to.scale[g], to.lowest[g] = d*scale, -(dmin * minimum)
		for i := range 32 {
			to.numbers[g*32+i] = int8(qs[g/2*32+i] >> (g % 2 * 4) & 15)
		}
	}
}

// splitQ5_K is Q4_K with a fifth bit: bit g of 32 bytes for group g.
func splitQ5_K(to *quants, src []byte) {
	d, dmin, packed, high, qs := half(src), half(src[2:]), src[4:16], src[16:48], src[48:176]
	for g := range 8 {
		scale, minimum := scaleMin(packed, g)
		to.scale[g], to.lowest[g] = d*scale, -(dmin * minimum)
		for i := range 32 {
			to.numbers[g*32+i] = int8(qs[g/2*32+i]>>(g%2*4)&15 | high[i]>>g&1<<4)
		}
	}
}

// splitQ6_K: low nibbles, high pairs of bits, 16 signed scales for groups of 16
// values, scale of scales; values less 32. Half a block (128 values) is 64 bytes
// of nibbles and 32 of pairs.
func splitQ6_K(to *quants, src []byte) {
	low, high, scales, d := src[:128], src[128:192], src[192:208], half(src[208:])
	for g := range 16 {
		to.scale[g] = d * float32(int8(scales[g]))
	}
	for g := range 8 {
		part, k := g/4, g%4
		for i := range 32 {
			q := low[part*64+k%2*32+i]>>(k/2*4)&15 | high[part*32+i]>>(2*k)&3<<4
			to.numbers[g*32+i] = int8(q) - 32
		}
	}
}
