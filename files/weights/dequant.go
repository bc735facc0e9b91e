package weights

import "encoding/binary"

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
	12: {"Q4_K", 256, 144, "", decodeQ4_K},
	13: {"Q5_K", 256, 176, "", decodeQ5_K},
	14: {"Q6_K", 256, 210, "", decodeQ6_K},
	30: {"BF16", 1, 2, BF16, nil},
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
