package train

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestEndsEarlyWhereTransformersDoes: after the evaluation at which its callback ends a
// run of the same scores (parity/make_early_stopping.py).
func TestEndsEarlyWhereTransformersDoes(t *testing.T) {
	data, err := os.ReadFile("testdata/early_stopping.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Greater   bool
			Patience  int
			Threshold float64
			Scores    []float64
			Ended     int
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	early := 0
	for _, c := range golden.Cases {
		l := Loop{EarlyStop: EarlyStop{c.Patience, c.Threshold}, Saves: Saves{Greater: c.Greater}}
		ended := 0
		for i, score := range c.Scores {
			l.take(i+1, score)
			if l.EndsEarly() {
				ended = i + 1
				break
			}
		}
		if ended != c.Ended {
			t.Errorf("%+v: ended after evaluation %d", c, ended)
		}
		early += min(1, ended)
	}
	if early < 20 || early == len(golden.Cases) {
		t.Errorf("%d of %d end early; some of both kinds expected", early, len(golden.Cases))
	}
	l := Loop{EarlyStop: EarlyStop{Patience: 2}}
	l.take(1, 3)
	l.take(2, math.NaN())
	l.take(3, math.Inf(-1))
	if !l.EndsEarly() || l.state.BestStep != 1 {
		t.Errorf("%+v: no number is better than a score", l.state)
	}
}
