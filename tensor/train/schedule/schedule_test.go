package schedule_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"gorqa/internal/golden"
	"gorqa/tensor/train/schedule"
)

// Every kind gives transformers' rates at every step.
func TestRatesAreTransformersAtEveryStep(t *testing.T) {
	data, err := os.ReadFile("testdata/schedules.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tolerance float64 `json:"tolerance"`
		Cases     []struct {
			Kind   string          `json:"kind"`
			Peak   float64         `json:"peak"`
			Warmup int             `json:"warmup"`
			Steps  int             `json:"steps"`
			Args   json.RawMessage `json:"args"`
			Rates  []float64       `json:"rates"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range file.Cases {
		s := schedule.Schedule{Kind: c.Kind, Peak: c.Peak, Warmup: c.Warmup, Steps: c.Steps, Args: string(c.Args)}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		if len(c.Rates) != c.Steps {
			t.Fatalf("%s: %d rates of %d steps", c.Kind, len(c.Rates), c.Steps)
		}
		for step, want := range c.Rates {
			if got := s.Rate(step); !golden.Near(got, want, file.Tolerance*want) {
				t.Errorf("%s %s, step %d: %v; transformers has %v", c.Kind, c.Args, step, got, want)
			}
		}
		seen[c.Kind] = true
	}
	for _, kind := range schedule.Kinds() {
		if !seen[kind] {
			t.Errorf("no golden of %s", kind)
		}
	}
}

// Every kind is its closed form, written down here from its description: 10
// steps of warm-up to a rate of 2, 110 steps in all, p from 0 to 1 after the
// warm-up.
func TestClosedForms(t *testing.T) {
	const peak, warmup, steps = 2.0, 10, 110
	up := func(n float64) float64 { return peak * n / warmup }
	half := func(p float64) float64 { return (1 + math.Cos(math.Pi*p)) / 2 }
	for _, test := range []struct {
		kind, args string
		up         func(n float64) float64
		after      func(n, p float64) float64
	}{
		{"linear", "", up, func(_, p float64) float64 { return peak * (1 - p) }},
		{"cosine", "", up, func(_, p float64) float64 { return peak * half(p) }},
		{"cosine", `{"num_cycles": 1}`, up, func(_, p float64) float64 { return peak * half(2*p) }},
		{"cosine_with_restarts", "", up, func(_, p float64) float64 { return peak * half(p) }},
		{"cosine_with_restarts", `{"num_cycles": 4}`, up, func(n, _ float64) float64 { return peak * half(math.Mod(n-warmup, 25)/25) }},
		{"polynomial", `{"power": 2, "lr_end": 0.5}`, up, func(_, p float64) float64 { return 0.5 + 1.5*(1-p)*(1-p) }},
		{"polynomial", "", up, func(_, p float64) float64 { return 1e-7 + (peak-1e-7)*(1-p) }},
		{"constant", "", func(float64) float64 { return peak }, func(_, _ float64) float64 { return peak }},
		{"constant_with_warmup", "", up, func(_, _ float64) float64 { return peak }},
		{"inverse_sqrt", "", up, func(n, _ float64) float64 { return peak * math.Sqrt(warmup/n) }},
		{"inverse_sqrt", `{"timescale": 40}`, up, func(n, _ float64) float64 { return peak * math.Sqrt(40/(n+30)) }},
		{"cosine_with_min_lr", `{"min_lr": 0.5}`, up, func(_, p float64) float64 { return 0.5 + 1.5*half(p) }},
		{"cosine_warmup_with_min_lr", `{"min_lr_rate": 0.25}`, func(n float64) float64 { return up(n + 1) }, func(_, p float64) float64 { return 0.5 + 1.5*half(p+0.01) }},
		{"cosine_warmup_with_min_lr", `{"min_lr_rate": 0.25, "warmup_lr_rate": 0.1}`, func(n float64) float64 { return 0.2 + 1.8*n/9 }, func(_, p float64) float64 { return 0.5 + 1.5*half(p+0.01) }},
		{"warmup_stable_decay", `{"num_decay_steps": 50, "decay_type": "linear", "min_lr_ratio": 0.25}`, func(n float64) float64 { return 0.5 + 1.5*n/warmup }, func(n, _ float64) float64 { return 0.5 + 1.5*math.Min(1, (110-n)/50) }},
		{"warmup_stable_decay", `{"num_decay_steps": 50, "num_stable_steps": 20}`, up, func(n, _ float64) float64 {
			return peak * half(math.Min(1, math.Max(0, (n-30)/50)))
		}},
	} {
		s := schedule.Schedule{Kind: test.kind, Peak: peak, Warmup: warmup, Steps: steps, Args: test.args}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		for step := range steps {
			n := float64(step)
			want := test.after(n, (n-warmup)/(steps-warmup))
			if step < warmup {
				want = test.up(n)
			}
			if got := s.Rate(step); !golden.Near(got, want, 1e-12*peak) {
				t.Errorf("%s %s, step %d: %v; %v expected", test.kind, test.args, step, got, want)
			}
		}
	}
}

// Where the last step ends, a wave with restarts does not begin anew, and nothing rises.
func TestNothingRisesAtTheLastStep(t *testing.T) {
	for _, test := range []struct {
		kind, args string
		want       float64
	}{
		{"linear", "", 0},
		{"cosine", "", 0},
		{"cosine_with_restarts", `{"num_cycles": 4}`, 0},
		{"polynomial", "", 1e-7},
		{"cosine_with_min_lr", `{"min_lr": 0.5}`, 0.5},
		{"warmup_stable_decay", `{"num_decay_steps": 50, "min_lr_ratio": 0.25}`, 0.5},
	} {
		s := schedule.Schedule{Kind: test.kind, Peak: 2, Warmup: 10, Steps: 110, Args: test.args}
		if got := s.Rate(110); !golden.Near(got, test.want, 1e-12) {
			t.Errorf("%s %s after the last step: %v; want %v", test.kind, test.args, got, test.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct{ name, why, kind, args, want string }{
		{"unknown", "the kinds are listed", "sawtooth", "", `lr_scheduler_type: "sawtooth" found; linear, cosine, cosine_with_restarts, polynomial,`},
		{"plateau", "with its reason", "reduce_lr_on_plateau", "", "it lowers the rate by what evaluations find"},
		{"greedy", "with its reason", "greedy", "", "it moves the rate by the losses that it sees"},
		{"no object", "transformers takes a dict", "cosine", "[1]", "a JSON object of arguments expected (cosine takes num_cycles)"},
		{"two objects", "nothing is ignored", "cosine", "{} {}", "a JSON object of arguments expected"},
		{"another kind's", "would be an error in transformers too", "polynomial", `{"num_cycles": 2, "x": 1}`, "num_cycles found; polynomial takes lr_end or power\nx found;"},
		{"none", "constant takes none", "constant", `{"num_cycles": 2}`, "num_cycles found; constant takes none"},
		{"word", "for a number", "cosine", `{"num_cycles": "2"}`, `num_cycles: "2" found; a number expected`},
		{"number", "for a word", "warmup_stable_decay", `{"decay_type": 2}`, "decay_type: 2 found; linear, cosine or 1-sqrt expected"},
		{"end above", "the polynomial would rise", "polynomial", `{"lr_end": 1}`, "lr_end: 1 with a learning rate of 0.001; less than the learning rate expected"},
		{"both", "one says it all", "cosine_with_min_lr", `{"min_lr": 0, "min_lr_rate": 0}`, "both found of min_lr and min_lr_rate"},
		{"neither", "transformers asks for one", "cosine_warmup_with_min_lr", "", "none found of min_lr and min_lr_rate"},
		{"no decay", "transformers asks for it", "warmup_stable_decay", `{"num_stable_steps": 1}`, "num_decay_steps: missing"},
		{"ramp", "the forms are listed", "warmup_stable_decay", `{"num_decay_steps": 1, "warmup_type": "steep"}`, `warmup_type: "steep" found; linear, cosine or 1-sqrt expected`},
		{"negative", "bounds", "warmup_stable_decay", `{"num_decay_steps": -1, "min_lr_ratio": 2}`, "num_decay_steps: -1 found; 0 steps or more expected\nlr_scheduler_kwargs: min_lr_ratio: 2 found"},
		{"part of a step", "steps are whole", "warmup_stable_decay", `{"num_decay_steps": 1.5}`, "a whole number of steps expected"},
	} {
		err := schedule.Schedule{Kind: test.kind, Peak: 1e-3, Warmup: 1, Steps: 10, Args: test.args}.Validate()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; %q expected; %s", test.name, err, test.want, test.why)
		}
	}
	s := schedule.Schedule{Kind: "cosine", Peak: 1, Steps: 10, Args: `{"num_cycles": null}`}
	if err := s.Validate(); err != nil || !golden.Near(s.Rate(5), 0.5, 1e-12) {
		t.Errorf("null leaves the default: %v %v", s.Rate(5), err)
	}
}

func FuzzValidate(f *testing.F) {
	f.Add("polynomial", `{"power": 2}`)
	f.Add("warmup_stable_decay", `{"num_decay_steps": 3, "decay_type": "1-sqrt"}`)
	f.Fuzz(func(t *testing.T, kind, text string) {
		s := schedule.Schedule{Kind: kind, Peak: 1e-4, Warmup: 3, Steps: 9, Args: text}
		if s.Validate() != nil {
			return
		}
		for step := range 10 {
			if r := s.Rate(step); math.IsNaN(r) || math.IsInf(r, 0) || r < 0 {
				t.Fatalf("%s %s: step %d has %v", kind, text, step, r)
			}
		}
	})
}
