package evaluate

import (
	"cmp"
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

// Pair is a row that two evaluations answered in the same context.
type Pair struct{ A, B Prediction }

// Match pairs the predictions of two evaluations by context, question and
// history; of rows that agree in all three, the first with the first and so on.
// The pairs are in a's order. What has no partner is left over.
func Match(a, b []Prediction) (pairs []Pair, onlyA, onlyB []Prediction) {
	waiting := map[string][]Prediction{}
	for _, p := range b {
		waiting[p.place()] = append(waiting[p.place()], p)
	}
	for _, p := range a {
		place := p.place()
		if len(waiting[place]) == 0 {
			onlyA = append(onlyA, p)
			continue
		}
		pairs = append(pairs, Pair{A: p, B: waiting[place][0]})
		waiting[place] = waiting[place][1:]
	}
	left := map[string]int{} // the last so many of a place have no partner
	for place, ps := range waiting {
		left[place] = len(ps)
	}
	for _, p := range slices.Backward(b) {
		if left[p.place()] > 0 {
			left[p.place()]--
			onlyB = append(onlyB, p)
		}
	}
	slices.Reverse(onlyB)
	return pairs, onlyA, onlyB
}

// Average makes one evaluation of several of the same rows, as of a recipe trained
// with several seeds: a row's scores are the means of its own in all of them, in what
// they all have. Everything else is the first one's. Rows that are not in all of them
// are an error: such means could not be compared.
func Average(runs [][]Prediction) ([]Prediction, error) {
	mean := slices.Clone(runs[0])
	for i := range mean {
		mean[i].Scores = maps.Clone(mean[i].Scores)
	}
	for n, run := range runs[1:] {
		pairs, onlyFirst, onlyThis := Match(mean, run)
		for _, p := range slices.Concat(onlyFirst, onlyThis) {
			return nil, fmt.Errorf("%q (%s) is not in each of the evaluations to average, the %d. lacks it or has it alone; expected evaluations of the same rows; evaluate all on one file", p.Question, p.Context, n+2)
		}
		for _, p := range pairs { // in the order of mean, whose scores they share
			maps.DeleteFunc(p.A.Scores, func(metric Metric, _ float64) bool { _, ok := p.B.Scores[metric]; return !ok })
			for metric, score := range p.B.Scores {
				if sum, ok := p.A.Scores[metric]; ok {
					p.A.Scores[metric] = sum + score
				}
			}
		}
	}
	for _, p := range mean {
		for metric := range p.Scores {
			p.Scores[metric] /= float64(len(runs))
		}
	}
	return mean, nil
}

// place tells rows apart, in whatever order evaluations have them.
func (p Prediction) place() string {
	parts := []string{string(p.Context), p.Question}
	for _, t := range p.History {
		parts = append(parts, t.Speaker, t.Message)
	}
	return fmt.Sprintf("%q", parts)
}

// Metrics are the keys of Prediction.Scores that both sides of some pair have,
// in the order of Report.Table, others behind. As there, LikelyRecall is left out, the
// original's sum of two that are among them, which is no share: it goes up to 2.
func Metrics(pairs []Pair) []Metric {
	there := map[Metric]bool{}
	for _, p := range pairs {
		for k := range p.A.Scores {
			if _, ok := p.B.Scores[k]; ok {
				there[k] = true
			}
		}
	}
	delete(there, LikelyRecall)
	var names []Metric
	for _, l := range slices.Concat(retrievalMetrics, answerMetrics, []listed{abstentionMetric, judgeMetric}) {
		if there[l.metric] {
			names = append(names, l.metric)
			delete(there, l.metric)
		}
	}
	return append(names, slices.Sorted(maps.Keys(there))...)
}

// Comparison is how two evaluations differ in one metric of one context.
type Comparison struct {
	Metric  Metric
	Context Context
	A, B    float64 // the means over the pairs
	Delta   float64 // B - A
	// Low and High bound Delta at the level asked for. Where 0 is outside, the
	// rows tell the two apart.
	Low, High float64
	Rows      int    // pairs that have the metric on both sides
	Changed   []Pair // those whose score differs, the largest difference first
}

// Compare compares paired predictions in one metric, such as AnswerF1, for each context, in the order in which
// they come. Pairs that lack the metric are left out; the interval is the
// percentiles of the paired bootstrap (Efron 1979; Koehn 2004,
// https://aclanthology.org/W04-3250).
func Compare(pairs []Pair, metric Metric, opt CompareOptions) ([]Comparison, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if len(pairs) == 0 {
		return nil, errors.New("comparison: no row that both answered in the same context; expected evaluations of the same file; evaluate both on one")
	}
	var comparisons []Comparison
	for _, p := range pairs {
		_, okA := p.A.Scores[metric]
		_, okB := p.B.Scores[metric]
		if !okA || !okB {
			continue
		}
		i := slices.IndexFunc(comparisons, func(c Comparison) bool { return c.Context == p.A.Context })
		if i < 0 {
			i = len(comparisons)
			comparisons = append(comparisons, Comparison{Metric: metric, Context: p.A.Context})
		}
		comparisons[i].Changed = append(comparisons[i].Changed, p) // all for now
	}
	if len(comparisons) == 0 {
		return nil, fmt.Errorf("comparison: no metric %q in both; expected one of their common ones (%s); correct the name, or evaluate both again", metric, joined(Metrics(pairs)))
	}
	for i := range comparisons {
		comparisons[i].bootstrap(opt)
	}
	return comparisons, nil
}

func joined(metrics []Metric) string {
	names := make([]string, len(metrics))
	for i, m := range metrics {
		names[i] = string(m)
	}
	return strings.Join(names, ", ")
}

// bootstrap works out the figures from all pairs in Changed, of which it leaves
// those that differ.
func (c *Comparison) bootstrap(opt CompareOptions) {
	c.Rows = len(c.Changed)
	n := float64(c.Rows)
	delta := func(p Pair) float64 { return p.B.Scores[c.Metric] - p.A.Scores[c.Metric] }
	deltas := make([]float64, c.Rows)
	for i, p := range c.Changed {
		c.A += p.A.Scores[c.Metric] / n
		c.B += p.B.Scores[c.Metric] / n
		deltas[i] = delta(p)
	}
	c.Delta, c.Low, c.High = opt.Interval(deltas)

	c.Changed = slices.DeleteFunc(c.Changed, func(p Pair) bool { return delta(p) == 0 })
	slices.SortStableFunc(c.Changed, func(x, y Pair) int { return cmp.Compare(math.Abs(delta(y)), math.Abs(delta(x))) })
}

// Interval is the mean of values, one at least, with its interval: the percentiles of
// the bootstrap over them.
func (o CompareOptions) Interval(values []float64) (middle, low, high float64) {
	middle = mean(values, func(i int) int { return i })
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	means := make([]float64, o.Samples)
	for s := range means {
		means[s] = mean(values, func(int) int { return rng.IntN(len(values)) })
	}
	slices.Sort(means)
	tail := (1 - o.Level) / 2
	return middle, quantile(means, tail), quantile(means, 1-tail)
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
