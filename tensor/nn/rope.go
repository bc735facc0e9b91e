package nn

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Rope describes rotary position embedding (arXiv 2104.09864) in the half
// layout of Hugging Face: coordinate i turns with i + C/2.
type Rope struct {
	Theta  float64
	Width  int // C
	Llama3 *Llama3Rope
	Linear float64 // divisor of the frequencies, 0 for none
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
		v := math.Pow(r.Theta, -2*float64(i)/float64(r.Width))
		if r.Linear != 0 {
			v /= r.Linear
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

// Angles returns cos and sin [S, C/2] in f32 for positions [S] of i32.
func (r Rope) Angles(positions *Node) (cos, sin *Node) {
	g := positions.Graph()
	s := positions.Shape().Dimensions[0]
	shape := shapes.Make(dtypes.Float32, s, r.Width/2)
	p := BroadcastToShape(InsertAxes(ConvertDType(positions, dtypes.Float32), -1), shape)
	angle := Mul(p, BroadcastToShape(ExpandLeftToRank(Const(g, r.frequencies()), 2), shape))
	return Cos(angle), Sin(angle)
}

// At is Angles of one position, for the host: cos and sin [C/2].
func (r Rope) At(position int) (cos, sin []float32) {
	f := r.frequencies()
	cos, sin = make([]float32, len(f)), make([]float32, len(f))
	for i, v := range f {
		angle := float64(float32(position) * v)
		cos[i], sin[i] = float32(math.Cos(angle)), float32(math.Sin(angle))
	}
	return cos, sin
}

// Rotate turns x [S, H, C] by the angles [S, C/2]. Its inverse, and so its
// vector-Jacobian product, is Rotate with -sin.
func Rotate(x, cos, sin *Node) *Node {
	half := cos.Shape().Dimensions[1]
	a := SliceAxis(x, -1, AxisRange(0, half))
	b := SliceAxis(x, -1, AxisRange(half, 2*half))
	a32, b32 := cast(a, dtypes.Float32), cast(b, dtypes.Float32)
	c := BroadcastToShape(InsertAxes(cos, 1), a32.Shape())
	s := BroadcastToShape(InsertAxes(sin, 1), a32.Shape())
	turned := Concatenate([]*Node{Sub(Mul(a32, c), Mul(b32, s)), Add(Mul(b32, c), Mul(a32, s))}, -1)
	return cast(turned, x.DType())
}
