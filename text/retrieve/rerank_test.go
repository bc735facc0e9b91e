package retrieve

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
)

// scored is a scorer of given numbers by passage, which keeps what it is asked.
type scored struct {
	by    map[string]float32
	asked []Pair
	err   error
	short bool
}

func (s *scored) Name() string { return "scored" }

func (s *scored) Score(_ context.Context, pairs []Pair) ([]float32, error) {
	s.asked = append(s.asked, pairs...)
	var out []float32
	for _, p := range pairs {
		out = append(out, s.by[p.Passage])
	}
	if s.short {
		out = out[1:]
	}
	return out, s.err
}

func TestReranked(t *testing.T) {
	var docs []dataset.Document
	for _, text := range []string{"red dog", "red cat", "blue red", "green bird", "red red red"} {
		docs = append(docs, dataset.Document{Formatted: text})
	}
	words, err := NewBM25(docs, DefaultBM25Options())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, why string
		query     string
		depth, k  int
		scores    map[string]float32
		want      []Hit
		asked     int
	}{
		{"order", "the scorer's word counts", "red", 10, 2, map[string]float32{"red cat": 3, "blue red": 5}, []Hit{{2, 5}, {1, 3}}, 4},
		{"ties", "equal scores stand in the order of the documents", "red", 10, 3, map[string]float32{"red cat": 1}, []Hit{{1, 1}, {0, 0}, {2, 0}}, 4},
		{"depth", "only the first are scored anew", "dog red", 1, 1, map[string]float32{"red cat": 9}, []Hit{{0, 0}}, 1},
		{"deepened", "k asks for more than the depth", "red", 1, 4, map[string]float32{"red dog": -1}, []Hit{{1, 0}, {2, 0}, {4, 0}, {0, -1}}, 4},
		{"fewer", "what was not found is not scored", "bird", 10, 3, map[string]float32{"green bird": 2}, []Hit{{3, 2}}, 1},
		{"nothing", "no question that shares a word", "moon", 10, 3, nil, []Hit{}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &scored{by: test.scores}
			r, err := NewReranked(words, s, RerankOptions{Depth: test.depth})
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.TopK(t.Context(), []string{test.query}, test.k)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, append([]Hit{}, got[0]...)); diff != "" || len(s.asked) != test.asked {
				t.Errorf("%s: %d pairs scored, want %d (-want +got)\n%s", test.why, len(s.asked), test.asked, diff)
			}
		})
	}
	for _, test := range []struct {
		name, why, want string
		scorer          *scored
		depth, k        int
	}{
		{"error", "of the model", "on fire", &scored{err: errors.New("on fire")}, 5, 1},
		{"short", "scores would go to the wrong passages", "expected one for each", &scored{short: true}, 5, 1},
		{"no number", "it has no place in a ranking", "no number", &scored{by: map[string]float32{"red dog": float32(math.NaN())}}, 5, 1},
		{"k", "as of every retriever", "k is 9", &scored{}, 5, 9},
		{"depth", "nothing would be scored", "Depth is 0", &scored{}, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := NewReranked(words, test.scorer, RerankOptions{Depth: test.depth})
			if err == nil {
				_, err = r.TopK(t.Context(), []string{"red"}, test.k)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v; want one with %q (%s)", err, test.want, test.why)
			}
		})
	}
}
