package config

import (
	"slices"
	"strings"
	"testing"
)

func TestReviewSettings(t *testing.T) {
	for _, c := range []struct {
		name, why string
		args      []string
		included  []int // of the places 0 to 9
		problem   string
	}{
		{"all", "nothing is chosen", []string{"run"}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, ""},
		{"spans", "both ends are in, as in LocalRQA", []string{"run", "--include_idx", "1-3, 7"}, []int{1, 2, 3, 7}, ""},
		{"backwards", "such a span holds nothing", []string{"run", "--include_idx", "3-1"}, nil, `include_idx: "3-1" found; a place such as 7, or a span such as 0-49, expected`},
		{"no number", "a place is one", []string{"run", "--include_idx", "x"}, nil, `include_idx: "x" found`},
		{"a context", "that does not exist", []string{"run", "--eval_contexts", "golden"}, nil, `eval_contexts: "golden" found; retrieved, gold, none or shuffled expected`},
		{"scales of pairs", "these are judged by which is better", []string{"a", "b", "--scales", "s.yaml"}, nil, "scales: found beside several runs"},
		{"twice", "an answer is no better than itself", []string{"a", "a"}, nil, `RUN: "a" found, which is RUN too`},
		{"json alone", "there is nothing to write", []string{"a", "--json"}, nil, "json: found without summary"},
		{"no run", "there is nothing to judge", nil, nil, "RUN [RUN...]: missing"},
	} {
		s := DefaultReview()
		_, err := Parse(&s, c.args)
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s: %v; %s expected, since %s", c.name, err, c.problem, c.why)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		chosen, err := s.Included()
		var included []int
		for i := range 10 {
			if err == nil && chosen(i) {
				included = append(included, i)
			}
		}
		if err != nil || !slices.Equal(included, c.included) {
			t.Errorf("%s: %v %v; %v expected, since %s", c.name, included, err, c.included, c.why)
		}
	}
	for host, local := range map[string]bool{"127.0.0.1": true, "::1": true, "localhost": true, "0.0.0.0": false, "10.1.2.3": false, "example.org": false} {
		if s := (Review{Host: host}); s.Local() != local {
			t.Errorf("%s: local %v", host, s.Local())
		}
	}
}
