package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// TestCopiesAreLinear holds copies of keys and values against their cotangents: the
// product of what Extend gives with any cotangent is that of k and v with what ExtendVJP
// makes of it. Some copies overlap, one has no angles, and heads turn in part.
func TestCopiesAreLinear(t *testing.T) {
	t.Run("f32", func(t *testing.T) { testCopies[float32](t, 1e-5) })
	t.Run("bf16", func(t *testing.T) { testCopies[bfloat16.BFloat16](t, 5e-3) })
}

func testCopies[T Number](t *testing.T, tolerance float64) {
	r := rand.New(rand.NewPCG(11, 12))
	h, cos, sin := Heads{Count: 3, Width: 10}, make([]float32, 4), make([]float32, 4)
	for i := range cos {
		s, c := math.Sincos(r.Float64() * 6)
		sin[i], cos[i] = float32(s), float32(c)
	}
	copies := Copies{{From: 2, Length: 5, Cos: cos, Sin: sin}, {From: 4, Length: 3}, {From: 0, Length: 7, Cos: cos[:3], Sin: sin[:3]}}
	const positions = 9
	n, all := positions*h.size(), (positions+copies.Count())*h.size()
	k, v, dk2, dv2 := numbers[T](random(r, n)), numbers[T](random(r, n)), numbers[T](random(r, all)), numbers[T](random(r, all))
	k2, v2, dk, dv := make([]T, all), make([]T, all), make([]T, n), make([]T, n)
	Extend(copies, h, k, v, k2, v2)
	ExtendVJP(copies, h, dk2, dv2, dk, dv)
	for _, x := range []struct {
		name      string
		out, d    []T
		in, found []T
	}{{"keys", k2, dk2, k, dk}, {"values", v2, dv2, v, dv}} {
		left, right := product(x.out, x.d), product(x.in, x.found)
		if !(math.Abs(left-right) <= tolerance*math.Sqrt(product(x.out, x.out)*product(x.d, x.d))) {
			t.Errorf("%s: %g and %g", x.name, left, right)
		}
	}
	if got, want := plain(v2[n:])[:5*h.size()], plain(v)[2*h.size():7*h.size()]; product(numbers[T](got), numbers[T](want)) != product(numbers[T](want), numbers[T](want)) {
		t.Error("the first copy of values is not what it is of")
	}
}

func product[T Number](a, b []T) (sum float64) {
	y := plain(b)
	for i, x := range plain(a) {
		sum += float64(x) * float64(y[i])
	}
	return sum
}
