package config

import (
	"fmt"
	"math"
	"strings"
)

// Strategies of saving and evaluating.
const (
	No    = "no"
	Steps = "steps"
	Epoch = "epoch"
)

// Saving is where a run is kept, and when it is evaluated and saved.
type Saving struct {
	OutputDir            string
	OverwriteOutputDir   bool
	ResumeFromCheckpoint string // "", "true" (the last in OutputDir) or a folder

	DoEval       bool
	EvalStrategy string  // No, Steps or Epoch
	EvalSteps    float64 // below 1: of all steps
	EvalOnStart  bool
	TestOnStart  bool // score the untouched model on the test set

	SaveStrategy       string  // No, Steps or Epoch
	SaveSteps          float64 // below 1: of all steps
	SaveTotalLimit     int     // 0 = keep all
	LoadBestModelAtEnd *bool   // nil = where every checkpoint is evaluated
	MetricForBestModel string  // a key of the evaluation, "eval_" first
	GreaterIsBetter    *bool   // nil = by the metric; see HigherWins
}

// DefaultSaving is LocalRQA's.
func DefaultSaving() Saving {
	return Saving{
		DoEval: true, EvalStrategy: Steps, EvalSteps: 100,
		SaveStrategy: Steps, SaveSteps: 100, SaveTotalLimit: 1,
		MetricForBestModel: "eval_loss",
	}
}

// HigherWins says whether a higher MetricForBestModel is better: as
// GreaterIsBetter, else for all metrics but losses and latencies.
func (m *Saving) HigherWins() bool {
	if m.GreaterIsBetter != nil {
		return *m.GreaterIsBetter
	}
	return !strings.HasSuffix(m.MetricForBestModel, "loss") && !strings.Contains(m.MetricForBestModel, "latency")
}

// BestMetric is MetricForBestModel with the "eval_" that may be left out.
func (m *Saving) BestMetric() string {
	if strings.HasPrefix(m.MetricForBestModel, "eval_") {
		return m.MetricForBestModel
	}
	return "eval_" + m.MetricForBestModel
}

// Resume says which checkpoint to go on from: none, the last one of
// OutputDir, or the one in folder.
func (m *Saving) Resume() (folder string, last bool) {
	if b, ok := parseBool(m.ResumeFromCheckpoint); ok {
		return "", b
	}
	return m.ResumeFromCheckpoint, false
}

// Every turns a number of steps that may be a part of all steps (below 1)
// into steps.
func Every(steps float64, total int) int {
	if steps < 1 {
		return max(1, int(math.Ceil(steps*float64(total))))
	}
	return int(steps)
}

func (m *Saving) declare(s *set) {
	s.section("Output, evaluation and checkpoints during training")
	s.text(&m.OutputDir, "output_dir", "DIR", "folder of the trained model, the checkpoints and all reports (required)")
	s.boolean(&m.OverwriteOutputDir, "overwrite_output_dir", "start anew in a folder that holds a run or a model; with resume_from_checkpoint DIR, replace the checkpoints that came after it")
	s.text(&m.ResumeFromCheckpoint, "resume_from_checkpoint", "[DIR]", "go on from this checkpoint, or from the last one of output_dir").kind = optional
	s.boolean(&m.DoEval, "do_eval", "evaluate on eval_file")
	s.choice(&m.EvalStrategy, "eval_strategy", "when to evaluate", No, Steps, Epoch)
	s.number(&m.EvalSteps, "eval_steps", "steps from one evaluation to the next; below 1, a part of all steps")
	s.boolean(&m.EvalOnStart, "eval_on_start", "evaluate before the first step too")
	s.boolean(&m.TestOnStart, "test_on_start", "score test_file before the first step too, for a table of before and after")
	s.choice(&m.SaveStrategy, "save_strategy", "when to save a checkpoint", No, Steps, Epoch)
	s.number(&m.SaveSteps, "save_steps", "steps from one checkpoint to the next; below 1, a part of all steps")
	s.integer(&m.SaveTotalLimit, "save_total_limit", "checkpoints to keep, the best one besides; 0 for all")
	s.maybe(&m.LoadBestModelAtEnd, "load_best_model_at_end", "hand over the best checkpoint's model, not the last one's; by default yes where every checkpoint is evaluated")
	s.text(&m.MetricForBestModel, "metric_for_best_model", "KEY", "what is compared: eval_loss or any other key of the evaluation")
	s.maybe(&m.GreaterIsBetter, "greater_is_better", "whether more of it is better; by default yes but for losses and latencies")
	s.alias("eval_strategy", "evaluation_strategy")
}

func (m *Saving) check(p *problems) {
	p.needed(m.OutputDir, "output_dir", "a folder for what the run makes")
	p.wholeOrPart(m.EvalSteps, false, "eval_steps")
	p.wholeOrPart(m.SaveSteps, false, "save_steps")
	p.between(m.SaveTotalLimit, 0, math.MaxInt32, "save_total_limit")
	_, last := m.Resume()
	p.that(!m.OverwriteOutputDir || !last, "overwrite_output_dir: found together with resume_from_checkpoint true; one of them expected")
	if m.LoadBestModelAtEnd != nil && *m.LoadBestModelAtEnd && m.DoEval { // without evaluation there is no best
		p.needed(m.MetricForBestModel, "metric_for_best_model", "eval_loss or another key of the evaluation")
		found, expected := m.unscored()
		p.that(found == "", "load_best_model_at_end: found with %s; %s expected, or load_best_model_at_end false", found, expected)
	}
}

// unscored says why checkpoints may have no score to choose the best one by, and
// what is expected for that; "" where all have one.
func (m *Saving) unscored() (found, expected string) {
	switch {
	case m.EvalStrategy == No || m.SaveStrategy == No:
		return fmt.Sprintf("eval_strategy %s and save_strategy %s", m.EvalStrategy, m.SaveStrategy), "both other than no"
	case m.EvalStrategy != m.SaveStrategy:
		return fmt.Sprintf("eval_strategy %s and save_strategy %s", m.EvalStrategy, m.SaveStrategy), "the same, so that what is saved was evaluated,"
	case m.EvalStrategy == Steps && m.EvalSteps > 0 && m.SaveSteps > 0:
		ratio := m.SaveSteps / m.EvalSteps
		if (m.SaveSteps < 1) != (m.EvalSteps < 1) || math.Abs(ratio-math.Round(ratio)) >= 1e-9 || ratio < 0.5 {
			return fmt.Sprintf("save_steps %v and eval_steps %v", m.SaveSteps, m.EvalSteps), "a multiple of eval_steps, so that what is saved was evaluated,"
		}
	}
	return "", ""
}

// loadsBest says whether the best of the checkpoints is handed over, where the
// run evaluates.
func (m *Saving) loadsBest() bool {
	if m.LoadBestModelAtEnd != nil {
		return *m.LoadBestModelAtEnd
	}
	found, _ := m.unscored()
	return found == "" && m.MetricForBestModel != ""
}

func (m *Saving) notices() []string {
	if found, _ := m.unscored(); m.LoadBestModelAtEnd == nil && m.DoEval && found != "" {
		return []string{fmt.Sprintf("load_best_model_at_end: off, since %s leave checkpoints without a score; the model of the last step is handed over", found)}
	}
	return nil
}
