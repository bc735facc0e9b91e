package app

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"gorqa/config"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
)

// Ask answers a question, or each line of the standard input, from the documents, and
// names the passages that the answer stands on. Each line stands alone: it follows on
// the turns of the history, where there are any, and not on other lines. On a terminal
// it is a chat, whose questions follow on each other.
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
	a := &answerer{evaluation: x, how: generationOptions(c.Generation, 1, c.Seed), minScore: c.MinScore}
	if in, out, ok := terminals(s); ok && c.Question == "" && !c.JSON {
		return a.chat(ctx, in, out, history)
	}
	return a.all(ctx, c, history, s)
}

// all answers the question, or each line of the input.
func (x *answerer) all(ctx context.Context, c config.Ask, history []dataset.Turn, s Streams) error {
	var none NoAnswer
	ask := func(question string) error {
		a, err := x.one(ctx, question, history, c.JSON, s.Out)
		if none.Of++; err == nil && !a.Answered {
			none.Questions++
		}
		return err
	}
	if c.Question != "" {
		if err := ask(c.Question); err != nil {
			return err
		}
	} else {
		for input := range lines(ctx, s.In) {
			if input.err != nil {
				return input.err
			}
			if question := strings.TrimSpace(string(input.line)); question != "" {
				if err := ask(question); err != nil {
					return err
				}
			}
		}
	}
	if err := ctx.Err(); err != nil || none.Questions == 0 {
		return err
	}
	return none
}

// one answers a question and writes the answer.
func (x *answerer) one(ctx context.Context, question string, history []dataset.Turn, asJSON bool, out io.Writer) (*answer, error) {
	told := &growing{out: out}
	if asJSON {
		told.out = io.Discard
	}
	a, err := x.answer(ctx, question, history, told.take)
	switch {
	case err != nil:
		return nil, err
	case asJSON:
		return a, a.writeJSON(out)
	}
	_, err = io.WriteString(out, a.rest())
	return a, err
}

// terminals are the input and the output where both are one.
func terminals(s Streams) (in, out *os.File, ok bool) {
	in, isFile := s.In.(*os.File)
	if out, ok = s.Out.(*os.File); !ok || !isFile {
		return nil, nil, false
	}
	return in, out, term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd()))
}
