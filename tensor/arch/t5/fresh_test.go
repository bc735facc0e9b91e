package t5

import (
	"math"
	"slices"
	"testing"

	"gorqa/internal/golden"
)

// The scales are what transformers 5.23 gives its own fresh models.
func TestFreshScales(t *testing.T) {
	c := Config{
		Width: 64, Layers: 1, DecoderLayers: 1, Heads: 8, HeadWidth: 16, Inner: 256, Vocabulary: 512,
		Buckets: 32, Limit: 128, Gated: true, InitFactor: 0.5,
	}
	for _, test := range []struct {
		name, why string
		want      float64 // deviation of a matrix, value of a norm
	}{
		{"shared.weight", "the embedding has the factor alone", 0.5},
		{"lm_head.weight", "as a head of its own", 0.5},
		{"encoder.block.0.layer.0.SelfAttention.q.weight", "(D C)^-1/2, in place of scaled scores", 0.5 / 32},
		{"decoder.block.0.layer.1.EncDecAttention.k.weight", "D^-1/2", 0.5 / 8},
		{"decoder.block.0.layer.1.EncDecAttention.v.weight", "D^-1/2", 0.5 / 8},
		{"encoder.block.0.layer.0.SelfAttention.o.weight", "(H C)^-1/2", 0.5 / math.Sqrt(128)},
		{"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", "D^-1/2", 0.5 / 8},
		{"encoder.block.0.layer.1.DenseReluDense.wi_0.weight", "D^-1/2", 0.5 / 8},
		{"encoder.block.0.layer.1.DenseReluDense.wi_1.weight", "D^-1/2", 0.5 / 8},
		{"encoder.block.0.layer.1.DenseReluDense.wo.weight", "the inner width's", 0.5 / 16},
		{"decoder.final_layer_norm.weight", "a norm begins as the factor", 0.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := Fresh{Config: c, Seed: 1}
			values, err := f.Float32(test.name)
			if err != nil {
				t.Fatal(err)
			}
			dims, _ := f.Shape(test.name)
			var square float64
			for _, v := range values {
				square += float64(v) * float64(v)
			}
			// A root mean square of n draws is within 4 of its own deviations.
			n := float64(len(values))
			tolerance := 4 / math.Sqrt(2*n)
			if got := math.Sqrt(square / n); !golden.Near(got/test.want, 1, tolerance) {
				t.Errorf("%s: %g over %v, expected %g", test.why, got, dims, test.want)
			}
			again, err := f.Float32(test.name)
			if err != nil || !slices.Equal(values, again) {
				t.Errorf("the same seed gives other values (%v)", err)
			}
			f.Seed++
			if other, _ := f.Float32(test.name); len(dims) > 1 && slices.Equal(values, other) {
				t.Error("another seed gives the same values")
			}
		})
	}
	if _, err := (Fresh{Config: c}).Float32("nothing"); err == nil {
		t.Error("no error for a name that is no weight")
	}
}
