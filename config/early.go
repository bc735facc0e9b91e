package config

import "math"

// EarlyStopping ends a training whose metric gets no better.
type EarlyStopping struct {
	EarlyStoppingPatience  int     // evaluations; 0 = train to the end
	EarlyStoppingThreshold float64 // what an evaluation must be better by
}

func (m *EarlyStopping) declare(s *set) {
	s.integer(&m.EarlyStoppingPatience, "early_stopping_patience", "end the training once metric_for_best_model got no better in so many evaluations one after the other, as transformers' EarlyStoppingCallback does; 0 for never")
	s.number(&m.EarlyStoppingThreshold, "early_stopping_threshold", "how much better it must be than the best so far to count")
}

// check takes whether the run evaluates.
func (m *EarlyStopping) check(p *problems, evaluates bool, metric string) {
	p.between(m.EarlyStoppingPatience, 0, MostRows, "early_stopping_patience")
	p.single(m.EarlyStoppingThreshold, "early_stopping_threshold")
	valid := m.EarlyStoppingThreshold >= 0 && m.EarlyStoppingThreshold <= math.MaxFloat32
	p.that(m.EarlyStoppingThreshold >= 0, "early_stopping_threshold: %v found; 0 or more expected", m.EarlyStoppingThreshold)
	p.that(!valid || m.EarlyStoppingThreshold == 0 || m.EarlyStoppingPatience != 0, "early_stopping_threshold: %v found without early_stopping_patience; both expected", m.EarlyStoppingThreshold)
	if m.EarlyStoppingPatience > 0 {
		p.that(evaluates, "early_stopping_patience: %d found in a run without evaluations; eval_file and an eval_strategy other than no expected", m.EarlyStoppingPatience)
		p.that(!evaluates || metric != "", "early_stopping_patience: %d found without metric_for_best_model; the metric to wait for expected, such as eval_loss", m.EarlyStoppingPatience)
	}
}
