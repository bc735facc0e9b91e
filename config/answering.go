package config

// Answering is what the commands share that answer questions with a model: which
// model, how it is asked, where its passages come from, how it answers.
type Answering struct {
	Model
	Prompt
	Database
	History string // Bare, Concat or Rephrase
	Generation
	KVCache
	Engine
	Hub
}

// DefaultAnswering has the defaults that the evaluations of a training have.
func DefaultAnswering() Answering {
	return Answering{
		Model: DefaultModel(), Prompt: DefaultPrompt(), Database: DefaultDatabase(), History: Rephrase,
		Generation: DefaultGeneration(), KVCache: DefaultKVCache(), Engine: DefaultEngine(),
	}
}

// declareModel declares the model. It, the prompt and the rest are three, since the
// help has what a command takes beside them in between.
func (m *Answering) declareModel(s *set) {
	m.Model.declare(s)
	m.declareAdapter(s)
	s.alias("model_name_or_path", "qa_model_name_or_path")
}

// declareRest declares all but the model and the prompt, and the seed that tokens are
// drawn with.
func (m *Answering) declareRest(s *set, seed *int64) {
	m.Database.declare(s)
	shortRetriever(s)
	declareHistory(s, &m.History)
	m.Generation.declare(s)
	s.seed(seed, "seed", "seed of the drawing of tokens")
	m.KVCache.declare(s)
	m.Engine.declare(s)
	m.Hub.declare(s)
	s.foreign()
}

// check takes why the documents are needed, where they are.
func (m *Answering) check(p *problems, documents bool, why string) {
	m.Model.check(p)
	m.Prompt.check(p)
	if documents {
		m.Database.check(p, why)
	}
	m.Generation.check(p)
	m.KVCache.check(p)
}
