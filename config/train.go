package config

import (
	"slices"
	"strings"
)

// Train is the settings of gorqa train. Recipe is set by the command, not by
// a flag. What only one recipe takes goes into a group of its own, declared
// and checked for that recipe alone.
type Train struct {
	Recipe    string // SFT, SwR or FiD; "" takes the settings of all
	Answering        // the model, and how evaluations ask it
	Fresh            // FiD's
	LoRA
	Data
	Optimiser
	Schedule
	Saving
	EarlyStopping
	Scoring
	Passages // SwR's and FiD's
	Logging
	Processes

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
		Recipe: recipe, Answering: DefaultAnswering(), LoRA: DefaultLoRA(), Data: DefaultData(),
		Optimiser: DefaultOptimiser(), Schedule: DefaultSchedule(), Saving: DefaultSaving(),
		Scoring: DefaultScoring(), Passages: DefaultPassages(), Logging: DefaultLogging(), Processes: DefaultProcesses(),
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
	c.EarlyStopping.declare(s)
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
	c.Processes.declare(s)
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
	c.checkBlocks(p)
	c.Optimiser.check(p)
	c.Schedule.check(p, max(c.LearningRate, 0))
	c.Saving.check(p)
	c.EarlyStopping.check(p, c.Evaluates(), c.MetricForBestModel)
	c.Processes.check(p)
	c.Scoring.check(p)
	retrieves := c.Retrieves() && (c.Evaluates() || c.TestFile != "" || !c.DoTrain)
	if retrieves {
		c.Database.check(p, ", or --eval_contexts gold")
	}
	if c.Augments() {
		c.Passages.check(p)
		if !retrieves {
			c.checkPool(p, c.FullDatasetFilePath, c.FullDatasetIndexPath)
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

// checkBlocks is for rows of blocks, which the kernels of the processor compute, and whose
// passages are read and not learnt.
func (c *Train) checkBlocks(p *problems) {
	if !c.InBlocks() {
		return
	}
	p.that(c.Recipe != FiD, "block_attention: true found with train fid, whose encoder reads each passage alone already; train sft or train swr expected; leave it out")
	variant, _, err := c.Device()
	p.that(err != nil || variant == "cpu", "block_attention: true found with backend %s; xla:cpu expected, for which alone it is there", c.Backend)
	p.that(c.QuantBits() == 0, "block_attention: true found with load_in_%dbit; whole weights expected, for which alone it is there", c.QuantBits())
	p.that(c.LossOn != "all", "block_attention: true found with loss_on all; loss_on answer expected: what a passage says is no continuation of the one before it")
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
