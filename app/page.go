package app

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gorqa/report"
	"gorqa/text/evaluate"
	"gorqa/text/evaluate/human"
)

// shownRun is a run as its folder tells of it.
type shownRun struct {
	name          string
	record        *record // nil of a run of an older version
	settings      []setting
	metrics       map[string][]report.Point
	before, after []evaluate.Prediction
	warnings      []string
}

// pageOf is the page of the runs in folders, the first of which others are held against.
func pageOf(folders []string) (report.Page, error) {
	runs := make([]shownRun, len(folders))
	names := make([]string, len(folders))
	for i, dir := range folders {
		var err error
		if runs[i], err = readShown(dir); err != nil {
			return report.Page{}, err
		}
	}
	nameApart(runs, folders)
	for i, r := range runs {
		names[i] = r.name
	}
	p := report.Page{Title: strings.Join(names, ", ")}
	p.Facts = facts(runs)
	p.Folded = []report.Table{settingsOf(runs, "All settings", func([]string) bool { return true })}
	p.Curves = curvesOf(runs)
	var err error
	if p.Scores, err = scoresOf(runs); err != nil {
		return p, err
	}
	p.Rows = rowsOf(runs)
	return p, nil
}

// nameApart names runs by their folders, or, where two have the same name, by the paths
// that they were asked for by.
func nameApart(runs []shownRun, folders []string) {
	for i, dir := range folders {
		where, err := filepath.Abs(dir)
		if err != nil {
			where = dir
		}
		if runs[i].name = filepath.Base(where); runs[i].name == "eval" {
			runs[i].name = filepath.Join(filepath.Base(filepath.Dir(where)), "eval")
		}
	}
	for i := range runs {
		for j := range runs[:i] {
			if runs[i].name == runs[j].name {
				runs[i].name, runs[j].name = folders[i], folders[j]
			}
		}
	}
}

// readShown reads what a folder holds of a run; what is missing is not shown.
func readShown(dir string) (r shownRun, err error) {
	var errs [7]error
	r.record, errs[0] = readRecord(dir)
	r.settings, errs[1] = readSettings(filepath.Join(dir, argsFile))
	r.metrics, errs[2] = report.ReadMetrics(dir)
	r.warnings, errs[3] = report.ReadWarnings(dir)
	r.before, errs[4] = r.predictions(filepath.Join(dir, beforeName))
	r.after, errs[5] = r.predictions(filepath.Join(dir, predictionsName))
	said, err := human.Read(filepath.Join(dir, annotationsName))
	if errs[6] = err; len(said) > 0 {
		r.before, r.after = human.Score(r.before, said), human.Score(r.after, said)
	}
	return r, errors.Join(errs[:]...)
}

// predictions reads a file of the run's; none where it is not there, or is of another run
// that had its folder before.
func (r shownRun) predictions(path string) ([]evaluate.Prediction, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && r.record != nil && info.ModTime().Before(r.record.Began.Add(-time.Minute)) {
		return nil, nil
	}
	return evaluate.ReadPredictions(path)
}

// table is a table of facts, a column a run; rows that say nothing are left out.
func table(title string, runs []shownRun, rows ...[]string) report.Table {
	t := report.Table{Title: title}
	if len(runs) > 1 {
		t.Head = []string{""}
		for _, r := range runs {
			t.Head = append(t.Head, r.name)
		}
	}
	for _, row := range rows {
		if slices.ContainsFunc(row[1:], func(cell string) bool { return cell != "" }) {
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// fact is a row of a table.
func fact(name string, runs []shownRun, value func(r shownRun) string) []string {
	row := []string{name}
	for _, r := range runs {
		row = append(row, value(r))
	}
	return row
}

// recorded is a row of what runs' records say.
func recorded(name string, runs []shownRun, value func(r record) string) []string {
	return fact(name, runs, func(r shownRun) string {
		if r.record == nil {
			return ""
		}
		return value(*r.record)
	})
}

// facts are the tables at the top.
func facts(runs []shownRun) []report.Table {
	tables := []report.Table{
		table("Run", runs,
			recorded("command", runs, func(r record) string { return "gorqa " + r.Command }),
			recorded("began", runs, func(r record) string { return r.Began.Format("2006-01-02 15:04 MST") }),
			fact("duration", runs, shownRun.duration),
			fact("steps", runs, func(r shownRun) string {
				return r.last("loss", func(p report.Point) string { return fmt.Sprint(p.Step) })
			}),
			fact("test loss", runs, shownRun.testLoss),
			recorded("ended by", runs, func(r record) string { return r.Error }),
		),
		table("Model", runs,
			recorded("model", runs, func(r record) string { return r.Model.Name }),
			recorded("parameters", runs, func(r record) string { return millions(r.Model.Parameters) }),
			recorded("trained", runs, func(r record) string {
				if r.Model.Trained == r.Model.Parameters {
					return "all"
				}
				return millions(r.Model.Trained)
			}),
			recorded("dtype", runs, func(r record) string { return r.Model.DType }),
		),
		dataTable(runs),
		table("Machine", runs,
			recorded("processor", runs, func(r record) string { return r.Machine.Processor }),
			recorded("kernels", runs, func(r record) string { return r.Machine.ISA }),
			recorded("threads", runs, func(r record) string { return positive(r.Machine.Threads) }),
			recorded("memory", runs, func(r record) string { return r.Machine.Memory }),
			recorded("engine", runs, func(r record) string { return r.Machine.Engine }),
			recorded("system", runs, func(r record) string { return r.Machine.System }),
		),
		chosenSettings(runs),
	}
	var said [][]string
	for _, r := range runs {
		for i, w := range r.warnings {
			name := r.name
			if len(runs) == 1 {
				name = fmt.Sprint(i + 1)
			}
			said = append(said, []string{name, w})
		}
	}
	tables = append(tables, report.Table{Title: "Warnings", Rows: said})
	return slices.DeleteFunc(tables, func(t report.Table) bool { return len(t.Rows) == 0 })
}

func millions(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f million", float64(n)/1e6)
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// duration is as the record has it, or as far as the figures reach.
func (r shownRun) duration() string {
	if r.record == nil {
		return ""
	}
	d := time.Duration(r.record.Seconds * float64(time.Second)).Round(time.Second).String()
	if r.record.Ended == nil {
		return d + " at least; its end is not recorded"
	}
	return d
}

// last is what a figure came to.
func (r shownRun) last(name string, say func(report.Point) string) string {
	points := r.metrics[name]
	if len(points) == 0 {
		return ""
	}
	return say(points[len(points)-1])
}

func (r shownRun) testLoss() string {
	points := r.metrics["test_loss"]
	switch len(points) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("%.4f", points[0].Value)
	}
	return fmt.Sprintf("%.4f before, %.4f after", points[0].Value, points[len(points)-1].Value)
}

// dataTable says which rows runs took.
func dataTable(runs []shownRun) report.Table {
	var rows [][]string
	for _, setting := range []string{"train_file", "eval_file", "test_file"} {
		rows = append(rows, recorded(setting, runs, func(r record) string {
			i := slices.IndexFunc(r.Data, func(d data) bool { return d.Setting == setting })
			if i < 0 {
				return ""
			}
			d := r.Data[i]
			return fmt.Sprintf("%d rows, %d skipped, sha256 %.12s, %s", d.Rows, d.Skipped, d.Hash, d.Path)
		}))
	}
	for _, name := range []string{"full_dataset_file_path", "embedding_model", "eval_embedding_model", "eval_retriever"} {
		rows = append(rows, fact(name, runs, func(r shownRun) string { return r.setting(name) }))
	}
	rows = append(rows, fact("rows without room for an answer", runs, func(r shownRun) string {
		return r.last("test_rows/left_out", func(p report.Point) string { return fmt.Sprint(p.Value) })
	}))
	return table("Data", runs, rows...)
}

// colours tells lines of one drawing apart: by run where there are several, else by line.
func colours(runs []shownRun, run, line int) int {
	if len(runs) > 1 {
		return run
	}
	return line
}

// curvesOf are the drawings of runs laid over each other.
func curvesOf(runs []shownRun) (curves []report.Curve) {
	type line struct{ key, name string }
	for _, c := range []struct {
		title string
		exact bool
		lines []line
	}{
		{"Loss (nats a label token)", false, []line{{"loss", "train"}, {"eval_loss", "evaluation"}}},
		{"Learning rate", true, []line{{"learning_rate", ""}}},
		{"Gradient norm, before clipping", false, []line{{"grad_norm", ""}}},
		{"Tokens a second", false, []line{{"tokens_per_second", ""}}},
		{"Rows a second", false, []line{{"rows_per_second", ""}}},
		{"Peak memory (GB)", true, []line{{"memory_gb", ""}}},
		{"F1 on the evaluation set", false, []line{{"eval_gen/f1/avg_f1_ans", "retrieved"}, {"eval_gen_gold/f1/avg_f1_ans", "gold"}, {"eval_gen_none/f1/avg_f1_ans", "none"}, {"eval_gen_shuffled/f1/avg_f1_ans", "shuffled"}}},
		{"ROUGE-L on the evaluation set", false, []line{{"eval_gen/rouge/avg_rougeL_ans", "retrieved"}, {"eval_gen_gold/rouge/avg_rougeL_ans", "gold"}, {"eval_gen_none/rouge/avg_rougeL_ans", "none"}, {"eval_gen_shuffled/rouge/avg_rougeL_ans", "shuffled"}}},
	} {
		curve := report.Curve{Title: c.title, Exact: c.exact}
		for run, r := range runs {
			for i, l := range c.lines {
				name := l.name
				if len(runs) > 1 {
					name = strings.TrimSpace(r.name + " " + l.name)
				}
				if points := r.metrics[l.key]; len(points) > 0 {
					curve.Lines = append(curve.Lines, report.Line{Name: cmp.Or(name, c.title), Run: colours(runs, run, i), Dashed: i > 0, Points: points})
				}
			}
		}
		steps := map[int]bool{}
		for _, l := range curve.Lines {
			for _, p := range l.Points {
				steps[p.Step] = true
			}
		}
		if len(steps) > 1 { // an evaluation alone has no course
			curves = append(curves, curve)
		}
	}
	return curves
}
