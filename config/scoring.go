package config

import "slices"

// Contexts of an evaluation: whose passages the model answers from.
const (
	Retrieved = "retrieved"
	Gold      = "gold"
	None      = "none"     // no passages: what the model knows by itself
	Shuffled  = "shuffled" // another row's gold ones
)

// Scoring says how a model is scored.
type Scoring struct {
	PerDeviceEvalBatchSize int
	EvalContexts           []string // of Retrieved, Gold, None and Shuffled
	WritePredictions       bool
	GenGPT4Eval            bool   // have a model judge the answers to the test set
	JudgeModel             string // as the endpoint calls it
}

// DefaultScoring scores on retrieved passages. (The batch size is
// TrainingArguments'; LocalRQA takes 1 to save memory. The scores do not
// depend on it.)
func DefaultScoring() Scoring {
	return Scoring{PerDeviceEvalBatchSize: 8, EvalContexts: []string{Retrieved}, WritePredictions: true}
}

func (m *Scoring) declare(s *set) {
	s.section("Evaluation")
	s.integer(&m.PerDeviceEvalBatchSize, "per_device_eval_batch_size", "rows a batch of evaluation and generation holds")
	s.alias("per_device_eval_batch_size", "per_gpu_eval_batch_size")
	s.list(&m.EvalContexts, "eval_contexts", "retrieved,gold,none,shuffled", "passages to answer from: those retrieved, the gold ones, none at all, another row's gold ones (which shows whether answers come from the passages), or several of these in turn")
	s.boolean(&m.WritePredictions, "write_predictions", "save the questions, passages and answers of every evaluation")
	s.boolean(&m.GenGPT4Eval, "gen_gpt4eval", "have a model behind an OpenAI-compatible endpoint (OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_ORG_ID) judge whether the answers to test_file are right; verdicts are kept in the cache folder, so that the same answer is judged once")
	s.text(&m.JudgeModel, "judge_model", "NAME", "the judge, by the name that the endpoint knows; needed with gen_gpt4eval")
}

func (m *Scoring) check(p *problems) {
	p.between(m.PerDeviceEvalBatchSize, 1, MostRows, "per_device_eval_batch_size")
	p.that(len(m.EvalContexts) > 0, "eval_contexts: nothing found; retrieved, gold, none or shuffled expected, or several")
	for i, c := range m.EvalContexts {
		p.that(slices.Contains([]string{Retrieved, Gold, None, Shuffled}, c), "eval_contexts: %q found; retrieved, gold, none or shuffled expected", c)
		p.that(!slices.Contains(m.EvalContexts[:i], c), "eval_contexts: %q found twice; once expected", c)
	}
	if m.GenGPT4Eval {
		p.needed(m.JudgeModel, "judge_model", "the model that judges answers (LocalRQA's gpt-4-1106-preview is served no more), or --gen_gpt4eval false")
	}
}

// Retrieves says whether an evaluation needs the document database.
func (m *Scoring) Retrieves() bool { return slices.Contains(m.EvalContexts, Retrieved) }
