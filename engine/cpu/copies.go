package cpu

import (
	"sync"

	"github.com/gomlx/compute/dtypes/bfloat16"
)

// Copy is a run of keys and values that are seen once more, as if they stood elsewhere in
// a row (the position re-encoding of Block-Attention, arXiv 2409.15355): positions From to
// From + Length - 1. Their keys turn by the angles of which Cos and Sin are [R/2]: of each
// head the first R coordinates, i with i + R/2.
type Copy struct {
	From, Length int
	Cos, Sin     []float32
}

// Copies stand one behind the other, behind the positions that they are of.
type Copies []Copy

// Count is E, how many positions they are.
func (c Copies) Count() int {
	n := 0
	for _, x := range c {
		n += x.Length
	}
	return n
}

// Heads are N heads of C values, as one position has them.
type Heads struct{ Count, Width int }

func (h Heads) size() int { return h.Count * h.Width }

// Extend sets k2 and v2 [S + E, N, C] to k and v [S, N, C] with the copies behind them.
func Extend[T Number](c Copies, h Heads, k, v, k2, v2 []T) {
	both(func() {
		to := k2[copy(k2, k):]
		for _, x := range c {
			n := copy(to, k[x.From*h.size():(x.From+x.Length)*h.size()])
			Turn(to[:n], h, x.Cos, x.Sin)
			to = to[n:]
		}
	}, func() {
		to := v2[copy(v2, v):]
		for _, x := range c {
			to = to[copy(to, v[x.From*h.size():(x.From+x.Length)*h.size()]):]
		}
	})
}

// ExtendVJP sets dk and dv [S, N, C] to the cotangents of Extend's k and v for those of
// its k2 and v2 [S + E, N, C]. Sums are made in f32.
func ExtendVJP[T Number](c Copies, h Heads, dk2, dv2, dk, dv []T) {
	both(func() {
		narrow(dk, gathered(c, h, len(dk), dk2, func(d []float32, x Copy) { turnBack(d, h, x) }))
	}, func() {
		narrow(dv, gathered(c, h, len(dv), dv2, func([]float32, Copy) {}))
	})
}

// gathered is the first n of d with what their copies have, after back, added to them.
func gathered[T Number](c Copies, h Heads, n int, d []T, back func([]float32, Copy)) []float32 {
	all := make([]float32, len(d))
	add(all, d, true)
	sums, rest := all[:n], all[n:]
	for _, x := range c {
		part := rest[:x.Length*h.size()]
		back(part, x)
		add(sums[x.From*h.size():][:len(part)], part, false)
		rest = rest[len(part):]
	}
	return sums
}

// turnBack is the transposed of Turn.
func turnBack(d []float32, h Heads, x Copy) {
	sin := make([]float32, len(x.Sin))
	for i, v := range x.Sin {
		sin[i] = -v
	}
	Turn(d, h, x.Cos, sin)
}

// Turn turns keys [.., N, C] in place.
func Turn[T Number](k []T, h Heads, cos, sin []float32) {
	half := len(cos)
	switch k := any(k).(type) {
	case []float32:
		for ; len(k) > 0; k = k[h.Width:] {
			low, high := k[:half], k[half:2*half]
			for i, c := range cos {
				a, b, s := low[i], high[i], sin[i]
				low[i], high[i] = a*c-b*s, b*c+a*s
			}
		}
	case []bfloat16.BFloat16:
		for ; len(k) > 0; k = k[h.Width:] {
			low, high := k[:half], k[half:2*half]
			for i, c := range cos {
				a, b, s := low[i].Float32(), high[i].Float32(), sin[i]
				low[i], high[i] = bfloat16.FromFloat32(a*c-b*s), bfloat16.FromFloat32(b*c+a*s)
			}
		}
	}
}

// narrow sets values to those of f32.
func narrow[T Number](to []T, from []float32) {
	switch to := any(to).(type) {
	case []float32:
		copy(to, from)
	case []bfloat16.BFloat16:
		for i, v := range from {
			to[i] = bfloat16.FromFloat32(v)
		}
	}
}

// both runs two functions at a time.
func both(a, b func()) {
	var done sync.WaitGroup
	done.Go(a)
	b()
	done.Wait()
}
