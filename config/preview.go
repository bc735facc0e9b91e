package config

// Preview is the settings of gorqa prompt: those of every training, of which only
// what makes a row is looked at.
type Preview struct {
	Train
	Split    string // "train", "eval" or "test"; "" = the first file that is given
	Line     int    // of the file, from 1
	Asked    bool   // the prompt that is answered, not the row that is trained
	Question string // asked in place of a row, without passages
	JSON     bool
}

// DefaultPreview has the defaults of a training, and the first row.
func DefaultPreview() Preview { return Preview{Train: DefaultTrain(""), Line: 1} }

func (c *Preview) declare(s *set) {
	s.positional = &positional{names: []string{"[RUN]"}, run: true}
	s.section("Row")
	s.text(&c.Split, "split", "train|eval|test", "file to take the row from: train_file, eval_file or test_file (if not given, the first of them that is)")
	s.integer(&c.Line, "line", "line of the row in its file")
	s.boolean(&c.Asked, "asked", "the prompt as a question is asked with it, not the row as it is trained")
	s.text(&c.Question, "question", "TEXT", "a question to ask in place of a row, without passages")
	s.boolean(&c.JSON, "json", "write JSON")
	c.Train.declare(s)
}

// File is the file that the row is taken from, "" for a question alone.
func (c *Preview) File() string {
	for _, f := range []struct{ split, path string }{{"train", c.TrainFile}, {"eval", c.EvalFile}, {"test", c.TestFile}} {
		if c.Question == "" && f.path != "" && (c.Split == "" || c.Split == f.split) {
			return f.path
		}
	}
	return ""
}

// Validate implements Settings.
func (c *Preview) Validate() error {
	var p problems
	p.that(c.ModelNameOrPath != "" || c.ConfigName != "", "model_name_or_path: missing; the model whose prompt it is expected")
	p.that(c.Split == "" || c.Split == "train" || c.Split == "eval" || c.Split == "test", "split: %q found; train, eval or test expected", c.Split)
	p.that(c.File() != "" || c.Question != "", "train_file: missing; a file with the row expected (train_file, eval_file or test_file, as split says), or a question")
	p.atLeast(c.Line, 1, "line")
	c.Prompt.check(&p)
	return p.join()
}
