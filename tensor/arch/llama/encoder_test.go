package llama

import (
	"math"
	"strings"
	"testing"

	"gorqa/batch"
	"gorqa/engine/xla"
)

// States are the same as graphs as on the host, and of a row in a pack as of it alone.
func TestEncoderAsGraphs(t *testing.T) {
	for _, c := range []struct {
		model, why string
		both       bool
	}{
		{"gemma3_text", "both ways, windows by layer", true},
		{"mistral", "rows in their order, a window", false},
	} {
		t.Run(c.model, func(t *testing.T) {
			m, r := load(t, c.model)
			if !r.Device.Native {
				t.Skip("this engine has graphs alone: what the CPU's engine holds against the host's way")
			}
			config := m.Config
			config.BothWays = c.both
			e := NewEncoder(config, false)
			states := func(p batch.Pack) []float32 {
				tp := r.New(false)
				x, err := e.Hidden(tp, p)
				if err != nil {
					t.Fatal(err)
				}
				out, err := xla.ToHost[float32](x.Tensor)
				if err != nil {
					t.Fatal(err)
				}
				if err := tp.Free(); err != nil {
					t.Fatal(err)
				}
				return out
			}
			var long []int32
			for i := range 40 {
				long = append(long, int32(i*7%90))
			}
			p := batch.Pack{Rows: [][]int32{long, {3, 4, 5}}, Size: 64, Tall: 2, Wide: 64}
			host := states(p)
			alone := states(batch.Pack{Rows: p.Rows[1:], Size: 32, Tall: 1, Wide: 32})
			r.Device.Native = false
			graph := states(p)
			for i, v := range host[:43*e.Width()] {
				if math.Abs(float64(v-graph[i])) > 1e-4 {
					t.Fatalf("%s: number %d is %g on the host, %g in graphs", c.why, i, v, graph[i])
				}
			}
			for i, v := range alone[:3*e.Width()] {
				if other := host[40*e.Width()+i]; math.Abs(float64(v-other)) > 1e-4 {
					t.Fatalf("%s: number %d is %g alone, %g in a pack", c.why, i, v, other)
				}
			}
		})
	}
}

func TestParseEncoder(t *testing.T) {
	for _, c := range []struct {
		name, why, modelType, more string
		slide                      []int
		want                       string // of the error
	}{
		{"causal", "as it is for generators", "gemma3_text", `,"sliding_window":8,"sliding_window_pattern":2`, []int{8, 0, 8, 0}, ""},
		{"gemma3_text", "half of a window on each side", "gemma3_text", `,"use_bidirectional_attention":true,"sliding_window":8,"sliding_window_pattern":2`, []int{5, 0, 5, 0}, ""},
		{"not causal", "a whole window on each side", "mistral", `,"is_causal":false,"sliding_window":8`, []int{9, 9, 9, 9}, ""},
		{"narrow", "no room for a token beside it", "gemma3_text", `,"use_bidirectional_attention":true,"sliding_window":1`, nil, "sliding_window is 1"},
		{"Gemma 3's key elsewhere", "transformers does not look at it", "llama", `,"use_bidirectional_attention":true`, nil, "use_bidirectional_attention is true in a llama"},
	} {
		got, err := ParseEncoder(configOf(c.modelType, c.more))
		if failed := err != nil; failed != (c.want != "") || failed && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; want %q (%s)", c.name, err, c.want, c.why)
			continue
		}
		for i, want := range c.slide {
			if got.Slide[i] != want {
				t.Errorf("%s: windows %v; want %v (%s)", c.name, got.Slide, c.slide, c.why)
				break
			}
		}
	}
}
