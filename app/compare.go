package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gorqa/config"
	"gorqa/files/modelfile"
	"gorqa/report"
	"gorqa/text/evaluate"
	"gorqa/text/evaluate/human"
)

// changeMetric orders the rows that changed.
const changeMetric = evaluate.AnswerF1

// Compare holds the predictions of runs against those of the first one.
func Compare(ctx context.Context, c config.Compare, s Streams) error {
	all := make([][]evaluate.Prediction, len(c.Runs))
	said, err := annotationsOf(c)
	if err != nil {
		return err
	}
	for i, run := range c.Runs {
		if all[i], err = readRun(run, said); err != nil {
			return err
		}
	}
	opt := evaluate.DefaultCompareOptions()
	opt.Seed = uint64(c.Seed)
	out := comparison{First: c.Runs[0], Level: opt.Level, Samples: opt.Samples, Seed: c.Seed}
	for i, run := range c.Runs[1:] {
		r, err := against(ctx, all[0], all[i+1], opt, c.Rows)
		if err != nil {
			return fmt.Errorf("%s and %s: %w", c.Runs[0], run, err)
		}
		r.Run = run
		if r.Preferred, err = preferred(all[0], all[i+1], said, opt); err != nil {
			return err
		}
		out.Runs = append(out.Runs, r)
	}
	if c.JSON {
		return writeObject(s.Out, out)
	}
	return out.print(s.Out)
}

// writeObject writes a command's result for machines.
func writeObject(out io.Writer, result any) error {
	enc := json.NewEncoder(&report.CleanJSON{Out: out})
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(result)
}

// readRun reads the predictions of a run, or of several with commas between, of which
// each row then has its mean scores.
func readRun(run string, said []human.Annotation) ([]evaluate.Prediction, error) {
	var runs [][]evaluate.Prediction
	for _, path := range partsOf(run) {
		_, predictions, err := readPredictions(path)
		if err != nil {
			return nil, err
		}
		runs = append(runs, human.Score(predictions, said))
	}
	mean, err := evaluate.Average(runs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", run, err)
	}
	return mean, nil
}

// partsOf are the runs that stand for one.
func partsOf(run string) []string {
	if _, err := os.Stat(run); err != nil {
		return strings.Split(run, ",")
	}
	return []string{run}
}

// annotationsOf are what people said of the answers of runs: those beside their
// predictions, and those of the files that are named.
func annotationsOf(c config.Compare) (all []human.Annotation, err error) {
	paths := slices.Clone(c.Annotations)
	for _, run := range c.Runs {
		for _, part := range partsOf(run) {
			if path := annotationsBeside(part); !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	for i, path := range paths {
		if i < len(c.Annotations) && !modelfile.Exists(path) {
			return nil, fmt.Errorf("annotations: %s is not there; a file of gorqa review expected", path)
		}
		said, err := human.Read(path)
		if err != nil {
			return nil, err
		}
		all = append(all, said...)
	}
	return all, nil
}

// preferred is how often people prefer a run's answers to the first one's; nil where
// nobody was asked.
func preferred(first, run []evaluate.Prediction, all []human.Annotation, opt evaluate.CompareOptions) (*human.Wins, error) {
	if !slices.ContainsFunc(all, func(a human.Annotation) bool { return a.Other != nil }) {
		return nil, nil
	}
	items, err := human.Items([]human.Source{{Predictions: first}, {Predictions: run}})
	if err != nil {
		return nil, err
	}
	said, _ := human.Match(items, all)
	if w, ok := human.WinRate(said.Values(len(items), human.Preference), opt); ok {
		return &w, nil
	}
	return nil, nil
}

// comparison is what gorqa compare --json writes.
type comparison struct {
	First   string    `json:"first"` // the run that others are held against
	Level   float64   `json:"level"`
	Samples int       `json:"samples"`
	Seed    int64     `json:"seed"`
	Runs    []runDiff `json:"runs"`
}

// runDiff is one run against the first one.
type runDiff struct {
	Run       string       `json:"run"`
	Missing   []rowName    `json:"missing"` // rows of the first run that this one lacks
	Extra     []rowName    `json:"extra"`   // rows that the first run lacks
	Metrics   []metricDiff `json:"metrics"`
	Preferred *human.Wins  `json:"preferred,omitempty"` // by people who saw both
	Changed   []rowDiff    `json:"changed"`
}

type rowName struct {
	Context  evaluate.Context `json:"context"`
	Question string           `json:"question"`
}

type metricDiff struct {
	Context    evaluate.Context `json:"context"`
	Metric     evaluate.Metric  `json:"metric"`
	Rows       int              `json:"rows"`
	First      float64          `json:"first"`
	This       float64          `json:"this"`
	Difference float64          `json:"difference"`
	Low        float64          `json:"low"`
	High       float64          `json:"high"`
}

// apart says whether the interval leaves out 0.
func (m metricDiff) apart() bool { return m.Low > 0 || m.High < 0 }

// rowDiff is a row whose score changed much.
type rowDiff struct {
	Context  evaluate.Context `json:"context"`
	Question string           `json:"question"`
	History  []string         `json:"chat_history"` // "speaker: message"
	Gold     string           `json:"gold_answer"`
	First    answerScore      `json:"first"`
	This     answerScore      `json:"this"`
}

type answerScore struct {
	Answer string  `json:"answer"`
	F1     float64 `json:"f1"`
}

// against compares a run with the first one in every metric of both, and names
// the rows of each context that changed most, as many as asked for.
func against(ctx context.Context, first, run []evaluate.Prediction, opt evaluate.CompareOptions, rows int) (runDiff, error) {
	pairs, onlyFirst, onlyRun := evaluate.Match(first, run)
	d := runDiff{Missing: names(onlyFirst), Extra: names(onlyRun), Metrics: []metricDiff{}, Changed: []rowDiff{}}
	metrics := evaluate.Metrics(pairs)
	if len(metrics) == 0 {
		metrics = []evaluate.Metric{changeMetric} // says what is the matter
	}
	for _, metric := range metrics {
		if err := ctx.Err(); err != nil {
			return d, err
		}
		found, err := evaluate.Compare(pairs, metric, opt)
		if err != nil {
			return d, err
		}
		for _, c := range found {
			d.Metrics = append(d.Metrics, metricDiff{
				Context: c.Context, Metric: metric, Rows: c.Rows, First: c.A, This: c.B, Difference: c.Delta, Low: c.Low, High: c.High,
			})
			if metric == changeMetric {
				for _, p := range c.Changed[:min(rows, len(c.Changed))] {
					d.Changed = append(d.Changed, newRowDiff(p))
				}
			}
		}
	}
	return d, nil
}

func names(predictions []evaluate.Prediction) []rowName {
	out := make([]rowName, len(predictions))
	for i, p := range predictions {
		out[i] = rowName{p.Context, p.Question}
	}
	return out
}

func newRowDiff(p evaluate.Pair) rowDiff {
	d := rowDiff{
		Context: p.A.Context, Question: p.A.Question, History: []string{}, Gold: p.A.GoldAnswer,
		First: answerScore{p.A.GeneratedAnswer, p.A.Scores[changeMetric]}, This: answerScore{p.B.GeneratedAnswer, p.B.Scores[changeMetric]},
	}
	for _, t := range p.A.History {
		d.History = append(d.History, t.Speaker+": "+t.Message)
	}
	return d
}

// print writes the comparison for people.
func (c comparison) print(w io.Writer) error {
	var out strings.Builder
	for _, r := range c.Runs {
		fmt.Fprintf(&out, "%s against %s\n", r.Run, c.First)
		left(&out, r.Run, c.First, r.Missing)
		left(&out, c.First, r.Run, r.Extra)
		var contexts []evaluate.Context
		for _, m := range r.Metrics {
			if !slices.Contains(contexts, m.Context) {
				contexts = append(contexts, m.Context)
			}
		}
		for _, context := range contexts {
			fmt.Fprintln(&out)
			var table [][]string
			for _, m := range r.Metrics {
				if m.Context != context {
					continue
				}
				row := []string{string(m.Metric), fmt.Sprint(m.Rows), fmt.Sprintf("%.4f", m.First), fmt.Sprintf("%.4f", m.This), fmt.Sprintf("%+.4f", m.Difference), fmt.Sprintf("%+.4f to %+.4f", m.Low, m.High)}
				if m.apart() {
					row = append(row, "*")
				}
				table = append(table, row)
			}
			out.WriteString(report.Format([]string{string(context), "rows", "first", "this", "difference", fmt.Sprintf("%g%% interval", 100*c.Level), " "}, table))
			for _, d := range r.Changed {
				if d.Context == context {
					d.print(&out, c.First, r.Run)
				}
			}
		}
		if r.Preferred != nil {
			out.WriteString("\n" + report.Format(winHead(fmt.Sprintf("%g%% interval", 100*c.Level)), [][]string{winRow(*r.Preferred)}))
		}
		fmt.Fprintln(&out)
	}
	fmt.Fprintf(&out, "* the interval of the difference, by paired bootstrap (%d samples, seed %d), leaves out 0\n", c.Samples, c.Seed)
	_, err := io.WriteString(w, report.Clean(out.String()))
	return err
}

// left names rows that a run lacks.
func left(out *strings.Builder, run, of string, rows []rowName) {
	const shown = 5
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(out, "%s lacks %d rows of %s, which are left out:\n", run, len(rows), of)
	for _, r := range rows[:min(shown, len(rows))] {
		fmt.Fprintf(out, "  %s: %s\n", r.Context, line(r.Question))
	}
	if more := len(rows) - shown; more > 0 {
		fmt.Fprintf(out, "  and %d more\n", more)
	}
}

func (d rowDiff) print(out *strings.Builder, first, run string) {
	fmt.Fprintf(out, "\n  %s\n", line(d.Question))
	for _, turn := range d.History {
		fmt.Fprintf(out, "    after   %s\n", line(turn))
	}
	fmt.Fprintf(out, "    gold    %s\n", line(d.Gold))
	fmt.Fprintf(out, "    %.4f  %s  (%s)\n", d.First.F1, line(d.First.Answer), first)
	fmt.Fprintf(out, "    %.4f  %s  (%s)\n", d.This.F1, line(d.This.Answer), run)
}

// line is a text in one line.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }
