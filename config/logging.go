package config

import (
	"fmt"
	"slices"
)

// Logging says what a run shows.
type Logging struct {
	LoggingSteps float64  // below 1: of all steps
	ReportTo     []string // "none", "tensorboard", "mlflow" or "all"
	DisableTqdm  bool     // no progress bars
}

// DefaultLogging logs every 10 steps, as LocalRQA.
func DefaultLogging() Logging { return Logging{LoggingSteps: 10, ReportTo: []string{"none"}} }

// TensorBoard says whether event files are wanted.
func (m *Logging) TensorBoard() bool {
	return slices.Contains(m.ReportTo, "tensorboard") || slices.Contains(m.ReportTo, "all")
}

// MLflow says whether MLflow's server, or its files, are told.
func (m *Logging) MLflow() bool { return slices.Contains(m.ReportTo, "mlflow") }

func (m *Logging) declare(s *set) {
	s.section("Logging")
	s.number(&m.LoggingSteps, "logging_steps", "steps from one line of the log to the next; below 1, a part of all steps")
	s.list(&m.ReportTo, "report_to", "none|tensorboard|mlflow", "what to write besides metrics.jsonl, train.log and report.html: TensorBoard's event files, or the run to the MLflow server of MLFLOW_TRACKING_URI (without one, to MLflow's files in output_dir/mlruns)")
	s.boolean(&m.DisableTqdm, "disable_tqdm", "plain lines instead of progress bars, as in a pipe")
}

func (m *Logging) check(p *problems) { p.wholeOrPart(m.LoggingSteps, false, "logging_steps") }

func (m *Logging) notices() []string {
	var said []string
	for _, to := range m.ReportTo {
		if !slices.Contains([]string{"none", "tensorboard", "mlflow", "all"}, to) {
			said = append(said, fmt.Sprintf("report_to: gorqa sends nothing to %s; metrics.jsonl holds every figure, --report_to tensorboard writes event files, which wandb sync --sync-tensorboard takes too, --report_to mlflow tells MLflow (ignored)", to))
		}
	}
	return said
}
