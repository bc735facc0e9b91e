package qa

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorqa/text/evaluate"
	"gorqa/text/questions"
)

// Writer is a generator that writes questions: a decoder continues texts, and any does
// tasks with passages as it answers questions from them.
type Writer struct {
	generator Generator
	name      string
	options   GenerationOptions
}

// NewWriter writes as many texts at a time as the options say. The name identifies the
// model.
func NewWriter(g Generator, name string, o GenerationOptions) *Writer { return &Writer{g, name, o} }

// Name implements questions.Writer.
func (w *Writer) Name() string {
	name := fmt.Sprintf("%s, at most %d tokens", w.name, w.options.MaxNewTokens)
	if w.options.Sample {
		name += fmt.Sprintf(", temperature %v, top_p %v, top_k %d, seed %d", w.options.Temperature, w.options.TopP, w.options.TopK, w.options.Seed)
	}
	return name
}

// Write implements questions.Writer.
func (w *Writer) Write(ctx context.Context, requests []questions.Request, took func(int, questions.Reply) error) (err error) {
	stream, err := w.generator.Stream(w.options.BatchSize)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	var bad error // of took
	for next := 0; next < len(requests) || stream.Len() > 0; {
		for ; next < len(requests) && stream.Len() < w.options.BatchSize && bad == nil; next++ {
			i := next
			if err := w.ask(stream, requests[i], func(r questions.Reply) { bad = errors.Join(bad, took(i, r)) }); err != nil {
				bad = errors.Join(bad, took(i, questions.Reply{Err: err}))
			}
		}
		if bad != nil {
			return bad
		}
		if err := stream.Step(ctx); err != nil {
			return err
		}
	}
	return errors.Join(bad, ctx.Err())
}

// ask lets a request into the stream. A text that is continued ends with its line.
func (w *Writer) ask(stream Stream, r questions.Request, took func(questions.Reply)) error {
	prompt, ended := 0, false
	hear := func(line bool) func(Said) bool {
		return func(s Said) bool {
			if ended {
				return false
			}
			text, more := s.Text, false
			if line {
				text, _, more = strings.Cut(strings.TrimLeft(text, "\n "), "\n")
			}
			if ended = s.Ended || more; ended {
				took(questions.Reply{Text: text, PromptTokens: prompt, Tokens: s.Tokens})
			}
			return !ended
		}
	}
	var err error
	if _, decoder := w.generator.(*decoder); r.Begin != "" && decoder {
		prompt, err = stream.Continue(r.Begin, w.options, hear(true))
		return err
	}
	q := evaluate.Query{Question: r.Begin, Context: evaluate.Gold}
	if r.Begin == "" {
		q.Question, q.Passages = r.System+"\n\n"+r.Task, r.Passages
	}
	prompt, err = stream.Ask(q, w.options, hear(r.Begin != ""))
	return err
}
