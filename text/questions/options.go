package questions

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Kind says what a question asks for.
type Kind string

// The kinds.
const (
	Fact         Kind = "fact"
	Procedure    Kind = "procedure"    // how something is done
	Comparison   Kind = "comparison"   // over several passages
	Unanswerable Kind = "unanswerable" // of a passage that is withheld from the documents
)

// Kinds are all that there are.
func Kinds() []Kind { return []Kind{Fact, Procedure, Comparison, Unanswerable} }

// Split is one of the data set's files.
type Split string

// The splits.
const (
	Train Split = "train"
	Eval  Split = "eval"
	Test  Split = "test"
)

// Splits are all, the smallest first.
func Splits() []Split { return []Split{Test, Eval, Train} }

// Options say what is asked for and what is kept.
type Options struct {
	Shares     map[Kind]float64 // of the questions, relative to each other
	Lines      bool             // statements of the passages are turned into questions, a line each; else JSON is asked for
	PerPassage int              // questions of a passage
	Most       int              // questions that are asked for, 0 for any number
	Compared   int              // passages of a comparison

	EvalShare, TestShare float64 // of the passages
	Sections             bool    // the splits divide documents at headings; else a document is in one split
	Seed                 int64

	LeastWords   int // of a passage that is asked about
	MostQuestion int // words
	MostAnswer   int
	Among        int // a question's passage must be among so many that the retriever finds
	HardNegs     int // passages of a row that rank high and lack the answer
	Abstain      string
}

// DefaultOptions asks a model that writes JSON for a question of each passage.
func DefaultOptions() Options {
	return Options{
		Shares:     map[Kind]float64{Fact: 6, Procedure: 2, Comparison: 1, Unanswerable: 1},
		PerPassage: 1, Compared: 2, EvalShare: 0.1, TestShare: 0.1, Seed: 42,
		LeastWords: 20, MostQuestion: 40, MostAnswer: 100, Among: 10, HardNegs: 4,
		Abstain: "The documents do not say.",
	}
}

// Validate reports every setting that cannot be used.
func (o Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("questions: "+format, args...)) }
	sum := 0.0
	for _, k := range slices.Sorted(maps.Keys(o.Shares)) {
		if !slices.Contains(Kinds(), k) {
			bad("kind %q; expected one of %v", k, Kinds())
		}
		if share := o.Shares[k]; !(share >= 0 && share < 1e6) {
			bad("share of %s is %v; expected 0 or more", k, share)
		} else {
			sum += share
		}
	}
	if sum == 0 {
		bad("no kinds of questions; expected a share above 0")
	}
	if o.Lines && o.Shares[Comparison] > 0 {
		bad("comparisons of a model that writes lines; expected JSON, or no comparisons")
	}
	for _, n := range []struct {
		name         string
		value, least int
	}{
		{"PerPassage", o.PerPassage, 1}, {"Most", o.Most, 0}, {"Compared", o.Compared, 2}, {"LeastWords", o.LeastWords, 1},
		{"MostQuestion", o.MostQuestion, 1}, {"MostAnswer", o.MostAnswer, 1}, {"Among", o.Among, 1}, {"HardNegs", o.HardNegs, 0},
	} {
		if n.value < n.least {
			bad("%s is %d; expected %d or more", n.name, n.value, n.least)
		}
	}
	if !(o.EvalShare >= 0 && o.TestShare >= 0 && o.EvalShare+o.TestShare < 1) {
		bad("shares of %v and %v for evaluation and test; expected less than 1 together", o.EvalShare, o.TestShare)
	}
	if o.Abstain == "" {
		bad("no answer to unanswerable questions; expected one")
	}
	return errors.Join(errs...)
}
