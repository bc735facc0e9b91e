package train

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Schedule is the learning rate over the optimiser steps, as in transformers'
// optimization.py: a linear warm-up from zero, then the named decay.
type Schedule struct {
	Kind   string  // one of Schedules()
	Peak   float64 // rate after the warm-up
	Warmup int     // optimiser steps
	Steps  int     // optimiser steps in all
}

var schedules = []string{"linear", "cosine", "constant", "constant_with_warmup"}

// Schedules lists the kinds of schedule.
func Schedules() []string { return slices.Clone(schedules) }

// Validate reports an unknown kind or a rate that cannot be.
func (s Schedule) Validate() error {
	if !slices.Contains(schedules, s.Kind) {
		return fmt.Errorf("lr_scheduler_type %q; expected one of %s", s.Kind, strings.Join(schedules, ", "))
	}
	if !(s.Peak >= 0) || math.IsInf(s.Peak, 0) || s.Warmup < 0 || s.Steps < 0 {
		return fmt.Errorf("learning rate %g with %d warm-up steps of %d; expected numbers that are not negative", s.Peak, s.Warmup, s.Steps)
	}
	return nil
}

// Rate is the learning rate of a step, counted from 0.
func (s Schedule) Rate(step int) float64 {
	if s.Kind == "constant" {
		return s.Peak
	}
	if step < s.Warmup {
		return s.Peak * float64(step) / float64(s.Warmup)
	}
	left := float64(s.Steps-step) / float64(max(1, s.Steps-s.Warmup))
	switch s.Kind {
	case "linear":
		return s.Peak * max(0, left)
	case "cosine":
		return s.Peak * max(0, 0.5*(1+math.Cos(math.Pi*(1-left))))
	}
	return s.Peak
}
