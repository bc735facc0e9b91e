package config

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
