package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/retrieve"
)

// NoAnswer is the error of questions that the documents hold no answer to.
type NoAnswer struct{ Questions, Of int }

func (n NoAnswer) Error() string {
	if n.Of == 1 {
		return "no answer in the documents"
	}
	return fmt.Sprintf("no answer in the documents to %d of %d questions", n.Questions, n.Of)
}

// answerer answers one question after the other.
type answerer struct {
	*evaluation
	how      qa.GenerationOptions
	minScore *float64
}

// answer is what a question came to, as --json writes it.
type answer struct {
	Question  string     `json:"question"`
	Search    string     `json:"search,omitempty"` // what the retriever was asked, where that is not the question
	Answer    string     `json:"answer"`
	Answered  bool       `json:"answered"`
	Reason    string     `json:"reason,omitempty"` // why it is not
	Finish    string     `json:"finish_reason"`    // stop, length or none
	Citations []citation `json:"citations"`
	Usage     struct {
		Prompt int `json:"prompt_tokens"`
		Answer int `json:"completion_tokens"`
		Total  int `json:"total_tokens"`
	} `json:"usage"`
	Seconds struct {
		Retrieval float64  `json:"retrieval"`
		First     *float64 `json:"first_token"` // from the question
		Total     float64  `json:"total"`
	} `json:"seconds"`
}

// citation is a passage that an answer was given, named as in what gorqa serve sends.
type citation struct {
	Document int            `json:"document"`
	Score    float64        `json:"score"`
	Share    *float64       `json:"share,omitempty"` // of the answer
	Text     string         `json:"text"`
	Metadata map[string]any `json:"metadata"`
}

// find is what the retriever is asked for questions, and what it finds.
func (x *evaluation) find(ctx context.Context, queries []evaluate.Query) (search []string, hits [][]retrieve.Hit, err error) {
	if search, err = x.options.Searches(ctx, queries); err != nil {
		return nil, nil, err
	}
	hits, err = x.retriever.TopK(ctx, search, x.options.TopK)
	return search, hits, err
}

// answer retrieves and answers; text is told the answer as it is written. Below the
// score that is asked for the model is not asked.
func (x *answerer) answer(ctx context.Context, question string, history []dataset.Turn, text func(string, bool) error) (*answer, error) {
	began := time.Now()
	a := &answer{Question: question, Finish: "none", Citations: []citation{}}
	q := evaluate.Query{Question: question, History: history, Context: evaluate.Retrieved}
	search, hits, err := x.find(ctx, []evaluate.Query{q})
	if err != nil {
		return nil, err
	}
	if search[0] != question {
		a.Search = search[0]
	}
	if q.Passages, err = retrieve.ReadHits(ctx, x.retriever.Documents(), hits[0]); err != nil {
		return nil, err
	}
	for i, h := range hits[0] {
		d := q.Passages[i]
		a.Citations = append(a.Citations, citation{Document: h.Index, Score: float64(h.Score), Text: d.Text(), Metadata: d.Metadata})
	}
	a.Seconds.Retrieval = time.Since(began).Seconds()
	switch {
	case len(a.Citations) == 0:
		a.Reason = "nothing was found in the documents"
	case x.minScore != nil && !(a.Citations[0].Score >= *x.minScore):
		a.Reason = fmt.Sprintf("the best passage scores %.3g, less than min_score %.3g", a.Citations[0].Score, *x.minScore)
	default:
		if err := x.write(ctx, q, a, began, text); err != nil {
			return nil, err
		}
	}
	a.Seconds.Total = time.Since(began).Seconds()
	return a, nil
}

// write has the model answer.
func (x *answerer) write(ctx context.Context, q evaluate.Query, a *answer, began time.Time, text func(string, bool) error) (err error) {
	stream, err := x.generator.Stream(1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	var last qa.Said
	var unwritten error
	a.Usage.Prompt, err = stream.Ask(q, x.how, func(s qa.Said) bool {
		if last = s; a.Seconds.First == nil && s.Tokens > 0 {
			a.Seconds.First = new(time.Since(began).Seconds())
		}
		unwritten = text(s.Text, s.Ended)
		return unwritten == nil
	})
	for err == nil && unwritten == nil && stream.Len() > 0 {
		err = stream.Step(ctx)
	}
	if err := errors.Join(err, unwritten); err != nil {
		return err
	}
	a.Answered, a.Answer, a.Finish = true, last.Text, "stop"
	if last.Cut {
		a.Finish = "length"
	}
	a.Usage.Answer, a.Usage.Total = last.Tokens, a.Usage.Prompt+last.Tokens
	for i, share := range last.Shares {
		a.Citations[i].Share = &share
	}
	return nil
}

// sources lists the passages of an answer, and what they were found by where that is
// not the question.
func (a *answer) sources() string {
	var out strings.Builder
	if a.Search != "" {
		fmt.Fprintf(&out, "  (asked: %s)\n", line(a.Search))
	}
	for i, c := range a.Citations {
		share := ""
		if c.Share != nil {
			share = fmt.Sprintf("%3.0f%% of the answer  ", 100**c.Share)
		}
		fmt.Fprintf(&out, "  [%d] %.3f  %s%s\n", i+1, c.Score, share, title(c.Text))
	}
	return report.Clean(out.String())
}

// rest is what stands behind an answer that has been
// shown: its sources, or why there is none.
func (a *answer) rest() string {
	if !a.Answered {
		if len(a.Citations) == 0 {
			return fmt.Sprintf("No answer: %s.\n", a.Reason)
		}
		return fmt.Sprintf("No answer: %s.\n\nFound:\n%s", a.Reason, a.sources())
	}
	return "\n\nFrom:\n" + a.sources()
}

// writeJSON writes the answer on a line.
func (a *answer) writeJSON(out io.Writer) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = (&report.CleanJSON{Out: out}).Write(append(data, '\n'))
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

// growing writes a text as it grows, by whole words: what is left of one may turn it
// into something that is not shown.
type growing struct {
	out   io.Writer
	shown string
}

func (g *growing) take(text string, ended bool) error {
	if !ended {
		at := strings.LastIndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r >= utf8.RuneSelf })
		if at < 0 {
			return nil
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		text = text[:at+size]
	}
	text = report.Clean(text)
	_, err := io.WriteString(g.out, strings.TrimPrefix(text, g.shown))
	g.shown = text
	return err
}
