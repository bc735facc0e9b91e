package generate

import (
	"errors"
	"fmt"
)

// Options say how answers are generated.
type Options struct {
	MaxNewTokens int
	BatchSize    int       // rows decoded together; bounds the memory of the cache
	Stops        [][]int32 // id sequences that end an answer; they are no part of it
	Sample       *Sampling // nil for greedy decoding
	// Drafts is how many tokens at most are looked up in what a row holds already and
	// tried at once (see lookup), 0 for none. Greedy answers are the same with and
	// without; others take none.
	Drafts int
	// Ended is asked after every token whether the answer so far has ended in
	// another way, by what it spells; the answer keeps all its tokens. May be nil.
	Ended func(answer []int32) bool

	// Progress is told how many of the answers are complete; may be nil.
	Progress func(done, total int)
}

// DefaultOptions are greedy answers of up to 256 tokens, 8 rows at a time, that
// nothing but their length ends, with drafts of up to 10 tokens.
func DefaultOptions() Options { return Options{MaxNewTokens: 256, BatchSize: 8, Drafts: 10} }

// Validate reports every option out of range.
func (o Options) Validate() error {
	var problems []error
	if o.MaxNewTokens < 1 {
		problems = append(problems, fmt.Errorf("MaxNewTokens is %d; expected at least 1", o.MaxNewTokens))
	}
	if o.BatchSize < 1 {
		problems = append(problems, fmt.Errorf("BatchSize is %d; expected at least 1", o.BatchSize))
	}
	if o.Drafts < 0 {
		problems = append(problems, fmt.Errorf("Drafts is %d; expected 0 or more", o.Drafts))
	}
	for i, s := range o.Stops {
		if len(s) == 0 {
			problems = append(problems, fmt.Errorf("stop sequence %d is empty; expected token ids", i))
		}
	}
	if o.Sample != nil {
		problems = append(problems, o.Sample.Validate())
	}
	return errors.Join(problems...)
}
