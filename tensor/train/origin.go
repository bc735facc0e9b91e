package train

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Origin is what the outcome of a run depends on. A checkpoint keeps it, so that
// only the run that made it goes on from it.
type Origin struct {
	Training Facts `json:"training"` // what the weights depend on
	Scoring  Facts `json:"scoring"`  // what the scores of evaluations depend on besides
}

// Facts are settings and contents by name.
type Facts map[string]Fact

// Fact is a setting, or the content of a file or folder.
type Fact struct {
	Value string `json:"value"`          // for people
	Hash  string `json:"hash,omitempty"` // of a content; where there is one, it decides, and not Value
}

func (f Fact) String() string {
	if f.Hash == "" {
		return f.Value
	}
	return fmt.Sprintf("%s (content %.12s)", f.Value, f.Hash)
}

// Same says whether two facts are one.
func (f Fact) Same(g Fact) bool {
	if f.Hash != "" || g.Hash != "" {
		return f.Hash == g.Hash
	}
	return f.Value == g.Value
}

// OtherRun says how a checkpoint differs from the run that was to go on from it.
type OtherRun struct {
	Checkpoint  string
	Differences []string // "name: was X, is Y"
}

func (e *OtherRun) Error() string {
	return fmt.Sprintf("%s is of a run with other settings, rows or weights:\n  %s\nresume with those of the first run, or begin a new one in another folder", e.Checkpoint, strings.Join(e.Differences, "\n  "))
}

// Check compares what a checkpoint was made of with what a run is made of, as far
// as both say it; the scoring only where the run compares scores with the
// checkpoint's best one. The error is an *OtherRun. A checkpoint of an older
// version says nothing.
func (s State) Check(checkpoint string, now Origin, scores bool) error {
	if s.Made == nil {
		return nil
	}
	e := &OtherRun{Checkpoint: checkpoint}
	compare := func(was, is Facts) {
		for _, name := range slices.Sorted(maps.Keys(was)) {
			if f, both := is[name]; both && !was[name].Same(f) {
				e.Differences = append(e.Differences, fmt.Sprintf("%s: was %v, is %v", name, was[name], f))
			}
		}
	}
	compare(s.Made.Training, now.Training)
	if scores && s.BestStep > 0 {
		compare(s.Made.Scoring, now.Scoring)
	}
	if len(e.Differences) > 0 {
		return e
	}
	return nil
}
