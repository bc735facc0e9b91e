// Package schedule computes the learning rate of each step, as the schedulers of
// transformers' optimization.py do. A new one is a name in the list of kinds, the
// settings that it takes, and a case where the rate is computed; the flag, its help and
// its checks follow from the list.
//
// It must not know settings, models or the training loop.
package schedule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Schedule is the learning rate over the optimiser steps.
type Schedule struct {
	Kind   string  // one of Kinds
	Peak   float64 // rate after the warm-up
	Warmup int     // optimiser steps
	Steps  int     // optimiser steps in all
	// Args are what the kind takes beside (transformers' lr_scheduler_kwargs): a
	// JSON object, "" for its defaults. Text, so that schedules can be compared.
	Args string
}

// args are Schedule.Args; nil leaves the default.
type args struct {
	NumCycles      *float64 `json:"num_cycles"`       // waves after the warm-up; restarts
	LREnd          *float64 `json:"lr_end"`           // rate at the last step
	Power          *float64 `json:"power"`            // of the polynomial
	Timescale      *float64 `json:"timescale"`        // steps
	MinLR          *float64 `json:"min_lr"`           // lowest rate
	MinLRRate      *float64 `json:"min_lr_rate"`      // the same as a part of the peak
	WarmupLRRate   *float64 `json:"warmup_lr_rate"`   // first rate as a part of the peak
	NumStableSteps *float64 `json:"num_stable_steps"` // at the peak
	NumDecaySteps  *float64 `json:"num_decay_steps"`  // from the peak to the end
	WarmupType     *string  `json:"warmup_type"`      // one of ramps
	DecayType      *string  `json:"decay_type"`       // one of ramps
	MinLRRatio     *float64 `json:"min_lr_ratio"`     // lowest rate as a part of the peak
}

// kinds are the schedules with the arguments that they take.
var kinds = map[string][]string{
	"linear":                    nil,
	"cosine":                    {"num_cycles"},
	"cosine_with_restarts":      {"num_cycles"},
	"polynomial":                {"lr_end", "power"},
	"constant":                  nil,
	"constant_with_warmup":      nil,
	"inverse_sqrt":              {"timescale"},
	"cosine_with_min_lr":        {"num_cycles", "min_lr", "min_lr_rate"},
	"cosine_warmup_with_min_lr": {"num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"},
	"warmup_stable_decay":       {"num_decay_steps", "num_stable_steps", "warmup_type", "decay_type", "min_lr_ratio", "num_cycles"},
}

// order is how Kinds lists them.
var order = []string{
	"linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt",
	"cosine_with_min_lr", "cosine_warmup_with_min_lr", "warmup_stable_decay",
}

// ramps are the forms of the first and last part of warmup_stable_decay.
var ramps = []string{"linear", "cosine", "1-sqrt"}

// Kinds lists the schedules.
func Kinds() []string { return slices.Clone(order) }

// follows are transformers' schedules whose rate is no function of the step.
var follows = map[string]string{
	"reduce_lr_on_plateau": "it lowers the rate by what evaluations find",
	"greedy":               "it moves the rate by the losses that it sees",
}

// Known reports a kind that there is not.
func Known(kind string) error {
	if why, ok := follows[kind]; ok {
		return fmt.Errorf("%q found, which gorqa does not have: %s, and here the rate is known from the step alone, so that a resumed run goes on as if it had never stopped; %s expected", kind, why, oneOf(order))
	}
	if !slices.Contains(order, kind) {
		return fmt.Errorf("%q found; %s expected", kind, oneOf(order))
	}
	return nil
}

// parseArgs reads the arguments of a kind.
func parseArgs(kind, text string) (args, error) {
	var a args
	if strings.TrimSpace(text) == "" {
		return a, nil
	}
	takes := kinds[kind]
	expected := fmt.Sprintf("%s takes %s", kind, oneOf(takes))
	if len(takes) == 0 {
		expected = kind + " takes none"
	}
	var given map[string]json.RawMessage
	if err := decode(text, &given); err != nil || given == nil {
		return a, fmt.Errorf("%q found; a JSON object of arguments expected (%s)", text, expected)
	}
	var problems []error
	for name, value := range given {
		if !slices.Contains(takes, name) {
			problems = append(problems, fmt.Errorf("%s found; %s", name, expected))
			delete(given, name)
			continue
		}
		// Each alone, so that the error names it.
		if err := decode(fmt.Sprintf("{%q: %s}", name, value), &a); err != nil {
			what := "a number"
			if strings.HasSuffix(name, "_type") {
				what = oneOf(ramps)
			}
			problems = append(problems, fmt.Errorf("%s: %s found; %s expected", name, value, what))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return a, errors.Join(problems...)
}

// decode reads one JSON value and nothing more.
func decode(text string, to any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// Validate reports an unknown kind, a rate that cannot be, and arguments that
// the kind cannot be computed with.
func (s Schedule) Validate() error {
	if err := Known(s.Kind); err != nil {
		return fmt.Errorf("lr_scheduler_type: %w", err)
	}
	a, err := parseArgs(s.Kind, s.Args)
	if err != nil {
		return fmt.Errorf("lr_scheduler_kwargs: %w", err)
	}
	var problems []error
	if !(s.Peak >= 0) || math.IsInf(s.Peak, 0) || s.Warmup < 0 || s.Steps < 0 {
		problems = append(problems, fmt.Errorf("learning rate %g with %d warm-up steps of %d; expected numbers that are not negative", s.Peak, s.Warmup, s.Steps))
	}
	return errors.Join(append(problems, append(a.check(), s.fits(a)...)...)...)
}

// check looks at each argument alone.
func (a args) check() (problems []error) {
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("lr_scheduler_kwargs: "+format, args...))
	}
	for _, x := range []struct {
		name  string
		value *float64
		least float64
		most  float64
		what  string
	}{
		{"num_cycles", a.NumCycles, 0, math.MaxInt32, "0 or more"},
		{"lr_end", a.LREnd, 0, math.MaxFloat64, "0 or more"},
		{"power", a.Power, 0, math.MaxInt32, "0 or more"},
		{"timescale", a.Timescale, 1, math.MaxInt32, "1 step or more"},
		{"min_lr", a.MinLR, 0, math.MaxFloat64, "0 or more"},
		{"min_lr_rate", a.MinLRRate, 0, 1, "0 to 1"},
		{"warmup_lr_rate", a.WarmupLRRate, 0, 1, "0 to 1"},
		{"num_stable_steps", a.NumStableSteps, 0, math.MaxInt32, "0 steps or more"},
		{"num_decay_steps", a.NumDecaySteps, 0, math.MaxInt32, "0 steps or more"},
		{"min_lr_ratio", a.MinLRRatio, 0, 1, "0 to 1"},
	} {
		if x.value != nil && !(*x.value >= x.least && *x.value <= x.most) {
			bad("%s: %v found; %s expected", x.name, *x.value, x.what)
		}
		if x.value != nil && strings.HasSuffix(x.name, "_steps") && *x.value != math.Trunc(*x.value) {
			bad("%s: %v found; a whole number of steps expected", x.name, *x.value)
		}
	}
	for _, x := range []struct {
		name  string
		value *string
	}{{"warmup_type", a.WarmupType}, {"decay_type", a.DecayType}} {
		if x.value != nil && !slices.Contains(ramps, *x.value) {
			bad("%s: %q found; %s expected", x.name, *x.value, oneOf(ramps))
		}
	}
	return problems
}

// fits looks whether the arguments are those that the schedule needs.
func (s Schedule) fits(a args) (problems []error) {
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("lr_scheduler_kwargs: "+format, args...))
	}
	switch s.Kind {
	case "polynomial":
		if end := value(a.LREnd, polynomialEnd); s.Peak <= end && s.Peak > 0 {
			bad("lr_end: %g with a learning rate of %g; less than the learning rate expected", end, s.Peak)
		}
	case "cosine_with_min_lr", "cosine_warmup_with_min_lr":
		if (a.MinLR == nil) == (a.MinLRRate == nil) {
			bad("%s found of min_lr and min_lr_rate; one of them expected with %s, such as {\"min_lr_rate\": 0.1}", map[bool]string{true: "none", false: "both"}[a.MinLR == nil], s.Kind)
		}
	case "warmup_stable_decay":
		if a.NumDecaySteps == nil {
			bad("num_decay_steps: missing; a number of steps expected with warmup_stable_decay, such as {\"num_decay_steps\": 20}")
		}
	}
	return problems
}

// polynomialEnd is transformers' default of lr_end.
const polynomialEnd = 1e-7

// Rate is the learning rate of a step, counted from 0.
func (s Schedule) Rate(step int) float64 {
	if s.Peak == 0 {
		return 0
	}
	return s.Peak * s.factor(float64(step), float64(s.Warmup), float64(s.Steps))
}

// factor is the rate as a part of the peak.
func (s Schedule) factor(step, warmup, steps float64) float64 {
	a, err := parseArgs(s.Kind, s.Args)
	if err != nil {
		return math.NaN() // Validate says what is wrong
	}
	// progress goes from 0 after the warm-up to 1 at the end.
	progress := (step - warmup) / max(1, steps-warmup)
	switch s.Kind {
	case "constant":
		return 1
	case "warmup_stable_decay":
		return a.stages(step, warmup, steps)
	case "cosine_warmup_with_min_lr":
		if step < warmup {
			if a.WarmupLRRate == nil {
				return (step + 1) / warmup
			}
			return *a.WarmupLRRate + (1-*a.WarmupLRRate)*step/max(1, warmup-1)
		}
		return a.above(s.Peak, wave(value(a.NumCycles, 0.5), progress+1/max(1, steps-warmup)))
	}
	if step < warmup {
		return step / warmup
	}
	switch s.Kind {
	case "linear":
		return max(0, (steps-step)/max(1, steps-warmup))
	case "cosine":
		return max(0, wave(value(a.NumCycles, 0.5), progress))
	case "cosine_with_restarts":
		if progress >= 1 {
			return 0
		}
		return max(0, 0.5*(1+math.Cos(math.Pi*math.Mod(value(a.NumCycles, 1)*progress, 1))))
	case "polynomial":
		end := value(a.LREnd, polynomialEnd)
		if step >= steps {
			return end / s.Peak
		}
		return ((s.Peak-end)*math.Pow(1-progress, value(a.Power, 1)) + end) / s.Peak
	case "inverse_sqrt":
		scale := warmup
		if scale == 0 {
			scale = 10_000
		}
		scale = value(a.Timescale, scale)
		return 1 / math.Sqrt((step+scale-warmup)/scale)
	case "cosine_with_min_lr":
		return a.above(s.Peak, wave(value(a.NumCycles, 0.5), progress))
	}
	return 1 // constant_with_warmup
}

// wave is a cosine from 1 to 0 and back, cycles times.
func wave(cycles, progress float64) float64 {
	return 0.5 * (1 + math.Cos(math.Pi*cycles*2*progress))
}

// above lifts a factor of the peak so that 0 becomes the lowest rate.
func (a args) above(peak, factor float64) float64 {
	lowest := value(a.MinLRRate, 0)
	if a.MinLR != nil {
		lowest = *a.MinLR / peak
	}
	return max(0, factor*(1-lowest)+lowest)
}

// stages is warmup_stable_decay: up, along, down.
func (a args) stages(step, warmup, steps float64) float64 {
	lowest, decay := value(a.MinLRRatio, 0), value(a.NumDecaySteps, 0)
	stable := value(a.NumStableSteps, steps-warmup-decay)
	var factor float64
	switch {
	case step < warmup:
		progress := step / warmup
		switch value(a.WarmupType, "linear") {
		case "linear":
			factor = progress
		case "cosine":
			factor = 0.5 * (1 - math.Cos(math.Pi*progress))
		case "1-sqrt":
			factor = 1 - math.Sqrt(1-progress)
		}
	case step < warmup+stable:
		return 1
	case step < warmup+stable+decay:
		progress := (step - warmup - stable) / max(1, decay)
		switch value(a.DecayType, "cosine") {
		case "linear":
			factor = 1 - progress
		case "cosine":
			factor = wave(value(a.NumCycles, 0.5), progress)
		case "1-sqrt":
			factor = 1 - math.Sqrt(progress)
		}
	default:
		return lowest
	}
	return max(0, factor*(1-lowest)+lowest)
}

// value is what p points to, or the default.
func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// oneOf writes "a, b or c".
func oneOf(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
