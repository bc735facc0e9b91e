package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Retrievers.
const (
	Dense  = "dense"
	BM25   = "bm25"
	Hybrid = "hybrid" // Dense and BM25 by reciprocal rank fusion
	OpenAI = "openai" // an embeddings endpoint
)

// retrievers are those that can be chosen; app's settings.go says which of qa's kinds
// each is.
func retrievers() []string { return []string{Dense, BM25, Hybrid, OpenAI} }

// Passages says which passages a row has beside its gold ones.
type Passages struct {
	EmbeddingModel            string // a folder or hub id; with OpenAI the endpoint's name of it
	EmbeddingMaxNumToRetrieve int    // passages of a row beside one gold passage
	RetrievalPool             string // "documents", or Gold: the split's own gold passages
	Retriever                 string
	ShufflePassages           bool
	GoldDropout               float64 // part of the rows that lose their gold passages
	NumDistractors            int
	AbstainAnswer             string // target of rows that lost their gold passages; "" = their own
	MinK, MaxK                int    // where MaxK is not 0, of EmbeddingMaxNumToRetrieve, drawn for each row
}

// DefaultPassages are LocalRQA's three, with nothing random. (LocalRQA's code
// retrieves from the gold passages, its documentation from the documents.)
func DefaultPassages() Passages {
	return Passages{EmbeddingMaxNumToRetrieve: 3, RetrievalPool: "documents", Retriever: Dense}
}

func (m *Passages) declare(s *set) {
	s.section("Passages of the training rows")
	s.text(&m.EmbeddingModel, "embedding_model", "MODEL", "embedding model to retrieve them with: a sentence-transformers folder, a name that gorqa fetch model lists, or a hub id; with --retriever openai a name that the endpoint knows")
	s.integer(&m.EmbeddingMaxNumToRetrieve, "embedding_max_num_to_retrieve", "passages beside the gold one: a row has at most one more than this, and none twice")
	s.choice(&m.RetrievalPool, "retrieval_pool", "what they are retrieved from: full_dataset_file_path, or only the gold passages of the same file of rows, as LocalRQA's code does", "documents", Gold)
	s.choice(&m.Retriever, "retriever", "how: by embedding_model, by words, by both, or by an OpenAI-compatible embeddings endpoint (OPENAI_BASE_URL, OPENAI_API_KEY)", retrievers()...)
	s.boolean(&m.ShufflePassages, "shuffle_passages", "random order; otherwise the gold passages come first")
	s.number(&m.GoldDropout, "gold_dropout", "part of the rows that lose their gold passages to retrieved ones, from 0 to 1")
	s.text(&m.AbstainAnswer, "abstain_answer", "TEXT", "what rows learn to answer that lost their gold passages; otherwise they keep their answer")
	s.integer(&m.NumDistractors, "num_distractors", "how many of a row's retrieved passages give way to its hard_neg_docs, or where it has too few, to passages from further down the ranking")
	s.add(&setting{
		name: "vary_k", metavar: "MIN:MAX", help: "draw embedding_max_num_to_retrieve for each row from this range",
		assign: func(v string) (err error) {
			m.MinK, m.MaxK, err = bounds(v)
			return err
		},
		value: func() any { return m.varyK() },
		text:  m.varyK,
	})
}

// varyK writes the range as the flag takes it.
func (m *Passages) varyK() string {
	if m.MaxK == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%d", m.MinK, m.MaxK)
}

// bounds reads "min:max"; "" is none.
func bounds(text string) (least, most int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	a, b, ok := strings.Cut(text, ":")
	least, errA := strconv.Atoi(a)
	most, errB := strconv.Atoi(b)
	if !ok || errA != nil || errB != nil || least < 0 || most < max(least, 1) {
		return 0, 0, fmt.Errorf("%q found; MIN:MAX expected, such as 1:5", text)
	}
	return least, most, nil
}

// Embeds says whether EmbeddingModel is a model that is computed here.
func (m *Passages) Embeds() bool { return embeds(m.Retriever) }

// embeds says whether a retriever has an embedding model that is computed here.
func embeds(retriever string) bool { return retriever == Dense || retriever == Hybrid }

func (m *Passages) check(p *problems) {
	if m.Retriever != BM25 {
		p.needed(m.EmbeddingModel, "embedding_model", "a model to retrieve training passages with, or --retriever bm25")
	}
	p.that(m.EmbeddingMaxNumToRetrieve >= 1, "embedding_max_num_to_retrieve: %d found; 1 or more expected (for gold passages alone use gorqa train sft)", m.EmbeddingMaxNumToRetrieve)
	p.that(m.GoldDropout >= 0 && m.GoldDropout <= 1, "gold_dropout: %v found; 0 to 1 expected", m.GoldDropout)
	p.that(m.AbstainAnswer == "" || m.GoldDropout != 0, "abstain_answer: found with gold_dropout 0; some dropout expected, since no row loses its gold passages")
	p.that(m.EmbeddingMaxNumToRetrieve <= MostRows, "embedding_max_num_to_retrieve: %d found; expected at most %d", m.EmbeddingMaxNumToRetrieve, MostRows)
	p.that(m.MaxK <= MostRows, "vary_k: up to %d found; expected at most %d", m.MaxK, MostRows)
	most := max(m.EmbeddingMaxNumToRetrieve, 1)
	if m.MaxK > 0 {
		most = m.MaxK
	}
	p.that(m.NumDistractors >= 0 && m.NumDistractors <= most, "num_distractors: %d found; 0 to %d expected, since they are among the passages of a row", m.NumDistractors, most)
}

// checkPool asks for what the passages are retrieved from.
func (m *Passages) checkPool(p *problems, documents, index string) {
	if m.RetrievalPool != Gold && (index == "" || m.Retriever == BM25) {
		p.needed(documents, "full_dataset_file_path", "the documents to retrieve training passages from, or --retrieval_pool gold")
	}
}

// Contexts is the settings of gorqa contexts.
type Contexts struct {
	TrainFile string
	OutputDir string // "" = keep nothing
	OnBadRows string // as Data's
	Passages
	History string // Bare, Concat or Rephrase
	Model          // that words follow-up questions anew; may be missing where there are none
	Prompt
	FullDatasetFilePath  string
	FullDatasetIndexPath string
	Similarity           string // as Database's
	Rerank
	Store
	Engine
	Hub
	Seed int64
}

// DefaultContexts has the defaults of a training.
func DefaultContexts() Contexts {
	return Contexts{
		OnBadRows: DefaultData().OnBadRows, Passages: DefaultPassages(), Similarity: AutoSimilarity, Rerank: DefaultRerank(), Store: DefaultStore(),
		History: Rephrase, Model: DefaultModel(), Prompt: DefaultPrompt(), Engine: DefaultEngine(), Seed: DefaultSchedule().Seed,
	}
}

func (c *Contexts) declare(s *set) {
	s.section("Data")
	s.text(&c.TrainFile, "train_file", "FILE", "rows to find passages for, JSONL: question, gold_docs, gold_answer, hard_neg_docs (required)")
	s.text(&c.OutputDir, "output_dir", "DIR", "folder to leave contexts-train.jsonl in, where gorqa train swr finds it")
	declareBadRows(s, &c.OnBadRows)
	c.Passages.declare(s)
	s.section("Retrieval")
	declareDocuments(s, &c.FullDatasetFilePath, &c.FullDatasetIndexPath)
	declareSimilarity(s, &c.Similarity)
	c.Rerank.declare(s)
	c.Store.declare(s)
	declareHistory(s, &c.History)
	s.seed(&c.Seed, "seed", "seed of everything random")
	c.Model.declare(s)
	s.lookup("model_name_or_path").help = "generator that words questions anew, where rows have a history: as of gorqa train swr"
	c.Prompt.declare(s, "")
	c.Engine.declare(s)
	c.Hub.declare(s)
	s.foreign()
}

// Validate implements Settings.
func (c *Contexts) Validate() error {
	var p problems
	p.needed(c.TrainFile, "train_file", "the rows to find passages for")
	c.Passages.check(&p)
	c.checkPool(&p, c.FullDatasetFilePath, c.FullDatasetIndexPath)
	c.Rerank.check(&p)
	c.Store.check(&p, c.FullDatasetIndexPath)
	c.Prompt.check(&p)
	return p.join()
}

func (c *Contexts) notices() []string { return nil }
