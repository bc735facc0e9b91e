package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"gorqa/config"
	"gorqa/files/endpoint"
	"gorqa/files/endpoint/chatmodel"
	"gorqa/files/replies"
	"gorqa/files/wheel"
	"gorqa/files/whole"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/convert"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/questions"
	"gorqa/text/retrieve"
)

// droppedFile has the questions that were not kept, with their reasons.
const droppedFile = "dropped.jsonl"

// DataQA has a model write questions about passages, and makes a data set of those that
// are good.
func DataQA(ctx context.Context, c config.DataQA, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	release, err := takeFolder(c.OutputDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if _, err := convert.Held(c.OutputDir, c.OverwriteOutputDir || c.DryRun); err != nil {
		return err
	}
	docs, err := dataset.ReadDocuments(ctx, c.Documents)
	if err != nil {
		return err
	}
	plan, err := questions.NewPlan(docs, questionOptions(c))
	if err != nil {
		return fmt.Errorf("%s: %w", c.Documents, err)
	}
	if c.DryRun {
		return dryRun(ctx, c, plan, show)
	}
	ready := writing(ctx, c, plan, show)
	if err := ready.run(ctx); err != nil {
		return err
	}
	found, done, err := ready.questionRetriever(ctx, c, plan)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	requests, err := plan.Requests(ctx, found)
	if err != nil {
		return err
	}
	sayPlan(show, c, plan, requests)
	written, err := ready.write(ctx, c, requests)
	if err != nil {
		return err
	}
	set, err := plan.Set(ctx, found, written)
	if err != nil {
		return err
	}
	return writeQuestions(c, plan, set, show)
}

func questionOptions(c config.DataQA) questions.Options {
	o := questions.Options{
		Shares: map[questions.Kind]float64{}, Lines: c.Lines(), PerPassage: c.QuestionsPerPassage, Most: c.MaxQuestions, Compared: c.PassagesPerQuestion,
		EvalShare: c.EvalShare, TestShare: c.TestShare, Sections: c.SplitBy == "section", Seed: c.Seed,
		LeastWords: c.MinPassageWords, MostQuestion: c.MaxQuestionWords, MostAnswer: c.MaxAnswerWords,
		Among: c.FoundAmong, HardNegs: c.HardNegDocs, Abstain: c.AbstainAnswer,
	}
	for kind, share := range c.Shares() {
		o.Shares[questions.Kind(kind)] = share
	}
	return o
}

// dryRun says what would be asked for; what is compared is found by words, which is quick.
func dryRun(ctx context.Context, c config.DataQA, plan *questions.Plan, show *report.Run) error {
	words, err := retrieve.NewBM25(plan.Documents(), retrieve.DefaultBM25Options())
	if err != nil {
		return err
	}
	requests, err := plan.Requests(ctx, words)
	if err == nil {
		sayPlan(show, c, plan, requests)
	}
	return err
}

// writing are the checks of what is loaded here: the model that writes, and the one that
// embeds.
func writing(ctx context.Context, c config.DataQA, plan *questions.Plan, show *report.Run) *checks {
	a := config.DefaultAnswering()
	a.Model, a.Engine, a.Hub = c.Model, c.Engine, c.Hub
	scoring := config.DefaultScoring()
	scoring.PerDeviceEvalBatchSize, scoring.EvalContexts = c.MaxNumSeqs, []string{string(evaluate.Gold)}
	only := answering(a, scoring, c.Seed)
	only.EvalMaxNewTokens = c.Tokens()
	only.FullDatasetFilePath, only.FullDatasetIndexPath, only.EvalEmbeddingModel, only.Similarity = c.Documents, c.FullDatasetIndexPath, c.EmbeddingModel, c.Similarity
	ready := newChecks(ctx, only, show)
	ready.documents = func() ([]dataset.Document, error) { return plan.Documents(), nil }
	ready.index = c.EmbeddingModel != ""
	ready.noEngine = c.EmbeddingModel == "" && c.ModelNameOrPath == ""
	return ready
}

// questionRetriever finds the passages of questions; done closes it.
func (d *checks) questionRetriever(ctx context.Context, c config.DataQA, plan *questions.Plan) (_ retrieve.Retriever, done func() error, err error) {
	if c.EmbeddingModel == "" {
		words, err := retrieve.NewBM25(plan.Documents(), retrieve.DefaultBM25Options())
		return words, func() error { return nil }, err
	}
	found, err := d.openRetriever(ctx, d.c.Database)
	if err != nil {
		return nil, nil, err
	}
	return found.retriever, found.passages.Close, nil
}

// bytesPerToken is about what a token of English has.
const bytesPerToken = 4

// sayPlan tells what is asked for, before it is.
func sayPlan(show *report.Run, c config.DataQA, plan *questions.Plan, requests []questions.Request) {
	read := 0
	for _, r := range requests {
		read += len(r.System) + len(r.Task) + len(r.Begin)
		for _, p := range r.Passages {
			read += len(p.Text())
		}
	}
	var kinds []string
	counts := plan.Count()
	for _, k := range questions.Kinds() {
		if counts[k] > 0 {
			kinds = append(kinds, fmt.Sprintf("%d %s", counts[k], k))
		}
	}
	show.Say("%d requests, with about %s tokens to read and at most %s to write: %s", len(requests), about(read/bytesPerToken), about(len(requests)*c.Tokens()), strings.Join(kinds, ", "))
}

// about is a number without what nobody can know of it.
func about(n int) string {
	switch {
	case n >= 1_000_000:
		return fmt.Sprintf("%.1f million", float64(n)/1e6)
	case n >= 1000:
		return fmt.Sprintf("%d thousand", (n+500)/1000)
	}
	return fmt.Sprint(n)
}

// write has the model reply to all requests.
func (d *checks) write(ctx context.Context, c config.DataQA, requests []questions.Request) (_ []questions.Reply, err error) {
	w, free, err := d.openWriter(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, free()) }()
	cache, err := wheel.Cache()
	if err != nil {
		return nil, err
	}
	folder := replies.Folder(filepath.Join(cache, "replies"))
	if err := folder.Make(); err != nil {
		return nil, fmt.Errorf("the folder of replies: %w", err)
	}
	progress := d.show.Progress()
	defer progress.End()
	m := meter{show: d.show, total: len(requests), tell: 2 * max(c.Concurrency, c.MaxNumSeqs), began: time.Now()}
	all, err := questions.Ask(ctx, questions.Kept(w, folder), requests, func(done int, r questions.Reply) {
		progress.Set("Replies", done, len(requests))
		m.count(r)
	})
	if err != nil {
		return nil, fmt.Errorf("%w\nthe replies so far are kept; the same command goes on", err)
	}
	m.end()
	return all, nil
}

// openWriter opens the model that writes; free frees it.
func (d *checks) openWriter(ctx context.Context, c config.DataQA) (w questions.Writer, free func() error, err error) {
	if c.WriterModel != "" {
		opt := chatmodel.Options{Options: endpoint.Default(), Model: c.WriterModel}
		if err := opt.Validate(); err != nil {
			return nil, nil, fmt.Errorf("writer_model: %w", err)
		}
		return questions.NewEndpoint(opt, c.Concurrency), func() error { return nil }, nil
	}
	g, err := d.openGenerator(ctx, d.c)
	if err != nil {
		return nil, nil, err
	}
	g.Describe(c.ModelNameOrPath, d.device.Engine, d.show)
	name, err := nameByContent(ctx, g.Loaded().Origin)
	if err != nil {
		return nil, nil, errors.Join(err, g.Loaded().Params.Free())
	}
	return qa.NewWriter(g, name, generationOptions(d.c.Generation, c.MaxNumSeqs, c.Seed)), g.Loaded().Params.Free, nil
}

// nameByContent names a model by what its files hold: another one may come to lie where
// it lay.
func nameByContent(ctx context.Context, from qa.Origin) (string, error) {
	name := "local"
	for _, path := range []string{from.Base, from.Adapter} {
		if path == "" {
			continue
		}
		fact, err := contentOf(ctx, path, sampledBytes)
		if err != nil {
			return "", err
		}
		name += " " + filepath.Base(path) + " " + fact.Hash
	}
	if from.Bits > 0 {
		name += fmt.Sprintf(" in %d bits", from.Bits)
	}
	return name, nil
}

// meter says, from the first new replies, what the others will take.
type meter struct {
	show        *report.Run
	total       int // requests
	tell        int // new replies after which it says so
	began       time.Time
	kept, fresh int
	read, wrote int // tokens of new replies
	failed      int
}

func (m *meter) count(r questions.Reply) {
	switch {
	case r.Err != nil:
		m.failed++
		return
	case r.Kept:
		m.kept++
		return
	}
	m.fresh++
	m.read, m.wrote = m.read+r.PromptTokens, m.wrote+r.Tokens
	if left := m.total - m.kept - m.fresh - m.failed; m.fresh == m.tell && left > 0 {
		each := time.Since(m.began) / time.Duration(m.fresh)
		m.show.Say("The first %d replies: %.2g s each, %d tokens read and %d written; the other %d take about %v, with %s tokens read and %s written",
			m.fresh, each.Seconds(), m.read, m.wrote, left, (each * time.Duration(left)).Round(time.Second), about(left*m.read/m.fresh), about(left*m.wrote/m.fresh))
	}
}

func (m *meter) end() {
	m.show.Say("%d replies in %v, %d of them kept from before; %d tokens read, %d written", m.total-m.failed, time.Since(m.began).Round(time.Second/10), m.kept, m.read, m.wrote)
	if m.failed > 0 {
		m.show.Warn("%d requests failed; %s says why; with --overwrite_output_dir the same command makes them again, and those alone", m.failed, droppedFile)
	}
}

// writeQuestions writes the data set and says what became of the questions.
func writeQuestions(c config.DataQA, plan *questions.Plan, set *questions.Set, show *report.Run) error {
	rows := map[string][]dataset.Example{convert.TrainFile: set.Rows[questions.Train], convert.EvalFile: set.Rows[questions.Eval], convert.TestFile: set.Rows[questions.Test]}
	err := whole.File(filepath.Join(c.OutputDir, droppedFile), func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for _, d := range set.Dropped {
			if err := enc.Encode(d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	sayDropped(show, set)
	if len(rows[convert.TrainFile]) == 0 {
		return fmt.Errorf("no question to train on is left of those asked for; %s says why of each; another model, more passages, or a larger --found_among expected", filepath.Join(c.OutputDir, droppedFile))
	}
	if err := convert.Write(c.OutputDir, rows, plan.Documents(), c.OverwriteOutputDir); err != nil {
		return err
	}
	show.Say("%s: %d rows to train on, %d to evaluate, %d to test, over %d documents", c.OutputDir, len(rows[convert.TrainFile]), len(rows[convert.EvalFile]), len(rows[convert.TestFile]), len(plan.Documents()))
	if n := set.Kept[questions.Unanswerable]; n > 0 {
		show.Say("%d questions are unanswerable: the passages that answer them are not among these documents", n)
	}
	show.Say("%s", trainingOn(c.OutputDir, rows))
	return nil
}

// trainingOn is a command to try the files of a data set with: one epoch, where LocalRQA's
// default, seven, would take hours without a GPU.
func trainingOn(dir string, rows map[string][]dataset.Example) string {
	command := "Train on it: gorqa train swr --model_name_or_path MODEL --train_file " + filepath.Join(dir, convert.TrainFile)
	if len(rows[convert.EvalFile]) > 0 {
		command += " --eval_file " + filepath.Join(dir, convert.EvalFile)
	} else {
		command += " --do_eval false"
	}
	if len(rows[convert.TestFile]) > 0 {
		command += " --test_file " + filepath.Join(dir, convert.TestFile)
	}
	return command + " --full_dataset_file_path " + filepath.Join(dir, convert.DocumentsFile) + " --embedding_model all-MiniLM-L6-v2 --num_train_epochs 1 --output_dir RUN"
}

// sayDropped is a table of what was kept and why the rest was not.
func sayDropped(show *report.Run, set *questions.Set) {
	counts := map[questions.Reason]int{}
	for _, d := range set.Dropped {
		counts[d.Reason]++
	}
	kept := 0
	for _, n := range set.Kept {
		kept += n
	}
	all := kept + len(set.Dropped)
	part := func(what string, n int) []string {
		return []string{what, fmt.Sprint(n), fmt.Sprintf("%.0f%%", 100*float64(n)/float64(max(all, 1)))}
	}
	rows := [][]string{part("kept", kept)}
	for _, r := range questions.Reasons() {
		if counts[r] > 0 {
			rows = append(rows, part(string(r), counts[r]))
		}
	}
	show.Table("Questions", []string{"", "questions", "share"}, rows)
}
