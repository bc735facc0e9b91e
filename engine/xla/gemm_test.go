package xla

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gorqa/engine/cpu"
	"gorqa/files/wheel"
	"gorqa/internal/golden"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// TestForeignGEMMEqualsSumsInF64 multiplies matrices of bf16 in a graph, both ways, against sums in
// f64, after another operation, so that an operand is not a parameter, and beside one
// that is too small for a foreign call.
func TestForeignGEMMEqualsSumsInF64(t *testing.T) {
	e := openCPU(t)
	if cpu.HasGEMM() && !takesGEMM.Load() {
		t.Error("the plugin took no foreign calls")
	}
	const m, k, n = 130, 96, 70
	random := rand.New(rand.NewPCG(5, 6))
	draw := func(size int) []bfloat16.BFloat16 {
		out := make([]bfloat16.BFloat16, size)
		for i := range out {
			out[i] = bfloat16.FromFloat32(float32(random.NormFloat64()))
		}
		return out
	}
	x, w, wT := draw(m*k), draw(n*k), draw(k*n)
	multiply := func(a, b *graph.Node, axis int) *graph.Node {
		return graph.Dot(a, b).WithAccumulatorDType(dtypes.InvalidDType).General([]int{1}, nil, []int{axis}, nil)
	}
	f, err := e.Func("products", func(in []*graph.Node) []*graph.Node {
		twice := graph.Add(in[0], in[0])
		few := graph.Slice(in[0], graph.AxisRange(0, 2), graph.AxisRange())
		return []*graph.Node{multiply(twice, in[1], 1), multiply(twice, in[2], 0), multiply(few, in[1], 1)}
	})
	if err != nil {
		t.Fatal(err)
	}
	var in []*tensors.Tensor
	for _, a := range []struct {
		values []bfloat16.BFloat16
		dims   []int
	}{{x, []int{m, k}}, {w, []int{n, k}}, {wT, []int{k, n}}} {
		in = append(in, onEngine(t, e, a.values, a.dims...))
	}
	out, err := f.Call(in...)
	if err != nil {
		t.Fatal(err)
	}
	for which, y := range out {
		got, err := ToHost[bfloat16.BFloat16](y)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			row, column := i/n, i%n
			var want, most float64
			for s := range k {
				term := 2 * float64(x[row*k+s].Float32()) * float64(w[column*k+s].Float32())
				switch which {
				case 1:
					term = 2 * float64(x[row*k+s].Float32()) * float64(wT[s*n+column].Float32())
				case 2:
					term /= 2
				}
				want, most = want+term, most+math.Abs(term)
			}
			if got := float64(got[i].Float32()); !golden.Near(got, want, math.Abs(want)/256+most*1e-5) {
				t.Fatalf("product %d, [%d, %d] is %g, expected %g", which, row, column, got, want)
			}
		}
	}
}

// TestPiecesStandInGraphs has two gates, whose outcomes no graph builds, between a graph's own
// operations.
func TestPiecesStandInGraphs(t *testing.T) {
	e := openCPU(t)
	f, err := e.Func("gates", func(in []*graph.Node) []*graph.Node {
		gated := func(gate, up *graph.Node) *graph.Node {
			return Piece("silu_gate", func() []*graph.Node { panic("the engine was to have it") }, []shapes.Shape{up.Shape()}, gate, up)[0]
		}
		return []*graph.Node{graph.Neg(gated(in[0], gated(graph.Add(in[0], in[1]), in[1])))}
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := []float32{-3, -0.5, 0, 1, 2.5, 30}, []float32{1, 2, 3, -1, 0.25, -2}
	out, err := f.Call(onEngine(t, e, a, 2, 3), onEngine(t, e, b, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ToHost[float32](out[0])
	if err != nil {
		t.Fatal(err)
	}
	silu := func(x float64) float64 { return x / (1 + math.Exp(-x)) }
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		if want := -silu(x) * silu(x+y) * y; !golden.Near(float64(got[i]), want, 1e-5*(1+math.Abs(want))) {
			t.Errorf("of %g and %g: %g, expected %g", x, y, got[i], want)
		}
	}
}

// openCPU opens the host's engine.
func openCPU(t *testing.T) *Engine {
	t.Helper()
	plugin, err := wheel.Engine(context.Background(), wheel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open("cpu", plugin)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func onEngine[T Number](t *testing.T, e *Engine, values []T, dims ...int) *tensors.Tensor {
	t.Helper()
	tensor, err := FromHost(e, values, dims...)
	if err != nil {
		t.Fatal(err)
	}
	return tensor
}

func TestOnlyLargeGEMMBecomesACall(t *testing.T) {
	program := func(x, w, y, axis string) []byte {
		return []byte(`    %3 = "stablehlo.dot_general"(%1, %arg1) {
      dot_dimension_numbers = #stablehlo.dot<
  lhs_batching_dimensions = [],
  rhs_batching_dimensions = [],
  lhs_contracting_dimensions = [1],
  rhs_contracting_dimensions = [` + axis + `]
>,
      precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]
    } : (tensor<` + x + `>, tensor<` + w + `>) -> tensor<` + y + `>
`)
	}
	for _, c := range []struct {
		x, w, y, axis, target string
	}{
		{"128x96xbf16", "64x96xbf16", "128x64xbf16", "1", "gorqa.gemm_nt"},
		{"128x96xbf16", "96x64xbf16", "128x64xbf16", "0", "gorqa.gemm_nn"},
		{"128x97xbf16", "64x97xbf16", "128x64xbf16", "1", ""},
		{"8x96xbf16", "64x96xbf16", "8x64xbf16", "1", ""},
		{"128x96xf32", "64x96xf32", "128x64xf32", "1", ""},
		{"128x96xbf16", "64x96xbf16", "128x64xf32", "1", ""},
	} {
		before := program(c.x, c.w, c.y, c.axis)
		after := withGEMMCalls(before)
		if c.target == "" && !bytes.Equal(before, after) {
			t.Errorf("%v is changed to\n%s", c, after)
		}
		if c.target != "" && (!bytes.Contains(after, []byte(`"`+c.target+`"`)) || bytes.Contains(after, []byte("dot_general"))) {
			t.Errorf("%v is changed to\n%s", c, after)
		}
	}
}
