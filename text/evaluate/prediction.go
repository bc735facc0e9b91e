package evaluate

import "gorqa/text/dataset"

// Passage is a document with its place in an evaluation.
type Passage struct {
	dataset.Document
	ID    string   `json:"id"`              // dataset.Document's Key
	Index *int     `json:"index,omitempty"` // in the document database; nil for a gold passage
	Score *float32 `json:"score,omitempty"` // the retriever's; nil for a gold passage
}

// Prediction is one row's answer in one context. Its JSON has the fields of
// LocalRQA's predictions file and some more.
type Prediction struct {
	Row             int            `json:"row"` // in the examples, from 0
	Context         Context        `json:"context"`
	Question        string         `json:"question"`
	History         []dataset.Turn `json:"chat_history,omitempty"`
	Search          string         `json:"search,omitempty"` // what the retriever was asked, where that is not the question
	GoldAnswer      string         `json:"gold_answer"`
	Unanswerable    bool           `json:"unanswerable,omitempty"` // no document holds an answer
	GeneratedAnswer string         `json:"generated_answer"`
	GoldDocs        []Passage      `json:"gold_docs"`
	RetrievedDocs   []Passage      `json:"retrieved_docs"`   // what was found, in context Retrieved; in Shuffled, and in Gold of unanswerable ones, what was given in its place
	Shares          []float64      `json:"shares,omitempty"` // Answer.Shares
	Judged          *Verdict       `json:"judged,omitempty"`
	Scores          Scores         `json:"scores"`
}

// Report is what an evaluation found.
type Report struct {
	// Metrics by key; see Run.
	Metrics Figures
	// Predictions are in the order of Options.Contexts, then of the examples.
	Predictions []Prediction

	prefix   string
	contexts []Context
}

// Given are the passages that the answer was given.
func (p Prediction) Given() []Passage {
	switch {
	case p.Context == None:
		return nil
	case p.Context == Gold && !p.Unanswerable:
		return p.GoldDocs
	}
	return p.RetrievedDocs
}
