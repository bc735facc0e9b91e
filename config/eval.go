package config

// Eval is the settings of gorqa eval.
type Eval struct {
	Answering
	OutputDir  string
	TestFile   string
	OnOverflow string // as Data's
	Scoring
	Seed int64
}

// DefaultEval has the defaults that the evaluation at the end of a training
// has.
func DefaultEval() Eval {
	return Eval{
		Answering: DefaultAnswering(), OnOverflow: DefaultData().OnOverflow, Scoring: DefaultScoring(), Seed: DefaultSchedule().Seed,
	}
}

func (c *Eval) declare(s *set) {
	s.positional = &positional{names: []string{"[RUN]"}, run: true}
	c.declareModel(s)
	s.section("Data")
	s.text(&c.TestFile, "test_file", "FILE", "rows to score, JSONL: question, gold_docs, gold_answer, chat_history (required)")
	s.text(&c.OutputDir, "output_dir", "DIR", "folder of score.json, test-predictions.jsonl and all_args.json (required, but with RUN, whose folder eval it then is)")
	s.alias("test_file", "eval_data_path")
	declareOverflow(s, &c.OnOverflow)
	c.Prompt.declare(s, "")
	c.Scoring.declare(s)
	s.alias("per_device_eval_batch_size", "batch_size")
	c.declareRest(s, &c.Seed)
}

// Validate implements Settings.
func (c *Eval) Validate() error {
	var p problems
	c.Model.check(&p)
	p.needed(c.TestFile, "test_file", "the rows to score")
	p.needed(c.OutputDir, "output_dir", "a folder for the scores and predictions")
	c.Prompt.check(&p)
	c.Scoring.check(&p)
	if c.Retrieves() {
		c.Database.check(&p, ", or --eval_contexts gold")
	}
	c.Generation.check(&p)
	c.KVCache.check(&p)
	return p.join()
}

func (c *Eval) notices() []string { return nil }
