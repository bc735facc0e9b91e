package config

import (
	"math"
	"strings"

	"gorqa/tensor/train/schedule"
)

// Schedule says how long to train and how the learning rate goes.
type Schedule struct {
	DoTrain           bool
	NumTrainEpochs    float64
	MaxSteps          int // -1 = as the epochs say
	LRSchedulerType   string
	LRSchedulerKwargs string  // a JSON object of what the type takes beside; "" = nothing
	WarmupRatio       float64 // of all steps, where WarmupSteps is 0
	WarmupSteps       float64 // below 1: of all steps
	Seed              int64
	DataSeed          *int64 // order of the rows; nil = Seed
}

// DefaultSchedule is LocalRQA's: 7 epochs, cosine, a tenth of warm-up.
func DefaultSchedule() Schedule {
	return Schedule{DoTrain: true, NumTrainEpochs: 7, MaxSteps: -1, LRSchedulerType: "cosine", WarmupRatio: 0.1, Seed: 42}
}

// TotalSteps is the steps of a run whose epochs have stepsPerEpoch steps.
func (m *Schedule) TotalSteps(stepsPerEpoch int) int {
	if m.MaxSteps > 0 {
		return m.MaxSteps
	}
	return int(math.Ceil(m.NumTrainEpochs * float64(stepsPerEpoch)))
}

// Warmup is the steps of warm-up of a run of total steps.
func (m *Schedule) Warmup(total int) int {
	switch {
	case m.WarmupSteps >= 1:
		return int(m.WarmupSteps)
	case m.WarmupSteps > 0:
		return int(math.Ceil(m.WarmupSteps * float64(total)))
	}
	return int(math.Ceil(m.WarmupRatio * float64(total)))
}

func (m *Schedule) declare(s *set) {
	s.section("Schedule")
	s.boolean(&m.DoTrain, "do_train", "train; false only evaluates")
	s.number(&m.NumTrainEpochs, "num_train_epochs", "times to go over the rows; may be a fraction")
	s.integer(&m.MaxSteps, "max_steps", "steps to train, whatever the epochs say; -1 for the epochs")
	s.text(&m.LRSchedulerType, "lr_scheduler_type", "NAME", "how the learning rate goes, as in transformers: "+strings.Join(schedule.Kinds(), ", ")).assign = func(v string) error {
		if err := schedule.Known(v); err != nil {
			return err
		}
		m.LRSchedulerType = v
		return nil
	}
	s.object(&m.LRSchedulerKwargs, "lr_scheduler_kwargs", "what lr_scheduler_type takes beside, as in transformers: '{\"num_cycles\": 3}' with cosine_with_restarts")
	s.number(&m.WarmupRatio, "warmup_ratio", "part of all steps in which the learning rate rises to its peak")
	s.number(&m.WarmupSteps, "warmup_steps", "the same in steps, or as a part if below 1; wins over warmup_ratio unless 0")
	s.seed(&m.Seed, "seed", "seed of everything random")
	s.maybeSeed(&m.DataSeed, "data_seed", "seed of the order of the rows; seed if not given")
}

func (m *Schedule) check(p *problems, peak float64) {
	before := len(p.found)
	p.that(m.NumTrainEpochs > 0, "num_train_epochs: %v found; more than 0 expected", m.NumTrainEpochs)
	p.that(m.NumTrainEpochs <= MostRows, "num_train_epochs: %v found; expected at most %d", m.NumTrainEpochs, MostRows)
	p.that(m.MaxSteps == -1 || m.MaxSteps > 0, "max_steps: %d found; -1 or more than 0 expected", m.MaxSteps)
	p.that(m.MaxSteps <= math.MaxInt32, "max_steps: %d found; expected at most %d", m.MaxSteps, math.MaxInt32)
	p.that(m.WarmupRatio >= 0 && m.WarmupRatio <= 1, "warmup_ratio: %v found; 0 to 1 expected", m.WarmupRatio)
	p.wholeOrPart(m.WarmupSteps, true, "warmup_steps")
	if err := m.Rates(peak, 1).Validate(); err != nil && len(p.found) == before {
		p.found = append(p.found, err)
	}
}

// Rates is the learning rate of a run of total steps that rises to peak.
func (m *Schedule) Rates(peak float64, total int) schedule.Schedule {
	return schedule.Schedule{Kind: m.LRSchedulerType, Peak: peak, Warmup: m.Warmup(total), Steps: total, Args: m.LRSchedulerKwargs}
}
