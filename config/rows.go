package config

// Data is the files of rows.
type Data struct {
	TrainFile      string
	EvalFile       string
	TestFile       string // "" = no test at the end
	LossOn         string // "answer" (and its separator) or "all"
	OnOverflow     string // "error" or "skip": rows too long even without passages
	OnBadRows      string // "error" or "skip": rows with missing or empty parts
	GroupByPassage bool
}

// DefaultData takes the loss on the answer.
func DefaultData() Data { return Data{LossOn: "answer", OnBadRows: "error", OnOverflow: "error"} }

func (m *Data) declare(s *set, recipe string) {
	s.section("Data")
	s.text(&m.TrainFile, "train_file", "FILE", "rows to train on, JSONL: question, gold_docs, gold_answer, chat_history")
	s.text(&m.EvalFile, "eval_file", "FILE", "rows to evaluate on during training")
	s.text(&m.TestFile, "test_file", "FILE", "rows to score at the end")
	if recipe != FiD {
		s.choice(&m.LossOn, "loss_on", "tokens that are learnt: the answer with its separator, or the whole row", "answer", "all")
		s.boolean(&m.GroupByPassage, "group_by_passage", "let rows on the same passage share it in one packed sequence: faster, but they then come in the same step")
	}
	declareOverflow(s, &m.OnOverflow)
	declareBadRows(s, &m.OnBadRows)
}

func declareOverflow(s *set, p *string) {
	s.choice(p, "on_overflow", "what to do when rows are too long even without passages, or their questions leave no room for an answer: stop before anything is computed, or leave them out", "error", "skip")
}

func declareBadRows(s *set, p *string) {
	s.choice(p, "on_bad_rows", "what to do when rows lack a part or have an empty one: stop with all of them listed, or list them and leave them out", "error", "skip")
}
