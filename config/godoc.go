package config

import "math"

// Godoc is the settings of gorqa data godoc.
type Godoc struct {
	OutputDir   string
	Goroot      string // "" = the environment's, else what the go command says
	TrainRows   int
	EvalRows    int
	TestRows    int
	Documents   int
	HardNegDocs int // of a row, at most
	Seed        int64

	OverwriteOutputDir bool
}

// DefaultGodoc is the demo's data set.
func DefaultGodoc() Godoc {
	return Godoc{TrainRows: 240, EvalRows: 24, TestRows: 40, Documents: 1500, HardNegDocs: 2, Seed: 1}
}

func (c *Godoc) declare(s *set) {
	s.section("Data set")
	s.text(&c.OutputDir, "output_dir", "DIR", "folder of the three splits and documents.jsonl (required)")
	s.boolean(&c.OverwriteOutputDir, "overwrite_output_dir", "write over other files of these names that the folder holds")
	s.text(&c.Goroot, "goroot", "DIR", "Go installation to read, if not the one in use")
	s.integer(&c.TrainRows, "train_rows", "rows to train on")
	s.integer(&c.EvalRows, "eval_rows", "rows to evaluate on")
	s.integer(&c.TestRows, "test_rows", "rows to test on")
	s.integer(&c.Documents, "documents", "passages of the database, those of all rows among them")
	s.integer(&c.HardNegDocs, "hard_neg_docs", "passages of the same package beside each row, at most")
	s.seed(&c.Seed, "seed", "seed of the choice and order of rows")
}

// Validate implements Settings.
func (c *Godoc) Validate() error {
	var p problems
	p.needed(c.OutputDir, "output_dir", "a folder for the data set")
	p.between(c.TrainRows, 1, math.MaxInt32, "train_rows")
	p.between(c.EvalRows, 1, math.MaxInt32, "eval_rows")
	p.between(c.TestRows, 1, math.MaxInt32, "test_rows")
	p.between(c.HardNegDocs, 0, math.MaxInt32, "hard_neg_docs")
	p.between(c.Documents, 1, math.MaxInt32, "documents")
	rows := c.TrainRows + c.EvalRows + c.TestRows
	p.that(c.Documents < 1 || c.Documents >= rows, "documents: %d found for %d rows; one for each row, or more, expected", c.Documents, rows)
	return p.join()
}

func (c *Godoc) notices() []string { return nil }
