package nn

import (
	"cmp"
	"math"

	"gorqa/engine/xla"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Rope describes rotary position embedding (arXiv 2104.09864) in the half
// layout of Hugging Face: coordinate i turns with i + C/2.
type Rope struct {
	Theta  float64 // 0: nothing turns
	Width  int     // R, of each head's coordinates those that turn
	Llama3 *Llama3Rope
	Yarn   *YarnRope
	Long   *LongRope
	Linear float64 // divisor of the frequencies, 0 for none
	Scale  float64 // of cos and sin, 0 for 1
}

// LongRope is the scaling of type "longrope" (arXiv 2402.13753): each frequency has a
// divisor of its own.
type LongRope struct{ Divisors []float64 }

// YarnRope is the scaling of type "yarn" (arXiv 2309.00071): of the list of
// frequencies, from the highest down, those before a place Low are kept, those from
// a place High on divided by Factor, those between interpolated.
type YarnRope struct {
	Factor     float64
	Fast, Slow float64 // turns within Limit positions from which on, and up to which, a frequency is one of these
	Limit      float64
	Between    bool // places may lie between two of the list
}

// places gives Low and High for a head of R coordinates.
func (y YarnRope) places(theta float64, width int) (low, high float64) {
	place := func(turns float64) float64 {
		return float64(width) * math.Log(y.Limit/(turns*2*math.Pi)) / (2 * math.Log(theta))
	}
	low, high = place(y.Fast), place(y.Slow)
	if !y.Between {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(width-1))
	if low == high {
		high += 0.001
	}
	return low, high
}

// Llama3Rope is the rope_scaling of type "llama3": long wavelengths are
// stretched by Factor, short ones kept, those between interpolated.
type Llama3Rope struct {
	Factor        float64 `json:"factor"`
	LowFreq       float64 `json:"low_freq_factor"`
	HighFreq      float64 `json:"high_freq_factor"`
	OriginalLimit float64 `json:"original_max_position_embeddings"`
}

// frequencies gives the C/2 angles per position.
func (r Rope) frequencies() []float32 {
	f := make([]float32, r.Width/2)
	for i := range f {
		if r.Theta == 0 {
			break
		}
		v := math.Pow(r.Theta, -2*float64(i)/float64(r.Width))
		if r.Linear != 0 {
			v /= r.Linear
		}
		if r.Long != nil {
			v /= r.Long.Divisors[i]
		}
		if s := r.Yarn; s != nil {
			low, high := s.places(r.Theta, r.Width)
			ramp := min(max((float64(i)-low)/(high-low), 0), 1)
			v = v/s.Factor*ramp + v*(1-ramp)
		}
		if s := r.Llama3; s != nil {
			wave := 2 * math.Pi / v
			switch low, high := s.OriginalLimit/s.LowFreq, s.OriginalLimit/s.HighFreq; {
			case wave > low:
				v /= s.Factor
			case wave >= high:
				smooth := (s.OriginalLimit/wave - s.LowFreq) / (s.HighFreq - s.LowFreq)
				v = (1-smooth)*v/s.Factor + smooth*v
			}
		}
		f[i] = float32(v)
	}
	return f
}

func (r Rope) scale() float64 { return cmp.Or(r.Scale, 1) }

// Angles returns cos and sin [S, R/2] in f32 for positions [S] of i32.
func (r Rope) Angles(positions *Node) (cos, sin *Node) {
	g := positions.Graph()
	s := positions.Shape().Dimensions[0]
	shape := shapes.Make(dtypes.Float32, s, r.Width/2)
	p := BroadcastToShape(InsertAxes(ConvertDType(positions, dtypes.Float32), -1), shape)
	angle := Mul(p, BroadcastToShape(ExpandLeftToRank(Const(g, r.frequencies()), 2), shape))
	cos, sin = Cos(angle), Sin(angle)
	if s := r.scale(); s != 1 {
		cos, sin = MulScalar(cos, s), MulScalar(sin, s)
	}
	return cos, sin
}

// At is Angles of one position, for the host: cos and sin [R/2].
func (r Rope) At(position int) (cos, sin []float32) {
	f := r.frequencies()
	cos, sin = make([]float32, len(f)), make([]float32, len(f))
	for i, v := range f {
		angle := float64(float32(position) * v)
		cos[i], sin[i] = float32(math.Cos(angle)*r.scale()), float32(math.Sin(angle)*r.scale())
	}
	return cos, sin
}

// Turn is what takes a key from one position to another so much further: cos and sin
// [R/2], unscaled, since the key is scaled already.
func (r Rope) Turn(by int) (cos, sin []float32) {
	r.Scale = 0
	return r.At(by)
}

// Rotate turns x [S, H, C] by the angles [S, R/2]: the first R coordinates of each
// head, the rest stays. Its vector-Jacobian product is Rotate with -sin.
func Rotate(x, cos, sin *Node) *Node {
	return xla.Piece("rotate", func() []*Node { return []*Node{rotate(x, cos, sin)} }, like(x), x, cos, sin)[0]
}

func rotate(x, cos, sin *Node) *Node {
	half := cos.Shape().Dimensions[1]
	if width := x.Shape().Dim(-1); 2*half < width {
		turned := rotate(SliceAxis(x, -1, AxisRange(0, 2*half)), cos, sin)
		return Concatenate([]*Node{turned, SliceAxis(x, -1, AxisRange(2*half, width))}, -1)
	}
	a := SliceAxis(x, -1, AxisRange(0, half))
	b := SliceAxis(x, -1, AxisRange(half, 2*half))
	a32, b32 := cast(a, dtypes.Float32), cast(b, dtypes.Float32)
	c := BroadcastToShape(InsertAxes(cos, 1), a32.Shape())
	s := BroadcastToShape(InsertAxes(sin, 1), a32.Shape())
	turned := Concatenate([]*Node{Sub(Mul(a32, c), Mul(b32, s)), Add(Mul(b32, c), Mul(a32, s))}, -1)
	return cast(turned, x.DType())
}
