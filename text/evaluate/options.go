package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Options are the settings of Run.
type Options struct {
	// Prefix begins every key of the metrics: "eval" in training, "test" at its
	// end.
	Prefix string
	// Contexts are scored in this order, each with answers of its own.
	Contexts []Context
	// TopK is how many passages are retrieved for a question.
	TopK int
	// LeaveOut are rows, by their place in the examples, that are neither searched
	// for nor answered. How many there are is a metric of its own.
	LeaveOut []int
	// ChunkRows is how many rows the retriever and the generator are handed in
	// one call. Progress moves and cancelling acts between calls.
	ChunkRows int
	// Searches, where set, gives the texts that the retriever is asked for
	// queries, whose questions may follow on earlier turns; otherwise it is asked
	// the bare questions. Its time is in the end-to-end latency alone.
	Searches func(ctx context.Context, queries []Query) ([]string, error)
	// Judge, where set, looks at every answer.
	Judge Judge
	// Progress, where set, is told how many answers of how many there are, the
	// first time with done 0.
	Progress func(done, total int)
}

// DefaultOptions scores four retrieved passages, as the original does.
func DefaultOptions() Options {
	return Options{Prefix: "eval", Contexts: []Context{Retrieved}, TopK: 4, ChunkRows: 64}
}

// Validate names every setting that cannot be.
func (o Options) Validate() error {
	var problems []error
	if o.Prefix == "" {
		problems = append(problems, errors.New("evaluation: no prefix; expected a word such as eval; set it"))
	}
	if len(o.Contexts) == 0 {
		problems = append(problems, fmt.Errorf("evaluation: no contexts; expected one of %v at least; name one", known))
	}
	for i, c := range o.Contexts {
		if !slices.Contains(known, c) {
			problems = append(problems, fmt.Errorf("evaluation: the context %q; expected one of %v; correct the name", c, known))
		}
		if slices.Contains(o.Contexts[:i], c) {
			problems = append(problems, fmt.Errorf("evaluation: the context %q twice; expected each once; remove one", c))
		}
	}
	if o.TopK < 1 {
		problems = append(problems, fmt.Errorf("evaluation: %d passages; expected 1 at least; raise the number", o.TopK))
	}
	if o.ChunkRows < 1 {
		problems = append(problems, fmt.Errorf("evaluation: %d rows a call; expected 1 at least; raise the number", o.ChunkRows))
	}
	return errors.Join(problems...)
}
