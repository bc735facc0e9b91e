package config

import (
	"slices"
	"strings"
)

// Train is the settings of gorqa train. Recipe is set by the command, not by
// a flag. What only one recipe takes goes into a group of its own, declared
// and checked for that recipe alone.
type Train struct {
	Recipe string // SFT, SwR or FiD; "" takes the settings of all
	Model
	Fresh // FiD's
	LoRA
	Data
	Prompt
	Optimiser
	Schedule
	Saving
	Scoring
	Database
	Passages        // SwR's and FiD's
	History  string // Bare, Concat or Rephrase
	Generation
	Engine
	Hub
	Logging

	// Keys are those of an evaluation in the contexts, which the best checkpoint
	// can be chosen by; nil, they are not known.
	Keys func(contexts []string) []string
}

// Recipes.
const (
	SFT = "sft" // on gold passages
	SwR = "swr" // on gold and retrieved passages
	FiD = "fid" // an encoder-decoder, on gold and, if asked for, retrieved passages
)

// DefaultTrain is LocalRQA's defaults for a recipe.
func DefaultTrain(recipe string) Train {
	return Train{
		Recipe: recipe, Model: DefaultModel(), LoRA: DefaultLoRA(), Data: DefaultData(), Prompt: DefaultPrompt(),
		Optimiser: DefaultOptimiser(), Schedule: DefaultSchedule(), Saving: DefaultSaving(),
		Scoring: DefaultScoring(), Database: DefaultDatabase(), Passages: DefaultPassages(), History: Rephrase, Generation: DefaultGeneration(),
		Engine: DefaultEngine(), Logging: DefaultLogging(),
	}
}

func (c *Train) declare(s *set) {
	c.Model.declare(s)
	c.declareAdapter(s)
	c.LoRA.declare(s)
	if c.Recipe == FiD || c.Recipe == "" {
		c.Fresh.declare(s)
	}
	c.Data.declare(s, c.Recipe)
	c.Prompt.declare(s, c.Recipe)
	c.declareAnswer(s, c.Recipe)
	c.Optimiser.declare(s, c.Recipe)
	c.Schedule.declare(s)
	c.Saving.declare(s)
	c.Scoring.declare(s)
	c.Database.declare(s)
	if c.Recipe == SFT {
		shortRetriever(s)
	} else {
		c.Passages.declare(s)
		s.lookup("eval_retriever").help += " (if not given, retriever, where rows hold retrieved passages)"
		s.settle = func() {
			if c.Augments() && !s.lookup("eval_retriever").set { // what is trained with is evaluated with
				c.EvalRetriever = c.Retriever
			}
			if c.EvalEmbeddingModel == "" && c.Augments() && (c.Retriever == OpenAI) == (c.EvalRetriever == OpenAI) { // LocalRQA's one model for both
				c.EvalEmbeddingModel = c.EmbeddingModel
			}
			if c.ConfigName != "" && c.History == Rephrase { // random weights word nothing anew
				c.History = Bare
			}
		}
	}
	declareHistory(s, &c.History)
	c.Generation.declare(s)
	c.Engine.declare(s)
	c.Hub.declare(s)
	c.Logging.declare(s)
	s.foreign()
}

// shortRetriever is for commands whose rows have no retriever of their own.
func shortRetriever(s *set) {
	s.alias("eval_retriever", "retriever")
	s.lookup("eval_retriever").help += "; --retriever means the same"
}

// Validate implements Settings.
func (c *Train) Validate() error {
	var p problems
	c.check(&p)
	return p.join()
}

// Augments says whether rows have other passages beside their gold ones. In FiD
// they have where any setting of them is given, as LocalRQA documents it.
func (c *Train) Augments() bool {
	return c.Recipe == SwR || c.Recipe != SFT && c.Passages != DefaultPassages()
}

func (c *Train) check(p *problems) {
	if c.ConfigName == "" {
		c.Model.check(p)
	}
	c.Fresh.check(p, c.ModelNameOrPath)
	c.LoRA.check(p)
	bits := c.QuantBits()
	p.that(bits == 0 || c.UsePEFT || !c.DoTrain, "load_in_%dbit: true found without use_peft; an adapter to train expected, since weights in %d bits stay as they are", bits, bits)
	if c.DoTrain {
		p.needed(c.TrainFile, "train_file", "the rows to train on")
	}
	if c.Evaluates() {
		p.needed(c.EvalFile, "eval_file", "the rows to evaluate on, or --do_eval false")
	}
	p.that(p.partial || c.DoTrain || c.TestFile != "" || c.DoEval && c.EvalFile != "", "do_train: false found with neither eval_file nor test_file; something to do expected")
	p.differ([2]string{"train_file", c.TrainFile}, [2]string{"eval_file", c.EvalFile}, [2]string{"test_file", c.TestFile})
	c.Prompt.check(p)
	c.Optimiser.check(p)
	c.Schedule.check(p, max(c.LearningRate, 0))
	c.Saving.check(p)
	c.Scoring.check(p)
	retrieves := c.Retrieves() && (c.Evaluates() || c.TestFile != "" || !c.DoTrain)
	if retrieves {
		c.Database.check(p, ", or --eval_contexts gold")
	}
	if c.Augments() {
		c.Passages.check(p)
		if !retrieves {
			c.checkPool(p, c.FullDatasetFilePath)
		}
	}
	c.Generation.check(p)
	if c.Recipe == SFT || c.Recipe == SwR {
		checkRoom(p, c.Generation, c.Prompt)
	}
	c.checkMetric(p)
	c.Logging.check(p)
}

// checkRoom is for decoders, whose prompt and answer share the tokens of a row.
func checkRoom(p *problems, g Generation, m Prompt) {
	p.that(g.EvalMaxNewTokens < m.MaxSeqLength || m.MaxSeqLength < 1 || g.EvalMaxNewTokens > MostTokens, "eval_max_new_tokens: %d found with max_seq_length %d, prompt and answer together; expected fewer, so that there is room for a prompt", g.EvalMaxNewTokens, m.MaxSeqLength)
}

// checkMetric looks whether the best checkpoint is chosen by something that is
// evaluated.
func (c *Train) checkMetric(p *problems) {
	if !c.Evaluates() || c.Keys == nil || c.MetricForBestModel == "" {
		return
	}
	keys := c.Keys(c.EvalContexts)
	if !slices.Contains(keys, c.BestMetric()) {
		p.that(false, "metric_for_best_model: %q found, which is not evaluated with eval_contexts %s; the nearest key is %s (the judge looks at the test set alone)",
			c.MetricForBestModel, strings.Join(c.EvalContexts, ","), nearest(c.BestMetric(), keys))
	}
}

// Evaluates says whether the run evaluates on eval_file while it trains.
func (c *Train) Evaluates() bool { return c.DoTrain && c.DoEval && c.EvalStrategy != No }

// KeepsBest says whether the model of the best checkpoint is handed over.
func (c *Train) KeepsBest() bool { return c.Evaluates() && c.loadsBest() }

func (c *Train) notices() []string {
	said := append(c.LoRA.notices(), c.Logging.notices()...)
	if c.DoTrain {
		said = append(said, c.Saving.notices()...)
	}
	return said
}

// Eval is the settings of gorqa eval.
type Eval struct {
	Model
	OutputDir  string
	TestFile   string
	OnOverflow string // as Data's
	Prompt
	Scoring
	Database
	History string // Bare, Concat or Rephrase
	Generation
	Engine
	Hub
	Seed int64
}

// DefaultEval has the defaults that the evaluation at the end of a training
// has.
func DefaultEval() Eval {
	return Eval{
		Model: DefaultModel(), OnOverflow: DefaultData().OnOverflow, Prompt: DefaultPrompt(), Scoring: DefaultScoring(),
		Database: DefaultDatabase(), History: Rephrase, Generation: DefaultGeneration(), Engine: DefaultEngine(), Seed: DefaultSchedule().Seed,
	}
}

func (c *Eval) declare(s *set) {
	s.positional = &positional{names: []string{"[RUN]"}, run: true}
	c.Model.declare(s)
	c.declareAdapter(s)
	s.alias("model_name_or_path", "qa_model_name_or_path")
	s.section("Data")
	s.text(&c.TestFile, "test_file", "FILE", "rows to score, JSONL: question, gold_docs, gold_answer, chat_history (required)")
	s.text(&c.OutputDir, "output_dir", "DIR", "folder of score.json, test-predictions.jsonl and all_args.json (required, but with RUN, whose folder eval it then is)")
	s.alias("test_file", "eval_data_path")
	declareOverflow(s, &c.OnOverflow)
	c.Prompt.declare(s, "")
	c.Scoring.declare(s)
	s.alias("per_device_eval_batch_size", "batch_size")
	c.Database.declare(s)
	shortRetriever(s)
	declareHistory(s, &c.History)
	c.Generation.declare(s)
	s.seed(&c.Seed, "seed", "seed of the drawing of tokens")
	c.Engine.declare(s)
	c.Hub.declare(s)
	s.foreign()
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
	return p.join()
}

func (c *Eval) notices() []string { return nil }

// Index is the settings of gorqa index.
type Index struct {
	Database
	Engine
	Hub
}

// DefaultIndex has the defaults of an evaluation.
func DefaultIndex() Index { return Index{Database: DefaultDatabase(), Engine: DefaultEngine()} }

func (c *Index) declare(s *set) {
	c.Database.declare(s)
	shortRetriever(s)
	c.Engine.declare(s)
	c.Hub.declare(s)
	s.foreign()
}

// Validate implements Settings.
func (c *Index) Validate() error {
	var p problems
	c.check(&p, "")
	p.needed(c.FullDatasetIndexPath, "full_dataset_index_path", "where to keep the vectors")
	p.that(c.EvalRetriever != BM25, "eval_retriever: bm25 found, which needs no index; dense, hybrid or openai expected, whose vectors are kept")
	return p.join()
}

func (c *Index) notices() []string { return nil }

// Ask is the settings of gorqa ask.
type Ask struct {
	Question    string // "" = read questions from standard input
	HistoryFile string // the turns before each question; "" = none
	Model
	Prompt
	Database
	History string // Bare, Concat or Rephrase
	Generation
	Engine
	Hub
	Seed int64
}

// DefaultAsk has the defaults of an evaluation.
func DefaultAsk() Ask {
	return Ask{
		Model: DefaultModel(), Prompt: DefaultPrompt(), Database: DefaultDatabase(), History: Rephrase,
		Generation: DefaultGeneration(), Engine: DefaultEngine(), Seed: DefaultSchedule().Seed,
	}
}

func (c *Ask) declare(s *set) {
	s.positional = &positional{names: []string{"[RUN]", "[QUESTION]"}, run: true, take: func(args []string) {
		if len(args) > 0 {
			c.Question = args[0]
		}
	}}
	c.Model.declare(s)
	c.declareAdapter(s)
	s.alias("model_name_or_path", "qa_model_name_or_path")
	c.Prompt.declare(s, "")
	c.Database.declare(s)
	shortRetriever(s)
	c.declareHistory(s)
	c.Generation.declare(s)
	s.seed(&c.Seed, "seed", "seed of the drawing of tokens")
	c.Engine.declare(s)
	c.Hub.declare(s)
	s.foreign()
}

// Validate implements Settings.
func (c *Ask) Validate() error {
	var p problems
	c.Model.check(&p)
	c.Prompt.check(&p)
	c.Database.check(&p, "")
	c.Generation.check(&p)
	return p.join()
}

func (c *Ask) notices() []string { return nil }

// declareHistory takes the word of other commands, so that their settings files
// hold here, and the file of turns that only ask has.
func (c *Ask) declareHistory(s *set) {
	declareHistory(s, &c.History)
	st := s.lookup("history")
	words := st.assign
	st.metavar += "|FILE"
	st.help = "FILE: the turns before the question, a JSON array as chat_history in the data. Or w" + st.help[1:] + "; given twice, it can be both"
	st.assign = func(v string) error {
		if words(v) != nil {
			c.HistoryFile = v
		}
		return nil
	}
}

// Doctor is the settings of gorqa doctor: those of every training, none required.
// What is given is looked at.
type Doctor struct {
	Train
	Forecast bool // say how long it takes, by trying
}

// DefaultDoctor has the defaults of a training.
func DefaultDoctor() Doctor { return Doctor{Train: DefaultTrain("")} }

func (c *Doctor) declare(s *set) {
	s.section("Forecast")
	s.boolean(&c.Forecast, "forecast", "try two steps and some answers, and say how long the run will take and what memory; asks for all that a training does")
	c.Train.declare(s)
}

// Validate implements Settings: what is not given is no problem, but for a
// forecast.
func (c *Doctor) Validate() error {
	p := problems{partial: !c.Forecast}
	c.check(&p)
	return p.join()
}
