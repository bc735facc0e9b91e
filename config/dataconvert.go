package config

import (
	"fmt"
	"slices"
	"strings"
)

// DataConvert is the settings of gorqa data convert.
type DataConvert struct {
	Paths              []string // files in one format, or the folder of a BEIR data set
	Output             string   // folder
	From               string   // the format
	Columns            []string // role=column
	Documents          string   // passages that rows without any are matched to
	AbstainAnswer      string   // of questions that are marked to have none
	OnBadRows          string
	OverwriteOutputDir bool
}

// Formats of question-answering data, and the roles of columns.
var (
	dataFormats = []string{"auto", "squad", "nq", "triviaqa", "hotpotqa", "dpr", "msmarco", "beir", "alpaca", "sharegpt", "messages", "csv", "parquet", "json"}
	columnRoles = []string{"question", "answer", "context", "title", "source"}
)

// DefaultDataConvert looks at the files.
func DefaultDataConvert() DataConvert {
	return DataConvert{From: "auto", OnBadRows: DefaultData().OnBadRows}
}

func (c *DataConvert) declare(s *set) {
	s.positional = &positional{names: []string{"FILE..."}, required: 1, many: true, take: func(args []string) { c.Paths = args }}
	s.section("Conversion")
	s.text(&c.Output, "output", "DIR", "folder of train_w_qa.jsonl, eval_w_qa.jsonl, test_w_qa.jsonl and documents.jsonl; a file belongs to the split that its name tells (dev, valid, eval, test), else to the training (required)")
	s.alias("output", "output_dir")
	s.choice(&c.From, "from", "format of the files; auto looks at them", dataFormats...)
	s.list(&c.Columns, "columns", "ROLE=COLUMN,...", "which column or field is what, for csv, parquet and json: question, answer, context (the passage with the answer), title, source; those that are not given go by usual names")
	s.text(&c.Documents, "full_dataset_file_path", "FILE", "passages (as of gorqa data docs) that rows without a passage of their own are matched to: the first by BM25 that holds the answer")
	s.text(&c.AbstainAnswer, "abstain_answer", "TEXT", "answer of questions that are marked to have none; without it they are left out")
	declareBadRows(s, &c.OnBadRows)
	s.boolean(&c.OverwriteOutputDir, "overwrite_output_dir", "write over the files of another data set in the folder")
}

// ColumnOf is which column has a role.
func (c *DataConvert) ColumnOf() map[string]string {
	of := map[string]string{}
	for _, pair := range c.Columns {
		role, column, _ := strings.Cut(pair, "=")
		of[role] = column
	}
	return of
}

// Validate implements Settings.
func (c *DataConvert) Validate() error {
	var p problems
	p.needed(c.Output, "output", "a folder for the data set")
	for _, pair := range c.Columns {
		role, column, ok := strings.Cut(pair, "=")
		p.that(ok && column != "" && slices.Contains(columnRoles, role), "columns: %q found; a role (%s), = and the name of a column expected, such as question=query", pair, oneOf(columnRoles))
	}
	tables := []string{"auto", "csv", "parquet", "json"}
	p.that(len(c.Columns) == 0 || slices.Contains(tables, c.From), "columns: found with --from %s, whose fields are known; %s expected", c.From, oneOf(tables))
	if len(c.Columns) > 0 {
		of := c.ColumnOf()
		p.that(len(of) == len(c.Columns), "columns: %s found, a role twice; each once expected", fmt.Sprint(c.Columns))
	}
	return p.join()
}

func (c *DataConvert) notices() []string { return nil }
