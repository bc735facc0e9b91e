package train

// EarlyStop ends a run whose score gets no better, as transformers' EarlyStoppingCallback
// does. The zero value never does.
type EarlyStop struct {
	Patience  int     // evaluations one after the other that bring nothing
	Threshold float64 // what a score must be better by than the best one so far
}

// wait counts the evaluations since one brought something. It is told of a score before
// that may become the best one.
func (l *Loop) wait(score float64) {
	gain := score - l.state.BestScore
	if !l.Saves.Greater {
		gain = -gain
	}
	if finite(score) && (l.state.BestStep == 0 || gain > 0 && gain > l.EarlyStop.Threshold) {
		l.state.Waited = 0
		return
	}
	l.state.Waited++
}

// EndsEarly says whether the run has waited for long enough.
func (l *Loop) EndsEarly() bool {
	return l.EarlyStop.Patience > 0 && l.state.Waited >= l.EarlyStop.Patience
}
