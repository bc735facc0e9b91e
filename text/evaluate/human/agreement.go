package human

import (
	"maps"
	"math"
	"slices"

	"gorqa/text/evaluate"
)

// Level is how far apart two values are in Krippendorff's alpha.
type Level int

// The levels of measurement.
const (
	Nominal Level = iota // equal or not
	Ordinal              // by how many values stand between them
)

// Alpha is Krippendorff's alpha of values by unit: 1 where raters agree, 0 where they
// agree as by chance. It is not defined (ok false) where no unit has two values, or all
// values are the same. Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.
func Alpha(units [][]float64, level Level) (alpha float64, ok bool) {
	counts := map[float64]float64{} // of values in units that have two at least
	total := 0.0
	for _, values := range units {
		if len(values) < 2 {
			continue
		}
		for _, v := range values {
			counts[v]++
			total++
		}
	}
	values := slices.Sorted(maps.Keys(counts))
	if len(values) < 2 {
		return 0, false
	}
	distance := distances(values, counts, level)
	observed, expected := 0.0, 0.0
	for _, of := range units {
		for i, a := range of {
			for _, b := range of[:i] {
				observed += 2 * distance(a, b) / float64(len(of)-1)
			}
		}
	}
	for _, a := range values {
		for _, b := range values {
			expected += counts[a] * counts[b] * distance(a, b)
		}
	}
	return 1 - (total-1)*observed/expected, true
}

// distances gives the squared distance of two values.
func distances(values []float64, counts map[float64]float64, level Level) func(a, b float64) float64 {
	before := map[float64]float64{} // values up to the middle of each
	sum := 0.0
	for _, v := range values {
		before[v] = sum + counts[v]/2
		sum += counts[v]
	}
	return func(a, b float64) float64 {
		switch {
		case a == b:
			return 0
		case level == Nominal:
			return 1
		}
		d := before[a] - before[b]
		return d * d
	}
}

// Agreement is what the judgements by a scale come to.
type Agreement struct {
	Scale  string `json:"scale"`
	Items  int    `json:"items"`  // that were judged
	Values int    `json:"values"` // judgements
	Shared int    `json:"shared"` // items that two raters judged
	// Mean is that of the items' means, with its interval over items.
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Counts are the judgements by value.
	Counts map[float64]int `json:"-"`
	// Ordinal and Nominal are Krippendorff's alpha; nil where it is not defined.
	Ordinal *float64 `json:"alpha_ordinal"`
	Nominal *float64 `json:"alpha_nominal"`
}

// Agree sums the judgements by a scale up; ok is false where there are none.
func Agree(scale string, units [][]float64, opt evaluate.CompareOptions) (a Agreement, ok bool) {
	a = Agreement{Scale: scale, Counts: map[float64]int{}}
	var means []float64
	for _, values := range units {
		if len(values) == 0 {
			continue
		}
		means = append(means, mean(values))
		a.Values += len(values)
		if len(values) > 1 {
			a.Shared++
		}
		for _, v := range values {
			a.Counts[v]++
		}
	}
	if a.Items = len(means); a.Items == 0 {
		return a, false
	}
	a.Mean, a.Low, a.High = opt.Interval(means)
	for level, to := range map[Level]**float64{Ordinal: &a.Ordinal, Nominal: &a.Nominal} {
		if alpha, ok := Alpha(units, level); ok {
			*to = &alpha
		}
	}
	return a, true
}

// Wins is how often people prefer the second run's answer: a tie counts half, and an
// item that several judged is the mean of what they said.
type Wins struct {
	Agreement
	Rate float64 `json:"win_rate"`
	// RateLow and RateHigh are its interval: Wilson's (1927) over items, which has a width
	// where all prefer the same, too. With ties it is wider than it would have to be.
	RateLow  float64 `json:"win_rate_low"`
	RateHigh float64 `json:"win_rate_high"`
	First    int     `json:"first"` // judgements
	Ties     int     `json:"ties"`
	Second   int     `json:"second"`
}

// WinRate sums the preferences up; ok is false where there are none.
func WinRate(units [][]float64, opt evaluate.CompareOptions) (w Wins, ok bool) {
	if w.Agreement, ok = Agree(Preference, units, opt); !ok {
		return w, false
	}
	w.Rate = (w.Mean + 1) / 2
	w.RateLow, w.RateHigh = wilson(w.Rate, float64(w.Items), opt.Level)
	w.First, w.Ties, w.Second = w.Counts[-1], w.Counts[0], w.Counts[1]
	return w, true
}

// wilson is the score interval of a share of n at a level of confidence.
func wilson(share, n, level float64) (low, high float64) {
	z := math.Sqrt2 * math.Erfinv(level)
	middle := share + z*z/(2*n)
	width := z * math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	return max(0, (middle-width)/(1+z*z/n)), min(1, (middle+width)/(1+z*z/n))
}
