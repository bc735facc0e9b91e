package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"gorqa/config"
	"gorqa/evaluate"
	"gorqa/report"
)

// Ask answers a question, or each line of the standard input, from the
// documents, and names the passages that the answer stands on.
func Ask(ctx context.Context, c config.Ask, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	scoring := config.DefaultScoring()
	scoring.PerDeviceEvalBatchSize = 1
	x, err := openAnswering(ctx, c.Model, c.Prompt, scoring, c.Database, c.Generation, c.Hub, c.Engine, c.Seed, show)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.close(), x.decoder.params.Free()) }()
	if c.Question != "" {
		return x.ask(ctx, c.Question, s.Out)
	}
	for input := range lines(ctx, s.In) {
		if input.err != nil {
			return input.err
		}
		if question := strings.TrimSpace(string(input.line)); question != "" {
			if err := x.ask(ctx, question, s.Out); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// ask retrieves, answers, and writes the answer with its sources.
func (x *evaluation) ask(ctx context.Context, question string, out io.Writer) error {
	hits, err := x.retriever.TopK(ctx, []string{question}, x.options.TopK)
	if err != nil {
		return err
	}
	q := evaluate.Query{Question: question, Context: evaluate.Retrieved}
	var sources strings.Builder
	for i, h := range hits[0] {
		doc := x.retriever.Documents()[h.Index]
		q.Passages = append(q.Passages, doc)
		fmt.Fprintf(&sources, "  [%d] %.3f  %s\n", i+1, h.Score, title(doc.Text()))
	}
	answers, err := x.decoder.Generate(ctx, []evaluate.Query{q})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n\nFrom:\n%s", answers[0], sources.String())
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
