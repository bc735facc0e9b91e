package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"gorqa/config"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
)

// Ask answers a question, or each line of the standard input, from the
// documents, and names the passages that the answer stands on. Each line stands
// alone: it follows on the turns of the history, where there are any, and not on
// other lines.
func Ask(ctx context.Context, c config.Ask, s Streams) (err error) {
	var history []dataset.Turn
	if c.HistoryFile != "" {
		if history, err = dataset.ReadTurns(c.HistoryFile); err != nil {
			return err
		}
	}
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	scoring := config.DefaultScoring()
	scoring.PerDeviceEvalBatchSize = 1
	ready := newChecks(ctx, answering(c.Answering, scoring, c.Seed), show)
	if err := ready.run(ctx); err != nil {
		return err
	}
	x, err := ready.openAnswering(ctx, ready.c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.close(), x.generator.Loaded().Params.Free()) }()
	var errs []error
	for _, p := range qa.UnknownSpeakers(x.generator.Loaded().Encoder.Template, c.HistoryFile, 0, history) {
		errs = append(errs, p)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if c.Question != "" {
		return x.ask(ctx, c.Question, history, s.Out)
	}
	for input := range lines(ctx, s.In) {
		if input.err != nil {
			return input.err
		}
		if question := strings.TrimSpace(string(input.line)); question != "" {
			if err := x.ask(ctx, question, history, s.Out); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// ask retrieves, answers, and writes the answer with its sources, and what they
// were found by where that is not the question.
func (x *evaluation) ask(ctx context.Context, question string, history []dataset.Turn, out io.Writer) error {
	q := evaluate.Query{Question: question, History: history, Context: evaluate.Retrieved}
	search, err := x.options.Searches(ctx, []evaluate.Query{q})
	if err != nil {
		return err
	}
	hits, err := x.retriever.TopK(ctx, search, x.options.TopK)
	if err != nil {
		return err
	}
	for _, h := range hits[0] {
		q.Passages = append(q.Passages, x.retriever.Documents()[h.Index])
	}
	answers, err := x.generator.Generate(ctx, []evaluate.Query{q})
	if err != nil {
		return err
	}
	var sources strings.Builder
	if search[0] != question {
		fmt.Fprintf(&sources, "  (asked: %s)\n", line(search[0]))
	}
	for i, h := range hits[0] {
		share := ""
		if s := answers[0].Shares; s != nil {
			share = fmt.Sprintf("%3.0f%% of the answer  ", 100*s[i])
		}
		fmt.Fprintf(&sources, "  [%d] %.3f  %s%s\n", i+1, h.Score, share, title(q.Passages[i].Text()))
	}
	_, err = io.WriteString(out, report.Clean(fmt.Sprintf("%s\n\nFrom:\n%s", answers[0].Text, sources.String())))
	return err
}

// title is the first two lines of a passage, which name where it is from.
func title(text string) string {
	lines := strings.SplitN(text, "\n", 3)
	if len(lines) > 2 {
		lines = lines[:2]
	}
	return strings.Join(lines, ", ")
}
