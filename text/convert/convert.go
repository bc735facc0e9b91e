// Package convert reads question-answering data in the formats that it is published
// in (SQuAD, Natural Questions, TriviaQA, HotpotQA, DPR, MS MARCO, BEIR, Alpaca,
// ShareGPT, chat messages, and tables as CSV, JSON or Parquet) as gorqa's rows and
// documents.
//
// A format is a function from a record, a JSON object or the row of a table, to rows.
// The package must not know tokens, models or the command line.
package convert

import (
	"fmt"
	"slices"
	"strings"

	"gorqa/text/dataset"
)

// The formats by the names that users give.
const (
	Auto     = "auto"
	Own      = "gorqa" // what dataset reads
	SQuAD    = "squad"
	NQ       = "nq"
	TriviaQA = "triviaqa"
	HotpotQA = "hotpotqa"
	DPR      = "dpr"
	MSMARCO  = "msmarco"
	BEIR     = "beir"
	Alpaca   = "alpaca"
	ShareGPT = "sharegpt"
	Messages = "messages"
	CSV      = "csv"     // or TSV; the columns say what is what
	Parquet  = "parquet" // the columns do, too
	JSON     = "json"    // and the fields
)

// Formats are those that can be asked for.
func Formats() []string {
	return []string{Auto, SQuAD, NQ, TriviaQA, HotpotQA, DPR, MSMARCO, BEIR, Alpaca, ShareGPT, Messages, CSV, Parquet, JSON}
}

// Roles are what a column can hold.
func Roles() []string { return []string{"question", "answer", "context", "title", "source"} }

// Options say how files are read.
type Options struct {
	Format  string            // one of Formats
	Columns map[string]string // which column has a role; what is missing goes by usual names
	// Unanswerable is the answer of questions that are marked to have none; "" leaves
	// them out.
	Unanswerable string
}

// Validate reports options that mean nothing.
func (o Options) Validate() error {
	if !slices.Contains(Formats(), o.Format) {
		return fmt.Errorf("convert: format %q; expected one of %s", o.Format, strings.Join(Formats(), ", "))
	}
	for role, column := range o.Columns {
		if !slices.Contains(Roles(), role) || column == "" {
			return fmt.Errorf("convert: column %s=%s; expected %s, each with the name of a column", role, column, strings.Join(Roles(), ", "))
		}
	}
	return nil
}

// Set is what was read of a file.
type Set struct {
	Format       string
	Rows         []dataset.Example
	Documents    []dataset.Document // the passages of rows, gold or not, each once, and others
	Unanswerable int                // rows that are marked to have no answer
	Unanswered   int                // rows whose answer is not in the file; left out
	System       int                // system messages, which a prompt of gorqa's has the place of
	seen         map[string]bool
}

// row is what a format makes of a record.
type row struct{ dataset.Example }

// take puts a row into the set, with its passages.
func (s *Set) take(r row, o Options) {
	for _, docs := range [][]dataset.Document{r.GoldDocs, r.HardNegDocs} {
		for _, d := range docs {
			s.document(d)
		}
	}
	r.Question, r.GoldAnswer = strings.TrimSpace(r.Question), strings.TrimSpace(r.GoldAnswer)
	switch {
	case r.Unanswerable:
		s.Unanswerable++
		if o.Unanswerable == "" {
			return
		}
		r.GoldAnswer = o.Unanswerable
		r.GoldDocs, r.HardNegDocs = nil, slices.Concat(r.GoldDocs, r.HardNegDocs) // none holds an answer
	case r.GoldAnswer == "":
		s.Unanswered++
		return
	}
	s.Rows = append(s.Rows, r.Example)
}

func (s *Set) document(d dataset.Document) {
	if key := d.Key(); !s.seen[key] {
		s.seen[key] = true
		s.Documents = append(s.Documents, d)
	}
}

// passage is a document of a text with its title; what is empty is left out.
func passage(title, text string) dataset.Document {
	d := dataset.Document{Content: strings.TrimSpace(text), Metadata: map[string]any{}}
	if title = strings.TrimSpace(title); title != "" {
		d.Metadata["title"] = title
	}
	return d
}
