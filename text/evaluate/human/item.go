package human

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorqa/text/evaluate"
)

// Source is a file of predictions.
type Source struct {
	File        string
	Predictions []evaluate.Prediction
}

// Item is what is judged at once: an answer, or a pair of answers to one question.
type Item struct {
	First     evaluate.Prediction
	Second    *evaluate.Prediction // nil of an answer alone
	File      string
	OtherFile string
}

// Items are the answers of one source, or of several the pairs of the first with each of
// the others.
func Items(sources []Source) ([]Item, error) {
	if len(sources) == 0 {
		return nil, errors.New("review: no predictions; a file of them expected")
	}
	first := sources[0]
	var items []Item
	if len(sources) == 1 {
		for _, p := range first.Predictions {
			items = append(items, Item{First: p, File: first.File})
		}
		return items, nil
	}
	for _, other := range sources[1:] {
		pairs, _, _ := evaluate.Match(first.Predictions, other.Predictions)
		if len(pairs) == 0 {
			return nil, fmt.Errorf("%s and %s: no row that both answered in the same context; predictions of the same file of questions expected; evaluate both on one", first.File, other.File)
		}
		for _, p := range pairs {
			items = append(items, Item{First: p.A, Second: &p.B, File: first.File, OtherFile: other.File})
		}
	}
	return items, nil
}

// Annotation is a rater's judgement on the item.
func (i Item) Annotation(rater string, judged map[string]any, comment string) Annotation {
	a := Annotation{Session: newSession(i.First), Judged: judged, Metadata: Metadata{
		File: i.File, OtherFile: i.OtherFile, Row: i.First.Row, Context: i.First.Context, Rater: rater, Comment: comment, Time: time.Now().UTC().Truncate(time.Second),
	}}
	if i.Second != nil {
		other := newSession(*i.Second)
		a.Other = &other
	}
	return a
}

func (i Item) key() string {
	key := newSession(i.First).key(i.First.Context)
	if i.Second != nil {
		key += newSession(*i.Second).key(i.First.Context)
	}
	return key
}

// Said is what was last said: by rater, of items by their place.
type Said map[string]map[int]Annotation

// Match gives what each rater last said of the items, and how many annotations of their
// kind (answers alone, or pairs) are of others, or of answers that have changed since.
func Match(items []Item, all []Annotation) (said Said, others int) {
	places := map[string][]int{}
	for i, item := range items {
		key := item.key()
		places[key] = append(places[key], i)
	}
	said = Said{}
	for _, a := range all {
		found := places[a.key()]
		if len(found) == 0 && len(items) > 0 && (a.Other == nil) == (items[0].Second == nil) {
			others++
		}
		for _, i := range found { // an answer that stands there twice has one judgement
			said.Add(i, a)
		}
	}
	return said, others
}

// Add is a new annotation of the item at a place.
func (s Said) Add(place int, a Annotation) {
	rater := a.Metadata.Rater
	if s[rater] == nil {
		s[rater] = map[int]Annotation{}
	}
	s[rater][place] = a
}

// Raters are those who said something, by name.
func (s Said) Raters() []string { return slices.Sorted(maps.Keys(s)) }

// Values are the judgements by a scale, by item and rater; of raters who did not judge
// an item nothing is there.
func (s Said) Values(items int, scale string) [][]float64 {
	values := make([][]float64, items)
	for _, rater := range s.Raters() {
		for place, a := range s[rater] {
			if v, ok := a.Value(scale); ok {
				values[place] = append(values[place], v)
			}
		}
	}
	return values
}

// ScorePrefix begins the keys of ratings among the scores of predictions.
const ScorePrefix = "human_"

// Score puts the raters' mean of each scale among the scores of the predictions that
// they rated, under ScorePrefix and the scale's name, so that they are compared as other
// scores are. It gives copies.
func Score(predictions []evaluate.Prediction, all []Annotation) []evaluate.Prediction {
	items, err := Items([]Source{{Predictions: predictions}})
	if err != nil {
		return predictions
	}
	said, _ := Match(items, slices.DeleteFunc(slices.Clone(all), func(a Annotation) bool { return a.Other != nil }))
	scales := map[string]bool{}
	for _, of := range said {
		for _, a := range of {
			for scale := range a.Judged {
				scales[scale] = true
			}
		}
	}
	scored := slices.Clone(predictions)
	for scale := range scales {
		for i, values := range said.Values(len(items), scale) {
			if len(values) > 0 {
				scored[i].Scores = maps.Clone(scored[i].Scores)
				scored[i].Scores[evaluate.Metric(ScorePrefix+scale)] = mean(values)
			}
		}
	}
	return scored
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
