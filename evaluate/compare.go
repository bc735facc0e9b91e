package evaluate

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// CompareOptions are the settings of Compare.
type CompareOptions struct {
	Samples int     // bootstrap samples
	Level   float64 // of confidence, between 0 and 1
	Seed    uint64
}

// DefaultCompareOptions asks for 95% intervals from 10,000 samples.
func DefaultCompareOptions() CompareOptions {
	return CompareOptions{Samples: 10_000, Level: 0.95, Seed: 1}
}

// Validate names every setting that cannot be.
func (o CompareOptions) Validate() error {
	var problems []error
	if o.Samples < 100 {
		problems = append(problems, fmt.Errorf("comparison: %d samples; expected 100 at least; raise the number", o.Samples))
	}
	if !(o.Level > 0 && o.Level < 1) {
		problems = append(problems, fmt.Errorf("comparison: a level of %v; expected one between 0 and 1; 0.95 is usual", o.Level))
	}
	return errors.Join(problems...)
}

// Comparison is how two evaluations differ in one metric of one context.
type Comparison struct {
	Metric  string
	Context Context
	A, B    float64 // the means over the shared rows
	Delta   float64 // B - A
	// Low and High bound Delta at the level asked for. Where 0 is outside, the
	// rows tell the two apart.
	Low, High float64
	Rows      int      // rows that both scored
	Changed   []Change // rows whose score differs, the largest difference first
}

// Change is a row whose score differs.
type Change struct {
	Row  int // as in Prediction
	A, B float64
}

// Compare compares two evaluations of the same examples in one metric, a key of
// Prediction.Scores such as "f1_ans", for each context that both have, in a's
// order. Rows are paired, and rows that lack the metric left out; the interval
// is the percentiles of the paired bootstrap (Efron 1979; Koehn 2004,
// https://aclanthology.org/W04-3250).
func Compare(a, b []Prediction, metric string, opt CompareOptions) ([]Comparison, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	type place struct {
		context Context
		row     int
	}
	others := make(map[place]Prediction, len(b))
	for _, p := range b {
		others[place{p.Context, p.Row}] = p
	}
	var comparisons []Comparison
	known := map[string]bool{}
	for _, p := range a {
		q, ok := others[place{p.Context, p.Row}]
		if !ok {
			continue
		}
		if p.Question != q.Question {
			return nil, fmt.Errorf("comparison: row %d asks %.60q in one and %.60q in the other; expected evaluations of the same file; evaluate both on one", p.Row, p.Question, q.Question)
		}
		x, okA := p.Scores[metric]
		y, okB := q.Scores[metric]
		if !okA || !okB {
			for k := range p.Scores {
				known[k] = true
			}
			continue
		}
		i := slices.IndexFunc(comparisons, func(c Comparison) bool { return c.Context == p.Context })
		if i < 0 {
			i = len(comparisons)
			comparisons = append(comparisons, Comparison{Metric: metric, Context: p.Context})
		}
		comparisons[i].Changed = append(comparisons[i].Changed, Change{Row: p.Row, A: x, B: y}) // all rows for now
	}
	switch {
	case len(comparisons) == 0 && len(known) > 0:
		return nil, fmt.Errorf("comparison: no metric %q in both; expected one of %s; correct the name", metric, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	case len(comparisons) == 0:
		return nil, errors.New("comparison: no row that both answered in the same context; expected evaluations of the same file; evaluate both on one")
	}
	for i := range comparisons {
		comparisons[i].bootstrap(opt)
	}
	return comparisons, nil
}

// bootstrap works out the figures from all rows in Changed, of which it leaves
// those that differ.
func (c *Comparison) bootstrap(opt CompareOptions) {
	c.Rows = len(c.Changed)
	n := float64(c.Rows)
	deltas := make([]float64, c.Rows)
	for i, r := range c.Changed {
		c.A += r.A / n
		c.B += r.B / n
		deltas[i] = r.B - r.A
	}
	c.Delta = mean(deltas, func(i int) int { return i })
	rng := rand.New(rand.NewPCG(opt.Seed, 0))
	means := make([]float64, opt.Samples)
	for s := range means {
		means[s] = mean(deltas, func(int) int { return rng.IntN(len(deltas)) })
	}
	slices.Sort(means)
	tail := (1 - opt.Level) / 2
	c.Low, c.High = quantile(means, tail), quantile(means, 1-tail)

	c.Changed = slices.DeleteFunc(c.Changed, func(r Change) bool { return r.A == r.B })
	slices.SortStableFunc(c.Changed, func(x, y Change) int {
		switch dx, dy := math.Abs(x.B-x.A), math.Abs(y.B-y.A); {
		case dx > dy:
			return -1
		case dx < dy:
			return 1
		}
		return 0
	})
}

// mean is that of as many values as there are, the i-th being values[pick(i)].
func mean(values []float64, pick func(int) int) float64 {
	sum := 0.0
	for i := range values {
		sum += values[pick(i)]
	}
	return sum / float64(len(values))
}

// quantile interpolates linearly in sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
