package cpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// AttentionShape describes a batch: S packed positions of N key and value heads, and Q of
// H query heads, each C wide. Position q sees position k when Start[k] <= q <=
// Reach[k] and, with a sliding window, Depth[q] - Depth[k] < Slide. Every query
// sees one at least.
type AttentionShape struct {
	Heads, KVHeads, Width int
	Queries               int // Q: the first positions are those of queries too, the rest keys and values alone; 0 for S
	Slide                 int // 0 for none
	Scores                Scores
	Depth                 []int32 // S depths in the row
	Start                 []int32 // S; nil: each position itself, so that none sees what comes after it
	Reach                 []int32 // S
}

// Scores says how products of queries and keys become scores.
type Scores struct {
	Scale float64 // what they are multiplied by; 0 for 1/√C
	Cap   float64 // then x becomes Cap·tanh(x/Cap), as in Gemma 2 (arXiv 2408.00118); 0 for none
}

// ScaleFor is Scale for heads C wide.
func (s Scores) ScaleFor(width int) float64 {
	if s.Scale != 0 {
		return s.Scale
	}
	return 1 / math.Sqrt(float64(width))
}

// Attention is softmax(q·kᵀ/√C)·v over trees, or over rows without an order, forwards
// and backwards, tile by tile, without a matrix of scores in memory (FlashAttention,
// arXiv 2205.14135), and without work on tiles in which no query sees a key. XLA's
// graphs need static ranges of keys, so packed rows cost them blocks that are mostly
// masked; here the tree itself decides.
type Attention[T Number] struct {
	Shape AttentionShape
	Q, O  []T       // [Q, H, C]
	K, V  []T       // [S, N, C]
	LSE   []float32 // [H, Q], the log-sum-exp of each query's scores
}

// AttentionGrads are cotangents: DO is given, the others are set.
type AttentionGrads[T Number] struct {
	DO, DQ []T // [Q, H, C]
	DK, DV []T // [S, N, C]
}

// AdamWStep is what a step of AdamW (arXiv 1711.05101) does to a weight, whose moments
// are running means of the gradient and of its square.
type AdamWStep struct {
	Scale        float32 // of the gradient
	Rate         float32 // over the bias of the mean, 1 - Beta1^steps
	Root         float32 // 1 over the root of the bias of the mean square
	Keep         float32 // what the weight is multiplied with: 1 without decay
	Beta1, Beta2 float64 // 1 less one of them is not exact in f32
	Epsilon      float32
}

// Moments8 are AdamW's moments in 8 bits, as bitsandbytes has them (arXiv 2110.02861): of
// each block of MomentBlock values, the last one maybe shorter, codes of the dynamic map
// and the largest size. The zero value of all parts stands for zeros.
type Moments8 struct {
	Mean, Square       []uint8
	MeanMax, SquareMax []float32 // of each block
}

const (
	MomentBlock = 256
	MinMoments8 = 4096 // values of the smallest weight whose moments are in 8 bits
)

// MomentBlocks is how many blocks n values have.
func MomentBlocks(n int) int { return (n + MomentBlock - 1) / MomentBlock }

// SplitWeight are f32 values in two parts: BF16, the nearest bf16, and Residual, what is
// to be added to its bits, the lower 16 being zeros, to have those of the value. A value
// half a step above an even bf16, which is one more than Residual can be, is the next
// smaller f32. Without Residual they are values rounded to bf16.
type SplitWeight struct {
	BF16     []bfloat16.BFloat16
	Residual []int16
}

// Norm is RMSNorm (arXiv 1910.07467) of rows as wide as Weight: x·(Weight+Offset) by the
// root of the row's mean square and Epsilon.
type Norm struct {
	Weight          []float32
	Epsilon, Offset float64
}

// Act is an activation: x·σ(x), or GELU (arXiv 1606.08415) by its approximation with a tanh or as
// it is. A gate lets act(gate)·up pass of up (SwiGLU and its kin, arXiv 2002.05202).
type Act int

// The activations, in C's order.
const (
	SiLU Act = iota
	GELUTanh
	GELU
)

// Matrix is a weight [Out, In] in f32, bf16 or numbers of 8 or 4 bits, whose memory stays its
// owner's.
type Matrix struct {
	Out, In   int
	full      []float32
	bf16      []bfloat16.BFloat16
	quantised []byte // rows in blocks, see decode.h
	form      form
	rounds    bool    // products are of bf16 where the processor has such
	short     *Matrix // the same values in fewer bytes
}

// form is how weights are stored, in C's order.
type form int

const (
	formF32 form = iota
	formBF16
	formHalves
	formPlus
	formTwo
	formNibbles
)

// QuantBlock is how many values of a row quantised weights come in.
const QuantBlock = 32

// NewMatrix wraps values of f32 or bf16.
func NewMatrix[T Number](values []T, out, in int) (Matrix, error) {
	m := Matrix{Out: out, In: in}
	if out < 1 || in < 1 || len(values) != out*in {
		return m, fmt.Errorf("decode: %d values for a matrix of %d x %d", len(values), out, in)
	}
	switch v := any(values).(type) {
	case []float32:
		m.full = v
	case []bfloat16.BFloat16:
		m.bf16, m.form, m.rounds = v, formBF16, true
	}
	return m, nil
}

// InF32 is a matrix of bf16 whose products are those of the same values in f32.
func (m Matrix) InF32() Matrix {
	m.rounds = false
	return m
}

// Beside is m with the same values in fewer bytes, by which few rows are multiplied: these wait for
// memory, more rows for what makes values of the bytes.
func (m Matrix) Beside(short Matrix) (Matrix, error) {
	if short.Out != m.Out || short.In != m.In {
		return m, fmt.Errorf("decode: %d x %d values beside %d x %d", short.Out, short.In, m.Out, m.In)
	}
	m.short = &short
	return m, nil
}

// forRows is the one of the two that so many rows are multiplied by sooner.
func (m Matrix) forRows(rows int) Matrix {
	most := 4
	if m.rounds {
		most = 1
	}
	if m.short != nil && rows <= most {
		return *m.short
	}
	return m
}

// Quantised are the values of a matrix as numbers, each times the scale of its group of so
// many in a row, plus the lowest of the group where there is that; both are rounded to f32.
type Quantised struct {
	Numbers        []int8
	Scales, Lowest []float32 // of groups of 32; or of 16, without Lowest
}

// Matrix packs them; with bf16, products are those of the values rounded to it. It is false for
// groups that there is no form for, and where a number times its scale is not exact in f32 before
// the lowest value is added: in GGUF files it is.
func (q Quantised) Matrix(out, in int, bf16 bool) (m Matrix, ok bool, err error) {
	if out < 1 || in < 1 || len(q.Numbers) != out*in || len(q.Scales) == 0 || q.Lowest != nil && len(q.Lowest) != len(q.Scales) {
		return m, false, fmt.Errorf("decode: %d numbers, %d scales and %d lowest values for a matrix of %d x %d", len(q.Numbers), len(q.Scales), len(q.Lowest), out, in)
	}
	group := len(q.Numbers) / len(q.Scales)
	if in%QuantBlock != 0 || len(q.Scales)*group != len(q.Numbers) || group != QuantBlock && (group != QuantBlock/2 || q.Lowest != nil) {
		return m, false, nil
	}
	low, high := q.span()
	pairs := in%(2*QuantBlock) == 0 // of blocks
	if pairs && group == QuantBlock && q.Lowest == nil && low >= -8 && high < 8 && q.exact(15) {
		q, low, high = q.unsigned(), low+8, high+8
	}
	m = Matrix{Out: out, In: in, form: formHalves, rounds: bf16}
	switch {
	case q.Lowest != nil && !q.exact(max(-int(low), int(high))):
		return Matrix{}, false, nil
	case q.Lowest != nil && pairs && low >= 0 && high < 16:
		m.form = formNibbles
	case q.Lowest != nil:
		m.form = formPlus
	case pairs && group == QuantBlock:
		m.form = formTwo
	}
	m.quantised = q.packed(m.form)
	return m, true, nil
}

// unsigned is numbers of four bits with the sign's place in the lowest value.
func (q Quantised) unsigned() Quantised {
	u := Quantised{Numbers: make([]int8, len(q.Numbers)), Scales: q.Scales, Lowest: make([]float32, len(q.Scales))}
	for i, n := range q.Numbers {
		u.Numbers[i] = n + 8
	}
	for i, s := range q.Scales {
		u.Lowest[i] = -8 * s
	}
	return u
}

// packed is a form's bytes (decode.h).
func (q Quantised) packed(f form) []byte {
	// values that stand together, and those that a scale is of; bytes of numbers
	step, each, numbers := QuantBlock, QuantBlock/2, QuantBlock
	switch f {
	case formPlus:
		each = QuantBlock
	case formTwo:
		step, each, numbers = 2*QuantBlock, QuantBlock, 2*QuantBlock
	case formNibbles:
		step, each = 2*QuantBlock, QuantBlock
	}
	floats := step / each
	if q.Lowest != nil {
		floats *= 2
	}
	group := len(q.Numbers) / len(q.Scales)
	to := make([]byte, 0, len(q.Numbers)/step*(4*floats+numbers))
	for b := 0; b < len(q.Numbers); b += step {
		for i := b; i < b+step; i += each {
			to = binary.NativeEndian.AppendUint32(to, math.Float32bits(q.Scales[i/group]))
			if q.Lowest != nil {
				to = binary.NativeEndian.AppendUint32(to, math.Float32bits(q.Lowest[i/group]))
			}
		}
		for i, n := range q.Numbers[b : b+numbers] {
			if f == formNibbles {
				n |= q.Numbers[b+QuantBlock+i] << 4
			}
			to = append(to, byte(n))
		}
	}
	return to
}

// span is the smallest number, 0 at most, and the largest, 0 at least.
func (q Quantised) span() (low, high int8) {
	for _, n := range q.Numbers {
		low, high = min(low, n), max(high, n)
	}
	return low, high
}

// exact says whether all products of scales and numbers up to a size fit a float's 24 bits.
func (q Quantised) exact(most int) bool {
	below := uint32(1)<<bits.Len(uint(most)) - 1 // what a scale must leave free
	return !slices.ContainsFunc(q.Scales, func(s float32) bool { return math.Float32bits(s)&below != 0 })
}

// Row copies row i to [In] of f32. There is none of a quantised matrix.
func (m Matrix) Row(i int, to []float32) {
	if m.bf16 == nil {
		copy(to, m.full[i*m.In:(i+1)*m.In])
		return
	}
	for j, x := range m.bf16[i*m.In : (i+1)*m.In] {
		to[j] = x.Float32()
	}
}

// Workspace is memory for what is soon given up, so that a step of decoding leaves the
// garbage collector nothing. The zero value is ready. It is not safe for concurrent use.
type Workspace struct {
	block []float32
	used  int
	bf16  []uint16
	last  unsafe.Pointer            // of the matrices that were multiplied
	after map[unsafe.Pointer]Matrix // what came behind each, the last time
}

// Floats gives n values that nobody else holds since the last Reset; what they are is
// left open.
func (s *Workspace) Floats(n int) []float32 {
	if s.used+n > len(s.block) {
		s.block, s.used = make([]float32, 2*(s.used+n)), 0
	}
	s.used += n
	return s.block[s.used-n : s.used : s.used]
}

// Reset takes back all that was given.
func (s *Workspace) Reset() { s.used = 0 }

// Hit is a row with its dot product.
type Hit struct {
	Row   int
	Score float32
}

// Rows are vectors of Width values, each Stride values behind the one before.
type Rows struct {
	Values        []float32
	Width, Stride int
	Factors       []float32 // what the products of each row are multiplied by; nil for nothing
}

// between are the rows from one up to another.
func (r Rows) between(from, to int) Rows {
	r.Values = r.Values[from*r.Stride : to*r.Stride]
	if r.Factors != nil {
		r.Factors = r.Factors[from:to]
	}
	return r
}

func (r Rows) count() int { return len(r.Values) / max(1, r.Stride) }
