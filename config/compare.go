package config

import "math"

// Compare is the settings of gorqa compare.
type Compare struct {
	Runs []string // folders or files of predictions, or several of them with commas between; the first is what others are held against
	Rows int      // of those that changed most, shown of each context
	JSON bool
	Seed int64

	Annotations []string // files, beside those that lie by the predictions
}

// DefaultCompare shows no rows.
func DefaultCompare() Compare { return Compare{Seed: DefaultSchedule().Seed} }

func (c *Compare) declare(s *set) {
	s.positional = &positional{names: []string{"RUN", "RUN..."}, required: 2, many: true, take: func(args []string) { c.Runs = args }}
	s.section("Comparison")
	s.integer(&c.Rows, "rows", "how many of the rows whose F1 changed most to show of each context, with their answers")
	s.list(&c.Annotations, "annotations", "FILE,...", "what people said of the answers (gorqa review), beside the annotations.jsonl in the runs' folders")
	s.boolean(&c.JSON, "json", "write one JSON object instead of tables")
	s.seed(&c.Seed, "seed", "seed of the bootstrap")
}

// Validate implements Settings.
func (c *Compare) Validate() error {
	var p problems
	p.between(c.Rows, 0, math.MaxInt32, "rows")
	return p.join()
}

func (c *Compare) notices() []string { return nil }
