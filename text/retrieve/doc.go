// Package retrieve finds the documents that answer a question: exact dense
// search over embedded passages ([Index]), BM25 ([BM25]), the fusion of several
// rankings ([Hybrid]) and a ranking whose first places a cross-encoder orders anew
// ([Reranked]), all behind [Retriever]. A new one implements that here; package qa
// opens it by its kind, and package config has its name.
//
// It knows documents and vectors, never how a vector is computed: an [Embedder],
// or a [Scorer], is handed in. It must not know prompts, tokenizers or the tensor engine.
package retrieve

import (
	"context"
	"fmt"
)

// Kind says what a text is embedded as. Some models put a different prefix
// before a question and before a passage.
type Kind int

const (
	Query   Kind = iota // a question that is searched with
	Passage             // a document that is searched for
)

// String returns "query" or "passage".
func (k Kind) String() string {
	switch k {
	case Query:
		return "query"
	case Passage:
		return "passage"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Embedder turns texts into vectors.
type Embedder interface {
	// Embed returns one vector of Width numbers for each text, in order.
	Embed(ctx context.Context, texts []string, kind Kind) ([][]float32, error)
	// Name identifies the model and every setting that changes its vectors.
	// Vectors are cached under it.
	Name() string
	// Width is the length of the vectors, 0 while it is not known.
	Width() int
}

// Hit is one document found.
type Hit struct {
	Index int     // into Documents of the retriever
	Score float32 // higher is better; comparable within one retriever only
}

// Retriever ranks a fixed list of documents.
type Retriever interface {
	// TopK returns the k best documents for each query, best first; equal
	// scores stand in the order of the documents. There are fewer than k only
	// where nothing speaks for the others, as with BM25 for a question that
	// shares no word with them. A k below 1 or above the number of documents
	// is an error.
	TopK(ctx context.Context, queries []string, k int) ([][]Hit, error)
	// Documents returns the list that hits point into.
	Documents() Documents
}

// checkK reports a k that n documents cannot satisfy.
func checkK(k, n int) error {
	switch {
	case k < 1:
		return fmt.Errorf("retrieve: k is %d; expected at least 1; ask for one passage or more", k)
	case n == 0:
		return fmt.Errorf("retrieve: there are no documents to search; expected at least k = %d; check the document file", k)
	case k > n:
		return fmt.Errorf("retrieve: k is %d but there are only %d documents; expected k of at most %d; lower k or add documents", k, n, n)
	}
	return nil
}
