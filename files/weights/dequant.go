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
	plain  DType                           // of a block of one value
	decode func(dst []float32, src []byte) // else: one block
}

// ggufFormats are the formats that are read, by their number in ggml.h. Each
// value comes out bit for bit as from the Python package gguf: products are
// rounded before sums, which the conversions to float32 force where a processor
// could fuse the two.
var ggufFormats = map[uint32]*ggufFormat{
	0:  {"F32", 1, 4, F32, nil},
	1:  {"F16", 1, 2, F16, nil},
	2:  {"Q4_0", 32, 18, "", decodeQ4_0},
	3:  {"Q4_1", 32, 20, "", decodeQ4_1},
	6:  {"Q5_0", 32, 22, "", decodeQ5_0},
	7:  {"Q5_1", 32, 24, "", decodeQ5_1},
	8:  {"Q8_0", 32, 34, "", decodeQ8_0},
	10: {"Q2_K", 256, 84, "", decodeQ2_K},
	11: {"Q3_K", 256, 110, "", decodeQ3_K},
	12: {"Q4_K", 256, 144, "", decodeQ4_K},
	13: {"Q5_K", 256, 176, "", decodeQ5_K},
	14: {"Q6_K", 256, 210, "", decodeQ6_K},
	20: {"IQ4_NL", 32, 18, "", decodeIQ4_NL},
	23: {"IQ4_XS", 256, 136, "", decodeIQ4_XS},
	30: {"BF16", 1, 2, BF16, nil},
	39: {"MXFP4", 32, 17, "", decodeMXFP4},
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

// decodeQ4_0: scale, 16 bytes of nibbles (the low ones first) less 8.
func decodeQ4_0(dst []float32, src []byte) {
	d, qs := half(src), src[2:18]
	for i, q := range qs {
		dst[i] = d * float32(int(q&15)-8)
		dst[i+16] = d * float32(int(q>>4)-8)
	}
}

// decodeQ4_1: scale, minimum, 16 bytes of nibbles.
func decodeQ4_1(dst []float32, src []byte) {
	d, m, qs := half(src), half(src[2:]), src[4:20]
	for i, q := range qs {
		dst[i] = float32(d*float32(q&15)) + m
		dst[i+16] = float32(d*float32(q>>4)) + m
	}
}

// decodeQ5_0: scale, 32 fifth bits, 16 bytes of nibbles, less 16.
func decodeQ5_0(dst []float32, src []byte) {
	d, high, qs := half(src), binary.LittleEndian.Uint32(src[2:]), src[6:22]
	for i, q := range qs {
		dst[i] = d * float32(int(q&15)|int(high>>i&1)<<4-16)
		dst[i+16] = d * float32(int(q>>4)|int(high>>(i+16)&1)<<4-16)
	}
}

// decodeQ5_1: scale, minimum, 32 fifth bits, 16 bytes of nibbles.
func decodeQ5_1(dst []float32, src []byte) {
	d, m, high, qs := half(src), half(src[2:]), binary.LittleEndian.Uint32(src[4:]), src[8:24]
	for i, q := range qs {
		dst[i] = float32(d*float32(int(q&15)|int(high>>i&1)<<4)) + m
		dst[i+16] = float32(d*float32(int(q>>4)|int(high>>(i+16)&1)<<4)) + m
	}
}

// decodeQ8_0: scale, 32 signed bytes.
func decodeQ8_0(dst []float32, src []byte) {
	d := half(src)
	for i, q := range src[2:34] {
		dst[i] = d * float32(int8(q))
	}
}

// decodeQ2_K: 16 bytes of scales and minima in nibbles for groups of 16 values, 64
// bytes of four 2-bit values, scale of scales, scale of minima. Half a block (128
// values) is 32 bytes, its bits from the lowest up.
func decodeQ2_K(dst []float32, src []byte) {
	packed, qs, d, dmin := src[:16], src[16:80], half(src[80:]), half(src[82:])
	for g := range 16 {
		dg, mg := d*float32(packed[g]&15), float32(dmin*float32(packed[g]>>4))
		for i := range 16 {
			q := qs[g/8*32+g%2*16+i] >> (g % 8 / 2 * 2) & 3
			dst[g*16+i] = float32(dg*float32(q)) - mg
		}
	}
}

// decodeQ3_K: a third bit for each value (bit g/2 of 32 bytes for two groups of 16;
// where it is not set the value is less by 4), 64 bytes of two bits as in Q2_K, 16
// scales of 6 bits less 32 in 12 bytes, scale of scales.
func decodeQ3_K(dst []float32, src []byte) {
	high, qs, packed, d := src[:32], src[32:96], src[96:108], half(src[108:])
	for g := range 16 {
		scale := packed[g%8]>>(g/8*4)&15 | packed[8+g%4]>>(g/4*2)&3<<4
		dg := d * float32(int(scale)-32)
		for i := range 16 {
			q := int(qs[g/8*32+g%2*16+i] >> (g % 8 / 2 * 2) & 3)
			if high[g%2*16+i]>>(g/2)&1 == 0 {
				q -= 4
			}
			dst[g*16+i] = dg * float32(q)
		}
	}
}

// nonlinear are the 16 values of IQ4_NL and IQ4_XS, floating those of MXFP4: a sign,
// two bits of exponent and one of fraction, doubled.
var (
	nonlinear = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	floating  = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

// decodeIQ4_NL: scale, 16 bytes of nibbles, each one of nonlinear.
func decodeIQ4_NL(dst []float32, src []byte) { decodeTable(dst, src[2:18], &nonlinear, half(src)) }

// decodeTable: 16 bytes of nibbles (the low ones first), each one of a table.
func decodeTable(dst []float32, qs []byte, table *[16]float32, scale float32) {
	for i, q := range qs {
		dst[i] = scale * table[q&15]
		dst[i+16] = scale * table[q>>4]
	}
}

// decodeIQ4_XS: scale of scales, two high bits of 8 scales, their nibbles, then 8
// groups of IQ4_NL's nibbles; scales less 32.
func decodeIQ4_XS(dst []float32, src []byte) {
	d, high, low := half(src), binary.LittleEndian.Uint16(src[2:]), src[4:8]
	for g := range 8 {
		scale := int(low[g/2]>>(g%2*4)&15) | int(high>>(2*g)&3)<<4
		decodeTable(dst[g*32:], src[8+g*16:8+g*16+16], &nonlinear, d*float32(scale-32))
	}
}

// decodeMXFP4: an exponent, 16 bytes of nibbles, each one of floating; the scale is
// half a power of two.
func decodeMXFP4(dst []float32, src []byte) {
	bits := uint32(0x00200000) << src[0]
	if src[0] >= 2 {
		bits = uint32(src[0]-1) << 23
	}
	decodeTable(dst, src[1:17], &floating, math.Float32frombits(bits))
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

// decodeQ4_K: scale of scales, scale of minima, 8 pairs of them, then nibbles
// for 8 groups of 32 values; two groups share 32 bytes.
func decodeQ4_K(dst []float32, src []byte) {
	d, dmin, packed, qs := half(src), half(src[2:]), src[4:16], src[16:144]
	for g := range 8 {
		scale, minimum := scaleMin(packed, g)
		dg, mg := d*scale, float32(dmin*minimum)
		for i := range 32 {
			q := qs[g/2*32+i] >> (g % 2 * 4) & 15
			dst[g*32+i] = float32(dg*float32(q)) - mg
		}
	}
}

// decodeQ5_K is Q4_K with a fifth bit: bit g of 32 bytes for group g.
func decodeQ5_K(dst []float32, src []byte) {
	d, dmin, packed, high, qs := half(src), half(src[2:]), src[4:16], src[16:48], src[48:176]
	for g := range 8 {
		scale, minimum := scaleMin(packed, g)
		dg, mg := d*scale, float32(dmin*minimum)
		for i := range 32 {
			q := qs[g/2*32+i]>>(g%2*4)&15 | high[i]>>g&1<<4
			dst[g*32+i] = float32(dg*float32(q)) - mg
		}
	}
}

// decodeQ6_K: low nibbles, high pairs of bits, 16 signed scales for groups of 16
// values, scale of scales; values less 32. Half a block (128 values) is 64 bytes
// of nibbles and 32 of pairs.
func decodeQ6_K(dst []float32, src []byte) {
	low, high, scales, d := src[:128], src[128:192], src[192:208], half(src[208:])
	for g := range 8 {
		part, k := g/4, g%4
		for i := range 32 {
			q := low[part*64+k%2*32+i]>>(k/2*4)&15 | high[part*32+i]>>(2*k)&3<<4
			dst[g*32+i] = float32(d*float32(int8(scales[(g*32+i)/16]))) * float32(int(q)-32)
		}
	}
}
