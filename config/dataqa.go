package config

import (
	"slices"
	"strconv"
	"strings"
)

// DataQA is the settings of gorqa data qa.
type DataQA struct {
	Documents          string // passages, as of gorqa data docs
	OutputDir          string
	OverwriteOutputDir bool

	WriterModel  string // behind an OpenAI-compatible endpoint; "" = Model, on this machine
	Concurrency  int    // requests under way at the endpoint
	Model               // on this machine; may be missing
	MaxNumSeqs   int    // texts that it writes at a time
	ReplyFormat  string // AutoFormat, JSONFormat or LinesFormat
	MaxNewTokens int    // of a reply; 0 = by the format
	DryRun       bool   // say what it would cost, and end

	Kinds                []string // KIND=SHARE; none = by the format
	QuestionsPerPassage  int
	MaxQuestions         int // 0 = any number
	PassagesPerQuestion  int // of a comparison
	AbstainAnswer        string
	SplitBy              string // "document" or "section"
	EvalShare, TestShare float64
	Seed                 int64

	MinPassageWords, MaxQuestionWords, MaxAnswerWords int
	FoundAmong                                        int
	HardNegDocs                                       int

	EmbeddingModel       string // "" = passages are found by words
	FullDatasetIndexPath string
	Similarity           string
	Engine
	Hub
}

// How the model that writes questions replies.
const (
	AutoFormat  = "auto"
	JSONFormat  = "json"
	LinesFormat = "lines" // a question a line, of a statement that is its answer
)

var questionKinds = []string{"fact", "procedure", "comparison", "unanswerable"}

// DefaultDataQA asks one question of each passage.
func DefaultDataQA() DataQA {
	return DataQA{
		Concurrency: 4, Model: DefaultModel(), MaxNumSeqs: 8, ReplyFormat: AutoFormat,
		QuestionsPerPassage: 1, PassagesPerQuestion: 2, AbstainAnswer: "The documents do not say.", SplitBy: "document", EvalShare: 0.1, TestShare: 0.1,
		Seed: DefaultSchedule().Seed, MinPassageWords: 20, MaxQuestionWords: 40, MaxAnswerWords: 100, FoundAmong: 10, HardNegDocs: 4,
		Similarity: AutoSimilarity, Engine: DefaultEngine(),
	}
}

func (c *DataQA) declare(s *set) {
	s.positional = &positional{names: []string{"DOCUMENTS"}, required: 1, take: func(args []string) { c.Documents = args[0] }}
	s.section("Output")
	s.text(&c.OutputDir, "output_dir", "DIR", "folder of train_w_qa.jsonl, eval_w_qa.jsonl, test_w_qa.jsonl, documents.jsonl, and dropped.jsonl with the reason of each question that was not kept (required)")
	s.alias("output_dir", "output")
	s.boolean(&c.OverwriteOutputDir, "overwrite_output_dir", "write over the files of another data set in the folder")
	s.section("Writer")
	s.text(&c.WriterModel, "writer_model", "NAME", "chat model that writes the questions, behind an OpenAI-compatible endpoint (OPENAI_BASE_URL, OPENAI_API_KEY)")
	s.integer(&c.Concurrency, "concurrency", "requests that are under way there at a time")
	s.text(&c.ModelNameOrPath, "model_name_or_path", "MODEL", "or a model on this machine: a Hugging Face folder, a .gguf file, a name that gorqa fetch model lists, or a hub id")
	s.text(&c.ModelRevision, "model_revision", "NAME", "branch, tag or commit of a hub id")
	c.declareAdapter(s)
	s.integer(&c.MaxNumSeqs, "max_num_seqs", "texts that it writes at a time")
	s.choice(&c.ReplyFormat, "reply_format", "what is asked for: json (questions with their answers), or lines, for small models: a question for a sentence of a passage, which is its answer; auto is json for an endpoint and lines for a model on this machine", AutoFormat, JSONFormat, LinesFormat)
	s.maybeInteger(&c.MaxNewTokens, "max_new_tokens", "tokens a reply may have (if not given, 48 for lines, 512 a question for json; an endpoint has its own limit)")
	s.boolean(&c.DryRun, "dry_run", "say how many requests and tokens it would take, and end")
	s.section("Questions")
	s.list(&c.Kinds, "kinds", "KIND=SHARE,...", "how many of which kind, relative to each other: fact, procedure, comparison (over several passages), unanswerable, whose passages are left out of documents.jsonl (if not given, fact=6,procedure=2,comparison=1,unanswerable=1; with lines no comparison)")
	s.integer(&c.QuestionsPerPassage, "questions_per_passage", "questions that are asked for of each passage")
	s.maybeInteger(&c.MaxQuestions, "max_questions", "questions that are asked for in all, of passages drawn from all splits (if not given, of every passage)")
	s.integer(&c.PassagesPerQuestion, "passages_per_question", "passages of a comparison")
	s.text(&c.AbstainAnswer, "abstain_answer", "TEXT", "answer to unanswerable questions")
	s.choice(&c.SplitBy, "split_by", "what stands in one split as a whole: a document, or a section of one (its first two headings, a page, or eight passages)", "document", "section")
	s.number(&c.EvalShare, "eval_share", "part of the passages that the evaluation asks about")
	s.number(&c.TestShare, "test_share", "part of the passages that the test asks about")
	s.seed(&c.Seed, "seed", "seed of everything that is drawn")
	s.section("Filters")
	s.integer(&c.MinPassageWords, "min_passage_words", "passages with fewer words are not asked about")
	s.integer(&c.MaxQuestionWords, "max_question_words", "questions with more are dropped")
	s.integer(&c.MaxAnswerWords, "max_answer_words", "answers with more are dropped")
	s.integer(&c.FoundAmong, "found_among", "the passage of a question must be among so many that the retriever finds for it")
	s.integer(&c.HardNegDocs, "hard_neg_docs", "passages of a row that rank high for its question and do not hold its answer, from the same split")
	s.text(&c.EmbeddingModel, "embedding_model", "MODEL", "embedding model of the retriever; without one, passages are found by words (BM25)")
	s.text(&c.FullDatasetIndexPath, "full_dataset_index_path", "PATH", "where the vectors of the passages are kept")
	declareSimilarity(s, &c.Similarity)
	c.Engine.declare(s)
	c.Hub.declare(s)
}

// Lines says whether statements are turned into questions, else JSON is asked for.
func (c *DataQA) Lines() bool {
	return c.ReplyFormat == LinesFormat || c.ReplyFormat == AutoFormat && c.WriterModel == ""
}

// Shares are those of the kinds of questions.
func (c *DataQA) Shares() map[string]float64 {
	kinds := c.Kinds
	switch {
	case len(kinds) == 0 && c.Lines():
		kinds = []string{"fact=7", "procedure=2", "unanswerable=1"}
	case len(kinds) == 0:
		kinds = []string{"fact=6", "procedure=2", "comparison=1", "unanswerable=1"}
	}
	shares := map[string]float64{}
	for _, pair := range kinds {
		kind, share, _ := strings.Cut(pair, "=")
		shares[kind], _ = strconv.ParseFloat(share, 64) // the settings were checked
	}
	return shares
}

// Tokens is how many a reply may have.
func (c *DataQA) Tokens() int {
	switch {
	case c.MaxNewTokens > 0:
		return c.MaxNewTokens
	case c.Lines():
		return 48
	}
	return 512 * c.QuestionsPerPassage
}

// Validate implements Settings.
func (c *DataQA) Validate() error {
	var p problems
	p.needed(c.OutputDir, "output_dir", "a folder for the data set")
	p.that(c.WriterModel != "" || c.ModelNameOrPath != "", "writer_model: missing; a chat model behind an endpoint expected, or --model_name_or_path for one on this machine")
	p.that(c.WriterModel == "" || c.ModelNameOrPath == "", "writer_model: %q found beside model_name_or_path %q; one of them expected", c.WriterModel, c.ModelNameOrPath)
	if c.ModelNameOrPath != "" {
		c.Model.check(&p)
	}
	for _, pair := range c.Kinds {
		kind, share, ok := strings.Cut(pair, "=")
		n, err := strconv.ParseFloat(share, 64)
		p.that(ok && err == nil && n >= 0 && n < 1e6 && slices.Contains(questionKinds, kind), "kinds: %q found; a kind (%s), = and a share expected, such as fact=6", pair, oneOf(questionKinds))
		p.that(kind != "comparison" || n == 0 || !c.Lines(), "kinds: comparison found with lines, whose answers are one sentence; --reply_format json expected, or no comparisons")
	}
	sum := 0.0
	for _, share := range c.Shares() {
		sum += share
	}
	p.that(sum > 0, "kinds: no share above 0 found; one expected")
	p.between(c.Concurrency, 1, 1024, "concurrency")
	p.between(c.MaxNumSeqs, 1, 1024, "max_num_seqs")
	p.between(c.QuestionsPerPassage, 1, 50, "questions_per_passage")
	p.between(c.PassagesPerQuestion, 2, 20, "passages_per_question")
	p.needed(c.AbstainAnswer, "abstain_answer", "an answer to unanswerable questions")
	p.that(c.EvalShare >= 0 && c.TestShare >= 0 && c.EvalShare+c.TestShare < 1, "eval_share: %v found with test_share %v; 0 or more each, and less than 1 together, expected", c.EvalShare, c.TestShare)
	p.between(c.MinPassageWords, 1, MostTokens, "min_passage_words")
	p.between(c.MaxQuestionWords, 3, MostTokens, "max_question_words")
	p.between(c.MaxAnswerWords, 1, MostTokens, "max_answer_words")
	p.between(c.FoundAmong, 1, MostRows, "found_among")
	p.between(c.HardNegDocs, 0, MostRows, "hard_neg_docs")
	p.between(c.MaxNewTokens, 0, MostTokens, "max_new_tokens")
	return p.join()
}

func (c *DataQA) notices() []string { return nil }
