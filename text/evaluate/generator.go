package evaluate

import (
	"context"

	"gorqa/text/dataset"
)

// Query is one question with the context it is asked in.
type Query struct {
	Question string
	History  []dataset.Turn
	Passages []dataset.Document // best first; empty where the question is asked without
	Context  Context            // whose passages they are
}

// Generator answers questions.
type Generator interface {
	// Generate gives one answer for each query, in their order. It batches as
	// it sees fit.
	Generate(ctx context.Context, queries []Query) ([]Answer, error)
}

// Answer is what a generator makes of a query.
type Answer struct {
	Text string
	// Shares say how much of the answer comes from each of the query's passages,
	// 1 in all; nil from a generator that cannot tell.
	Shares []float64
}

// Answered is a question with the answer that a Judge looks at.
type Answered struct {
	Question string
	History  []dataset.Turn
	Gold     string             // the answer that is known to be right
	Passages []dataset.Document // the gold ones, and the best other one that the answer is from
	Answer   string
}

// Verdict is what a Judge finds: of Correct and Incorrect one, or with Failed
// neither.
type Verdict struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"` // of the judge, or of the failure
}

// The verdicts. A judge that fails says nothing about the answer.
const (
	Correct   = "correct"
	Incorrect = "incorrect"
	Failed    = "failed"
)

// Judge says whether answers are right.
type Judge interface {
	// Judge gives one verdict for each answer, in their order. What goes wrong
	// with one answer is its verdict; an error ends the evaluation.
	Judge(ctx context.Context, answers []Answered) ([]Verdict, error)
}
