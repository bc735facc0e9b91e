package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gorqa/config"
	"gorqa/files/modelfile"
	"gorqa/files/whole"
	"gorqa/report"
	"gorqa/review"
	"gorqa/text/evaluate"
	"gorqa/text/evaluate/human"
)

// annotationsName is where judgements lie, beside the predictions that they are of.
const annotationsName = "annotations.jsonl"

// Review shows answers to people and keeps what they say of them, or sums that up.
func Review(ctx context.Context, c config.Review, s Streams) (err error) {
	items, err := reviewed(c)
	if err != nil {
		return err
	}
	scales := human.DefaultScales()
	if c.Scales != "" {
		if scales, err = human.ReadScales(c.Scales); err != nil {
			return err
		}
	}
	path := cmp.Or(c.Annotations, annotationsBeside(c.Runs[0]))
	all, err := human.Read(path)
	if err != nil {
		return err
	}
	said, others := human.Match(items, all)
	if c.Summary {
		return summarise(items, said, others, scales, c, path, s)
	}
	o := review.Options{Items: items, Scales: scales, Said: said, Seed: c.Seed, Key: cmp.Or(c.APIKey, os.Getenv("GORQA_API_KEY")), Host: c.Host}
	if o.Key == "" && !c.Local() {
		return fmt.Errorf("host: %s found, which is open to others, and no key; GORQA_API_KEY in the environment (or --api_key) expected, or --host 127.0.0.1", c.Host)
	}
	if err := whole.ReadyFile(path); err != nil {
		return fmt.Errorf("annotations: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(c.Host, strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("%w; is another program there? Choose another one with --port", err)
	}
	file, err := human.Open(path)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	o.Keep = file.Add
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	if others > 0 {
		show.Say("%s: %d annotations are of other answers, or of other words than the predictions have now; they stay there", path, others)
	}
	show.Say("%d items to judge at http://%s; judgements are added to %s; Ctrl-C ends it", len(items), listener.Addr(), path)
	return review.New(o).Serve(ctx, listener)
}

// readPredictions reads the predictions of a run, or a file of them, and says where they lie.
func readPredictions(run string) (path string, predictions []evaluate.Prediction, err error) {
	info, err := os.Stat(run)
	switch path = filepath.Join(run, predictionsName); {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fmt.Errorf("%s: nothing found there; the output folder of gorqa train or gorqa eval expected, or a file of predictions", run)
	case err != nil || !info.IsDir():
		path = run
	case !modelfile.Exists(path):
		return "", nil, fmt.Errorf("%s: the folder has no %s; the output folder of a run that scored a test set expected, or a file of predictions: gorqa eval %s makes one of a trained model", run, predictionsName, run)
	}
	predictions, err = evaluate.ReadPredictions(path)
	return path, predictions, err
}

func annotationsBeside(run string) string {
	if info, err := os.Stat(run); err == nil && info.IsDir() {
		return filepath.Join(run, annotationsName)
	}
	return filepath.Join(filepath.Dir(run), annotationsName)
}

// reviewed are the items that the settings choose.
func reviewed(c config.Review) ([]human.Item, error) {
	var sources []human.Source
	for _, run := range c.Runs {
		path, predictions, err := readPredictions(run)
		if err != nil {
			return nil, err
		}
		sources = append(sources, human.Source{File: path, Predictions: slices.DeleteFunc(predictions, func(p evaluate.Prediction) bool {
			return len(c.EvalContexts) > 0 && !slices.Contains(c.EvalContexts, string(p.Context))
		})})
	}
	items, err := human.Items(sources)
	if err != nil {
		return nil, err
	}
	chosen, err := c.Included()
	if err != nil {
		return nil, err
	}
	var kept []human.Item
	for i, item := range items {
		if chosen(i) {
			kept = append(kept, item)
		}
	}
	if len(kept) == 0 {
		return nil, fmt.Errorf("none of %d answers is left by include_idx %q and eval_contexts %q; one at least expected", len(items), c.IncludeIdx, strings.Join(c.EvalContexts, ","))
	}
	return kept, nil
}

// reviewSummary is what gorqa review --summary --json writes.
type reviewSummary struct {
	Annotations string            `json:"annotations"`
	Items       int               `json:"items"`
	Raters      []raterSummary    `json:"raters"`
	Others      int               `json:"other_annotations"` // of answers that are not among the items
	Scales      []human.Agreement `json:"scales"`
	Pairs       []pairSummary     `json:"pairs"`
	Level       float64           `json:"level"`
	Samples     int               `json:"samples"`
	Seed        int64             `json:"seed"`
}

type raterSummary struct {
	Rater string `json:"rater"`
	Items int    `json:"items"`
}

// pairSummary is how often people prefer a run to the first one.
type pairSummary struct {
	Run   string `json:"run"`
	First string `json:"first"`
	human.Wins
}

// summarise writes what has been judged.
func summarise(items []human.Item, said human.Said, others int, scales []human.Scale, c config.Review, path string, s Streams) error {
	opt := evaluate.DefaultCompareOptions()
	opt.Seed = uint64(c.Seed)
	sum := reviewSummary{
		Annotations: path, Items: len(items), Others: others, Raters: []raterSummary{}, Scales: []human.Agreement{}, Pairs: []pairSummary{},
		Level: opt.Level, Samples: opt.Samples, Seed: c.Seed,
	}
	for _, rater := range said.Raters() {
		sum.Raters = append(sum.Raters, raterSummary{rater, len(said[rater])})
	}
	if len(c.Runs) > 1 {
		sum.Pairs = winRates(items, said, opt)
	} else {
		for _, scale := range scales {
			if a, ok := human.Agree(scale.Name, said.Values(len(items), scale.Name), opt); ok {
				sum.Scales = append(sum.Scales, a)
			}
		}
	}
	if c.JSON {
		return writeObject(s.Out, sum)
	}
	_, err := io.WriteString(s.Out, report.Clean(sum.text()))
	return err
}

// winRates are those of each run against the first.
func winRates(items []human.Item, said human.Said, opt evaluate.CompareOptions) []pairSummary {
	values := said.Values(len(items), human.Preference)
	units := map[string][][]float64{}
	var runs []pairSummary
	for i, item := range items {
		if units[item.OtherFile] == nil {
			runs = append(runs, pairSummary{Run: item.OtherFile, First: item.File})
		}
		units[item.OtherFile] = append(units[item.OtherFile], values[i])
	}
	found := []pairSummary{}
	for _, run := range runs {
		if w, ok := human.WinRate(units[run.Run], opt); ok {
			run.Wins = w
			found = append(found, run)
		}
	}
	return found
}

func (r reviewSummary) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d items", r.Annotations, r.Items)
	for _, rater := range r.Raters {
		fmt.Fprintf(&b, "; %s judged %d", rater.Rater, rater.Items)
	}
	b.WriteString("\n")
	if r.Others > 0 {
		fmt.Fprintf(&b, "%d annotations are of other answers, or of other words than the predictions have now\n", r.Others)
	}
	if len(r.Scales)+len(r.Pairs) == 0 {
		b.WriteString("nothing is judged yet\n")
		return b.String()
	}
	interval := fmt.Sprintf("%g%% interval", 100*r.Level)
	if len(r.Scales) > 0 {
		var rows [][]string
		for _, a := range r.Scales {
			rows = append(rows, append([]string{a.Scale, fmt.Sprint(a.Items), fmt.Sprintf("%.3f", a.Mean), fmt.Sprintf("%.3f to %.3f", a.Low, a.High)}, alphas(a)...))
		}
		b.WriteString("\n" + report.Format([]string{"scale", "items", "mean", interval, "judged by several", "alpha, ordinal", "alpha, nominal"}, rows))
	}
	for _, p := range r.Pairs {
		fmt.Fprintf(&b, "\n%s against %s\n", p.Run, p.First)
		b.WriteString(report.Format(winHead(interval), [][]string{winRow(p.Wins)}))
	}
	how := fmt.Sprintf("intervals by bootstrap over items (%d samples, seed %d)", r.Samples, r.Seed)
	if len(r.Pairs) > 0 {
		how = "a tie counts half; intervals are Wilson's, over items"
	}
	fmt.Fprintf(&b, "\n%s; alpha is Krippendorff's, 1 where raters agree, 0 as by chance\n", how)
	return b.String()
}

func winHead(interval string) []string {
	return []string{"preferred", "items", "win rate", interval, "better", "ties", "worse", "judged by several", "alpha, ordinal", "alpha, nominal"}
}

// winRow is a win rate as a row; a tie counts half.
func winRow(w human.Wins) []string {
	return append([]string{
		"by people", fmt.Sprint(w.Items), fmt.Sprintf("%.3f", w.Rate), fmt.Sprintf("%.3f to %.3f", w.RateLow, w.RateHigh), fmt.Sprint(w.Second), fmt.Sprint(w.Ties), fmt.Sprint(w.First),
	}, alphas(w.Agreement)...)
}

func alphas(a human.Agreement) []string {
	cell := func(alpha *float64) string {
		if alpha == nil {
			return "-"
		}
		return fmt.Sprintf("%.3f", *alpha)
	}
	return []string{fmt.Sprint(a.Shared), cell(a.Ordinal), cell(a.Nominal)}
}
