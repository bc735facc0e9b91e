package config

// Database is the documents that questions are asked of, and the retriever
// that finds passages in them.
type Database struct {
	FullDatasetFilePath  string // documents, .jsonl or .pkl
	FullDatasetIndexPath string // cached vectors; made if it is not there
	EvalRetriever        string // Dense, BM25, Hybrid or OpenAI
	EvalEmbeddingModel   string // a folder or hub id of an embedding model; with OpenAI the endpoint's name of it
	EvalK                int    // passages retrieved for a question; 0 = the model's fid.json says, else LocalRQA's 4
	Similarity           string // what vectors are compared by; AutoSimilarity for what the embedding model says
	Rerank
	Store
}

// Rerank says what puts the passages that a retriever finds in order anew.
type Rerank struct {
	Reranker  string // a folder or hub id of a cross-encoder; "" = nothing does
	RerankTop int    // passages that it scores for a question
}

// DefaultRerank scores the first 30 where there is a reranker.
func DefaultRerank() Rerank { return Rerank{RerankTop: 30} }

func (m *Rerank) declare(s *set) {
	s.text(&m.Reranker, "reranker", "MODEL", "cross-encoder that puts the passages found in order anew: a folder or a hub id, such as cross-encoder/ms-marco-MiniLM-L6-v2")
	s.integer(&m.RerankTop, "rerank_top", "passages that the reranker scores for a question, at least as many as are asked for")
	s.alias("rerank_top", "rerank_top_n")
}

func (m *Rerank) check(p *problems) {
	p.between(m.RerankTop, 1, MostRows, "rerank_top")
	if m.Reranker != "" {
		p.local(m.Reranker, "reranker")
	}
}

// AutoSimilarity is what the folder of the embedding model says.
const AutoSimilarity = "auto"

// DefaultDatabase finds passages by an embedding model and leaves their number and the
// similarity to the models.
func DefaultDatabase() Database {
	return Database{EvalRetriever: Dense, Similarity: AutoSimilarity, Rerank: DefaultRerank(), Store: DefaultStore()}
}

func declareSimilarity(s *set, similarity *string) {
	s.choice(similarity, "similarity", "what vectors of questions and passages are compared by: auto (what the embedding model's folder says, as sentence-transformers does; of a retriever that LocalRQA trained, Euclidean distance, by which LocalRQA searches), or one of sentence-transformers' names", AutoSimilarity, "cosine", "dot", "euclidean", "manhattan")
	s.alias("similarity", "similarity_fn_name")
}

func (m *Database) declare(s *set) {
	s.section("Retrieval")
	declareDocuments(s, &m.FullDatasetFilePath, &m.FullDatasetIndexPath)
	s.choice(&m.EvalRetriever, "eval_retriever", "how passages are found for a question: by eval_embedding_model, by words, by both, or by an OpenAI-compatible embeddings endpoint (OPENAI_BASE_URL, OPENAI_API_KEY)", retrievers()...)
	s.text(&m.EvalEmbeddingModel, "eval_embedding_model", "MODEL", "embedding model: a sentence-transformers folder, a name that gorqa fetch model lists, or a hub id; with the retriever openai a name that the endpoint knows")
	s.maybeInteger(&m.EvalK, "eval_k", "passages retrieved for a question (if not given, what the model's fid.json says, else 4)")
	declareSimilarity(s, &m.Similarity)
	m.Rerank.declare(s)
	m.Store.declare(s)
	s.alias("eval_embedding_model", "embedding_model_name_or_path")
}

func declareDocuments(s *set, file, index *string) {
	s.text(file, "full_dataset_file_path", "FILE", "documents to retrieve from, .jsonl or .pkl; if not given, those that full_dataset_index_path holds")
	s.text(index, "full_dataset_index_path", "PATH", "folder where they and their vectors are kept, made when not there, or a PostgreSQL database with pgvector (postgres://USER@HOST/DATABASE); only new documents are embedded")
	s.alias("full_dataset_file_path", "document_path")
	s.alias("full_dataset_index_path", "index_path")
}

// EvalEmbeds says whether EvalEmbeddingModel is a model that is computed here.
func (m *Database) EvalEmbeds() bool { return embeds(m.EvalRetriever) }

func (m *Database) check(p *problems, why string) {
	if m.FullDatasetIndexPath == "" || m.EvalRetriever == BM25 {
		p.needed(m.FullDatasetFilePath, "full_dataset_file_path", "the documents to retrieve from, or full_dataset_index_path with an index that holds them"+why)
	}
	if m.EvalRetriever != BM25 {
		p.needed(m.EvalEmbeddingModel, "eval_embedding_model", "an embedding model, or --eval_retriever bm25"+why)
	}
	if m.EvalEmbeds() {
		p.local(m.EvalEmbeddingModel, "eval_embedding_model")
	}
	p.between(m.EvalK, 0, MostRows, "eval_k")
	m.Rerank.check(p)
	m.Store.check(p, m.FullDatasetIndexPath)
}

// What a follow-up question is retrieved by.
const (
	Bare     = "none"     // the question alone
	Concat   = "concat"   // the user's earlier messages and the question
	Rephrase = "rephrase" // the question as the generator words it anew
)

// declareHistory declares what follow-up questions are retrieved by.
func declareHistory(s *set, p *string) {
	s.choice(p, "history", "what the retriever is asked for a question that follows on earlier turns (chat_history): the question alone, the user's earlier messages with it, or the question as the generator words it anew to stand alone", Bare, Concat, Rephrase)
}
