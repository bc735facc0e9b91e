package tape

import "testing"

func TestBytesBeyondAllNumbers(t *testing.T) {
	if p := Bytes(1<<24, 1<<24, 1<<24, 1<<24); p <= 0 || p*8 < 0 {
		t.Errorf("%d; a number expected of which a few can be added", p)
	}
}

// Weights take what training holds beside them: gradients and two moments of four
// bytes each, and with bf16 a residual of two.
func TestWeightsTakeGradientsAndMomentsBesideThem(t *testing.T) {
	const n, vocabulary, width, terms = 1000, 10, 4, 2
	for _, test := range []struct {
		name, why     string
		h             Holding
		weights, head int64
	}{
		{"f32", "a value, a gradient and two moments", Holding{}, 16 * n, 10*3*2*4 + 10*4*4},
		{"bf16", "two bytes less, and the residual", Holding{BF16: true}, 16 * n, 10*3*2*4 + 10*4*4},
		{"8 bits", "moments of a byte, and two sizes of four for 256 values", Holding{EightBit: n}, 10*n + 4*8, 10*3*2*4 + 10*4*4},
		{"frozen", "the values alone", Holding{BF16: true, Frozen: true}, 2 * n, 10 * 3 * 2 * 4},
		{"adapter", "it alone is trained", Holding{BF16: true, Adapter: 10}, 2*(n+10) + 14*10, 10 * 3 * 2 * 4},
		{"4 bits", "half a byte, a step and a lowest value for 32", Holding{BF16: true, Frozen: true, Quantised: 640, Bits: 4}, 2*360 + 320 + 640/32*4*2, 10 * 3 * 2 * 4},
	} {
		weights, head := test.h.Bytes(n, vocabulary, width, terms)
		if weights != test.weights || head != test.head {
			t.Errorf("%s: %d and %d; %d and %d expected: %s", test.name, weights, head, test.weights, test.head, test.why)
		}
	}
}
