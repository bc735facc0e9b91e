package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"gorqa/internal/golden"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// TestLayerPiecesEqualFormulasInF64 holds norms, rotations and gates, and their vector-Jacobian
// products, against the formulas, for rows that fill vectors and parts of work and that do not.
func TestLayerPiecesEqualFormulasInF64(t *testing.T) { withEachISA(t, testLayerPieces) }

func testLayerPieces(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {3, 37}, {45, 576}, {500, 70}, {2, 20000}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Run("f32", func(t *testing.T) {
				layerPieces(t, size[0], size[1], 2e-6, func(x float64) float32 { return float32(x) }, func(x float32) float64 { return float64(x) })
			})
			t.Run("bf16", func(t *testing.T) {
				layerPieces(t, size[0], size[1], 1.0/256, func(x float64) bfloat16.BFloat16 { return bfloat16.FromFloat32(float32(x)) },
					func(x bfloat16.BFloat16) float64 { return float64(x.Float32()) })
			})
		})
	}
}

func layerPieces[T Number](t *testing.T, rows, width int, rounding float64, of func(float64) T, value func(T) float64) {
	random := rand.New(rand.NewPCG(7, uint64(rows)))
	draw := func() (x []T, values []float64) {
		for range rows * width {
			x = append(x, of(2*random.NormFloat64()))
			values = append(values, value(x[len(x)-1]))
		}
		return x, values
	}
	x, xs := draw()
	dy, ds := draw()
	near := func(name string, got []T, want []float64, slack float64) {
		t.Helper()
		for i := range got {
			if g := value(got[i]); !golden.Near(g, want[i], rounding*math.Abs(want[i])+slack) {
				t.Fatalf("%s: value %d is %g, expected %g", name, i, g, want[i])
			}
		}
	}

	n := Norm{Weight: make([]float32, width), Epsilon: 1e-3, Offset: 1}
	for i := range n.Weight {
		n.Weight[i] = float32(random.NormFloat64())
	}
	y, dx, dWeight := make([]T, len(x)), make([]T, len(x)), make([]float32, width)
	for i := range dWeight {
		dWeight[i] = float32(math.NaN())
	}
	if err := NormRows(n, y, x); err != nil {
		t.Fatal(err)
	}
	if err := NormRowsVJP(n, dx, dWeight, x, dy); err != nil {
		t.Fatal(err)
	}
	wantY, wantX, wantWeight, most := make([]float64, len(x)), make([]float64, len(x)), make([]float64, width), make([]float64, width)
	for r := range rows {
		var squares, products float64
		for i, w := range n.Weight {
			squares += xs[r*width+i] * xs[r*width+i]
			products += xs[r*width+i] * ds[r*width+i] * float64(w+1)
		}
		root := 1 / math.Sqrt(squares/float64(width)+n.Epsilon)
		for i, w := range n.Weight {
			at := r*width + i
			wantY[at] = xs[at] * root * float64(w+1)
			wantX[at] = root * (ds[at]*float64(w+1) - xs[at]*root*root*products/float64(width))
			wantWeight[i] += ds[at] * xs[at] * root
			most[i] += math.Abs(ds[at] * xs[at] * root)
		}
	}
	near("norm", y, wantY, 1e-5)
	near("norm's x", dx, wantX, 1e-5)
	for i, w := range wantWeight {
		if !golden.Near(float64(dWeight[i]), w, 1e-5*(1+most[i])) {
			t.Fatalf("norm's weight %d is %g, expected %g", i, dWeight[i], w)
		}
	}

	testLayerNorm(t, n, x, xs, near)
	for act, of := range acts {
		testAct(t, act, of, x, dy, xs, ds, near)
	}
	testRotate(t, rows, width, x, xs, near)
}

// acts are the activations in f64.
var acts = map[Act]func(x float64) float64{
	SiLU:     func(x float64) float64 { return x / (1 + math.Exp(-x)) },
	GELUTanh: func(x float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) },
	GELU:     func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) },
}

func testLayerNorm[T Number](t *testing.T, n Norm, x []T, xs []float64, near func(string, []T, []float64, float64)) {
	t.Helper()
	n.Offset = 0
	width := len(n.Weight)
	bias, y, want := make([]float32, width), make([]T, len(x)), make([]float64, len(x))
	for i := range bias {
		bias[i] = float32(i%5) - 2
	}
	if err := LayerNormRows(n, bias, y, x); err != nil {
		t.Fatal(err)
	}
	for r := 0; r < len(x); r += width {
		var mean, squares float64
		for _, v := range xs[r : r+width] {
			mean += v / float64(width)
		}
		for _, v := range xs[r : r+width] {
			squares += (v - mean) * (v - mean) / float64(width)
		}
		for i, w := range n.Weight {
			want[r+i] = (xs[r+i]-mean)/math.Sqrt(squares+n.Epsilon)*float64(w) + float64(bias[i])
		}
	}
	near("layer norm", y, want, 1e-5)
}

// testAct has a gate open by x, with dy for what it lets pass and for the outcome's cotangent, and a
// plain activation with a bias.
func testAct[T Number](t *testing.T, act Act, of func(float64) float64, x, dy []T, xs, ds []float64, near func(string, []T, []float64, float64)) {
	t.Helper()
	name := fmt.Sprintf("activation %d", act)
	wantGate, wantUp, wantPlain := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
	bias := make([]float32, len(x))
	for i, v := range xs {
		const h = 1e-5
		wantGate[i] = ds[i] * ds[i] * (of(v+h) - of(v-h)) / (2 * h)
		wantUp[i] = ds[i] * of(v)
		bias[i] = float32(i%3) - 1
		wantPlain[i] = of(v + float64(bias[i]))
	}
	y, dGate, dUp := make([]T, len(x)), make([]T, len(x)), make([]T, len(x))
	for what, err := range map[string]error{
		"gate": Gated(act, y, x, dy), "its cotangents": GatedVJP(act, dGate, dUp, x, dy, dy),
	} {
		if err != nil {
			t.Fatal(what, err)
		}
	}
	near(name+" as a gate", y, wantUp, 1e-5)
	near(name+", gate", dGate, wantGate, 1e-4) // 1 - tanh² is of f32
	near(name+", up", dUp, wantUp, 1e-5)
	if err := Activate(act, y, x, bias); err != nil {
		t.Fatal(err)
	}
	near(name, y, wantPlain, 1e-5)
}

func testRotate[T Number](t *testing.T, rows, width int, x []T, xs []float64, near func(string, []T, []float64, float64)) {
	t.Helper()
	for _, heads := range []int{1, 5} {
		if width%heads != 0 {
			continue
		}
		c := width / heads
		half := c * 2 / 5
		cos, sin := make([]float32, rows*half), make([]float32, rows*half)
		want := append([]float64(nil), xs...)
		for r := range rows {
			for i := range half {
				angle := float64(r*half + i)
				cos[r*half+i], sin[r*half+i] = float32(math.Cos(angle)), float32(math.Sin(angle))
				for h := range heads {
					at := (r*heads+h)*c + i
					a, b := xs[at], xs[at+half]
					want[at], want[at+half] = a*math.Cos(angle)-b*math.Sin(angle), b*math.Cos(angle)+a*math.Sin(angle)
				}
			}
		}
		turned := append([]T(nil), x...)
		if err := Rotate(turned, cos, sin, heads, c); err != nil {
			t.Fatal(err)
		}
		near(fmt.Sprintf("rotation of %d heads", heads), turned, want, 1e-5)
	}
}

func TestLayerPiecesRefuseUnlikeLengths(t *testing.T) {
	x := make([]float32, 6)
	n := Norm{Weight: make([]float32, 4)}
	for name, err := range map[string]error{
		"norm of 6 in rows of 4":   NormRows(n, x, x),
		"its cotangents":           NormRowsVJP(n, x, n.Weight, x, x),
		"a bias of 3":              LayerNormRows(Norm{Weight: x[:2]}, x[:3], x, x),
		"a gate of 6 by 5":         Gated(SiLU, x, x, x[:5]),
		"cotangents of 6 by 5":     GatedVJP(SiLU, x, x, x, x[:5], x),
		"an activation of 6 in 4":  Activate(SiLU, x, x, x[:4]),
		"2 angles for a head of 3": Rotate(x, x[:4], x[:4], 1, 3),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestNormSumsAreOneForAnyWorkers adds a weight's cotangent up over many parts.
func TestNormSumsAreOneForAnyWorkers(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	const rows, width = 700, 96
	x, dy := draw(random, rows*width), draw(random, rows*width)
	n := Norm{Weight: make([]float32, width), Epsilon: 1e-5, Offset: 1}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first []float32
	for workers := 1; workers <= 2; workers++ {
		runtime.GOMAXPROCS(workers)
		dx, dWeight := make([]bfloat16.BFloat16, len(x)), make([]float32, width)
		if err := NormRowsVJP(n, dx, dWeight, x, dy); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = dWeight
		} else if !slices.Equal(first, dWeight) {
			t.Errorf("sums of %d workers are others than of one", workers)
		}
	}
}

// TestNaNStaysNaN rounds one to bf16 whose payload a carry would run through: x86's operations hand
// payloads on.
func TestNaNStaysNaN(t *testing.T) {
	withEachISA(t, func(t *testing.T) {
		for _, bits := range []uint32{0x7fffffff, 0xffffffff, 0x7f800001} {
			n := Norm{Weight: slices.Repeat([]float32{math.Float32frombits(bits)}, 20)}
			x, y := slices.Repeat([]bfloat16.BFloat16{bfloat16.FromFloat32(1)}, 20), make([]bfloat16.BFloat16, 20)
			if err := NormRows(n, y, x); err != nil {
				t.Fatal(err)
			}
			for i, v := range y {
				if v := float64(v.Float32()); !math.IsNaN(v) {
					t.Fatalf("%#x: value %d is %g", bits, i, v)
				}
			}
		}
	})
}
