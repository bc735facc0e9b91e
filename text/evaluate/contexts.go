package evaluate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorqa/text/dataset"
)

// Context names the passages that questions are asked with.
type Context string

// The contexts. The gap between None and Gold is what passages can bring, that
// between Retrieved and Gold is what the retriever loses, and a model that
// answers from its passages is much worse with Shuffled ones than with Gold.
const (
	None      Context = "none"      // no passages
	Gold      Context = "gold"      // the row's gold passages
	Retrieved Context = "retrieved" // what the retriever finds
	Shuffled  Context = "shuffled"  // the gold passages of another row
)

// known are all that there are.
var known = []Context{None, Gold, Retrieved, Shuffled}

// ParseContexts reads contexts from names with commas between, such as
// "none,gold,retrieved".
func ParseContexts(names string) ([]Context, error) {
	var found []Context
	var problems []error
	for name := range strings.SplitSeq(names, ",") {
		c := Context(strings.ToLower(strings.TrimSpace(name)))
		switch {
		case !slices.Contains(known, c):
			problems = append(problems, fmt.Errorf("the context %q; expected one of %v; correct the name", name, known))
		case slices.Contains(found, c):
			problems = append(problems, fmt.Errorf("the context %q twice; expected each once; remove one", c))
		default:
			found = append(found, c)
		}
	}
	return found, errors.Join(problems...)
}

// group is that of the metrics of answers in the context.
func (c Context) group() Group {
	if c == Retrieved {
		return Answers
	}
	return Answers + "_" + Group(c)
}

// foreignPassages gives each row the gold passages of the next row that has none
// of its own.
func foreignPassages(examples []dataset.Example) ([][]dataset.Document, error) {
	keys := make([]map[string]bool, len(examples))
	for i, x := range examples {
		keys[i] = map[string]bool{}
		for _, d := range x.GoldDocs {
			keys[i][d.Key()] = true
		}
	}
	out := make([][]dataset.Document, len(examples))
	for i := range examples {
		for step := 1; step < len(examples) && len(out[i]) == 0; step++ {
			other := examples[(i+step)%len(examples)]
			if !slices.ContainsFunc(other.GoldDocs, func(d dataset.Document) bool { return keys[i][d.Key()] }) {
				out[i] = other.GoldDocs
			}
		}
		if len(out[i]) == 0 {
			return nil, fmt.Errorf("evaluation: the context shuffled: no row has other gold passages than row %d; expected some; leave the context out", i)
		}
	}
	return out, nil
}
