package config

// DataCheck is the settings of gorqa data check.
type DataCheck struct {
	Files                []string // of rows, the training's first
	FullDatasetFilePath  string   // "" = the gold passages of the files
	FullDatasetIndexPath string
	EmbeddingModel       string // "" = words are counted, and passages found by words alone
	Similarity           string
	OnBadRows            string
	JSON                 bool
	Engine
	Hub
}

// DefaultDataCheck finds passages by words.
func DefaultDataCheck() DataCheck {
	return DataCheck{OnBadRows: DefaultData().OnBadRows, Similarity: AutoSimilarity, Engine: DefaultEngine()}
}

func (c *DataCheck) declare(s *set) {
	s.positional = &positional{names: []string{"FILE..."}, required: 1, many: true, take: func(args []string) { c.Files = args }}
	s.section("Check")
	declareDocuments(s, &c.FullDatasetFilePath, &c.FullDatasetIndexPath)
	s.lookup("full_dataset_file_path").help = "documents to look for the passages of questions in, .jsonl or .pkl; without them, the gold passages of the files"
	s.text(&c.EmbeddingModel, "embedding_model", "MODEL", "embedding model whose tokens lengths are counted in, and that passages are found by, beside BM25; without one, lengths are in words")
	declareSimilarity(s, &c.Similarity)
	declareBadRows(s, &c.OnBadRows)
	s.boolean(&c.JSON, "json", "write one JSON object instead of tables")
	c.Engine.declare(s)
	c.Hub.declare(s)
}

// Validate implements Settings.
func (c *DataCheck) Validate() error {
	var p problems
	for i, a := range c.Files {
		for _, b := range c.Files[:i] {
			p.differ([2]string{"FILE", a}, [2]string{"FILE", b})
		}
	}
	return p.join()
}

func (c *DataCheck) notices() []string { return nil }

// Database is what passages are found in by the embedding model.
func (c *DataCheck) Database() Database {
	b := DefaultDatabase()
	b.FullDatasetFilePath, b.FullDatasetIndexPath, b.EvalEmbeddingModel, b.Similarity = c.FullDatasetFilePath, c.FullDatasetIndexPath, c.EmbeddingModel, c.Similarity
	return b
}
