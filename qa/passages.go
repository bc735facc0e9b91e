package qa

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/recipe"
	"gorqa/text/retrieve"
	"gorqa/text/retrieve/postgres"
)

// Passages is where the passages of rows come from: a retriever that is built
// only where contexts do not lie ready.
type Passages struct {
	name      string // of the retriever with its settings
	kind      RetrieverKind
	FollowUps FollowUps
	models    *Embedder          // nil where no model is computed here
	embedder  retrieve.Embedder  // nil for words alone
	reranker  *Reranker          // nil for none
	top       int                // passages that it scores
	divided   Divided            // spreads the work; nil for this process alone
	metric    retrieve.Metric    // of its vectors
	documents []dataset.Document // nil for the gold passages of the rows, or those of the index
	stored    bool               // they are those of the index
	index     string             // folder of the documents' vectors, or address of a database
	database  postgres.Options   // of that database
	opened    []*postgres.Index  // which are to be closed
	built     retrieve.Retriever // over documents; nil until needed
	Kept      string             // the run whose contexts must stay as they are; "" for none
	show      *report.Run
}

// RetrieverKind says how passages are found.
type RetrieverKind int

const (
	DenseRetriever    RetrieverKind = iota // by an embedding model
	WordsRetriever                         // by BM25
	HybridRetriever                        // by both
	EndpointRetriever                      // by an OpenAI-compatible embeddings endpoint
)

// PassagesOptions say what passages are found by and in.
type PassagesOptions struct {
	Kind       RetrieverKind
	Embedder   *Embedder          // for DenseRetriever and HybridRetriever; the passages close it
	Divided    Divided            // spreads the work over processes; nil where this one does all
	Endpoint   string             // its model, for EndpointRetriever
	Similarity string             // that vectors are compared by; "" for what the model says
	Documents  []dataset.Document // nil for the gold passages of the rows
	Stored     bool               // the documents are those that Index holds
	Index      string             // folder of the documents and their vectors, or address of a database (postgres://…); "" for none
	Table      string             // what the tables of the database are called after
	HNSW       bool               // the database is searched by HNSW
	Reranker   *Reranker          // puts what is found in order anew, nil for none; the passages close it
	RerankTop  int                // passages that it scores for a question
}

// Divided spreads the work of what passages are found by over processes.
type Divided interface {
	Embedder(*Embedder) retrieve.Embedder
	Scorer(*Reranker) retrieve.Scorer
	Words(*retrieve.BM25) retrieve.Retriever
}

// OpenPassages prepares what passages are found by.
func OpenPassages(o PassagesOptions, show *report.Run) (*Passages, error) {
	p := &Passages{database: databaseOptions(o), kind: o.Kind, index: o.Index, documents: o.Documents, stored: o.Stored, models: o.Embedder, reranker: o.Reranker, top: o.RerankTop, divided: o.Divided, show: show}
	if err := p.open(o); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if p.reranker != nil {
		p.name = fmt.Sprintf("the first %d of %s, reranked by %s", p.top, p.name, p.reranker.Name())
	}
	return p, nil
}

// Close frees what the models hold.
func (p *Passages) Close() error {
	var errs []error
	for _, x := range p.opened {
		x.Close()
	}
	if p.models != nil {
		errs = append(errs, p.models.Close())
	}
	if p.reranker != nil {
		errs = append(errs, p.reranker.Close())
	}
	return errors.Join(errs...)
}

// Embedder is the model that texts are embedded by here, nil for none.
func (p *Passages) Embedder() *Embedder { return p.models }

// Reranker is what puts the passages found in order anew, nil for nothing.
func (p *Passages) Reranker() *Reranker { return p.reranker }

// CheckTexts refuses texts of a file with tokens that a model has no embedding for.
func (p *Passages) CheckTexts(file, what string, n int, text func(i int) string) error {
	if p.models != nil {
		if err := p.models.CheckTexts(file, what, n, text); err != nil {
			return err
		}
	}
	if p.reranker != nil {
		return p.reranker.CheckTexts(file, what, n, text)
	}
	return nil
}

// open names the retriever by what it is made of.
func (p *Passages) open(o PassagesOptions) (err error) {
	dense, show := "", p.show
	switch o.Kind {
	case DenseRetriever, HybridRetriever:
		p.embedder = o.Embedder
		if o.Divided != nil {
			p.embedder = o.Divided.Embedder(o.Embedder)
		}
		if p.metric, err = o.Embedder.Metric(o.Similarity, show); err != nil {
			return err
		}
		dense = fmt.Sprintf("%s, query prompt %q", o.Embedder.Name(), o.Embedder.settings.QueryPrompt)
	case EndpointRetriever:
		opt := retrieve.DefaultEndpointOptions()
		opt.Model = o.Endpoint
		endpoint, err := retrieve.NewEndpoint(opt)
		if err != nil {
			return err
		}
		p.embedder, dense = endpoint, endpoint.Name()
		if p.metric, err = metricOf(o.Similarity); err != nil {
			return err
		}
	}
	if p.metric != retrieve.Cosine {
		dense += ", by " + p.metric.String()
	}
	words := retrieve.DefaultBM25Options()
	bm25 := fmt.Sprintf("BM25 (k1 %v, b %v, epsilon %v, of documents that share a word)", words.K1, words.B, words.Epsilon)
	switch o.Kind {
	case WordsRetriever:
		p.name = bm25
	case HybridRetriever:
		fusion := retrieve.DefaultHybridOptions()
		p.name = fmt.Sprintf("rank fusion (constant %d, depth %d) of %s and %s", fusion.RankConstant, fusion.Depth, dense, bm25)
	default:
		p.name = dense
	}
	return nil
}

// Contexts gives the contexts of a file's rows: those that lie at path, where
// they were made of the same, or else new ones, which are left there. Without a
// path they are made and not kept.
func (p *Passages) Contexts(ctx context.Context, rows string, examples []dataset.Example, opt recipe.ContextOptions, path string) ([]recipe.Context, error) {
	if len(examples) == 0 {
		return nil, nil
	}
	docs, err := p.pool(ctx, examples)
	if err != nil {
		return nil, err
	}
	opt, lowered := opt.Within(len(docs))
	if lowered {
		p.show.Say("%s: there are %d documents to retrieve from; a row has no more of them (embedding_max_num_to_retrieve, vary_k)", rows, len(docs))
	}
	var file *recipe.ContextsFile
	if path != "" {
		follow, err := p.FollowUps.name(examples)
		if err != nil {
			return nil, err
		}
		if file, err = recipe.NewContextsFile(path, examples, docs, p.name+follow, opt); err != nil {
			return nil, err
		}
		ready, err := file.Read()
		if err != nil {
			return nil, err
		}
		if ready != nil {
			p.tell(rows, ready, "from "+path)
			return ready, nil
		}
	}
	progress := p.show.Progress()
	opt.Progress = func(done, total int) { progress.Set("Retrieving passages", done, total) }
	asked, err := p.FollowUps.examples(ctx, examples)
	var contexts []recipe.Context
	if err == nil {
		contexts, err = p.build(ctx, docs, asked, opt)
	}
	progress.End()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rows, err)
	}
	kept := "not kept"
	if file != nil && p.Kept != "" {
		kept = fmt.Sprintf("not kept, since %s holds %s", filepath.Dir(path), p.Kept)
	} else if file != nil {
		if err := file.Write(contexts); err != nil {
			return nil, err
		}
		kept = "kept in " + path
	}
	p.tell(rows, contexts, kept)
	return contexts, nil
}

// build retrieves.
func (p *Passages) build(ctx context.Context, docs []dataset.Document, examples []dataset.Example, opt recipe.ContextOptions) ([]recipe.Context, error) {
	r := p.built
	if r == nil {
		var err error
		if r, _, err = p.over(ctx, docs); err != nil {
			return nil, err
		}
		if p.documents != nil || p.stored {
			p.built = r
		}
	}
	return recipe.BuildContexts(ctx, examples, r, opt)
}

// Retriever makes the retriever over the documents; with it comes the index of their
// vectors, nil where words alone count.
func (p *Passages) Retriever(ctx context.Context) (retrieve.Retriever, Dense, error) {
	return p.over(ctx, p.documents)
}

// pool is the documents that contexts are made of.
func (p *Passages) pool(ctx context.Context, examples []dataset.Example) ([]dataset.Document, error) {
	if !p.stored {
		if p.documents == nil {
			return recipe.GoldPool(examples), nil
		}
		return p.documents, nil
	}
	if p.built == nil {
		r, _, err := p.over(ctx, nil)
		if err != nil {
			return nil, err
		}
		p.built = r
	}
	return retrieve.ReadAll(ctx, p.built.Documents())
}

// Documents are those to retrieve from, nil for the gold passages of the rows and for what
// the index holds.
func (p *Passages) Documents() []dataset.Document { return p.documents }

// Name identifies the retriever and its settings.
func (p *Passages) Name() string { return p.name }

// over makes the retriever over documents, and with it the index of their vectors.
func (p *Passages) over(ctx context.Context, docs []dataset.Document) (retrieve.Retriever, Dense, error) {
	found, index, err := p.ranked(ctx, docs)
	if err != nil || p.reranker == nil {
		return found, index, err
	}
	opt := retrieve.DefaultRerankOptions()
	opt.Depth = p.top
	scorer := retrieve.Scorer(p.reranker)
	if p.divided != nil {
		scorer = p.divided.Scorer(p.reranker)
	}
	again, err := retrieve.NewReranked(found, scorer, opt)
	return again, index, err
}

// ranked is over without the reranker.
func (p *Passages) ranked(ctx context.Context, docs []dataset.Document) (retrieve.Retriever, Dense, error) {
	if p.kind == WordsRetriever {
		words, err := p.words(docs)
		return words, nil, err
	}
	dir := p.index
	switch {
	case p.stored:
		docs = nil
	case p.documents == nil:
		dir = "" // it keeps the vectors of one list of documents, which these are not
	}
	dense, err := p.dense(ctx, dir, docs)
	if err != nil {
		return nil, nil, err
	}
	if p.kind != HybridRetriever {
		return dense, dense, nil
	}
	if docs, err = retrieve.ReadAll(ctx, dense.Documents()); err != nil {
		return nil, nil, err
	}
	words, err := p.words(docs)
	if err != nil {
		return nil, nil, err
	}
	both, err := retrieve.NewHybrid(ctx, retrieve.DefaultHybridOptions(), dense, words)
	return both, dense, err
}

// words is BM25 over documents.
func (p *Passages) words(docs []dataset.Document) (retrieve.Retriever, error) {
	words, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil || p.divided == nil {
		return words, err
	}
	return p.divided.Words(words), nil
}

// dense makes the index of vectors, in the folder or in the database that path names.
func (p *Passages) dense(ctx context.Context, path string, docs []dataset.Document) (Dense, error) {
	if !postgres.Is(path) {
		index, err := BuildIndex(ctx, path, docs, p.embedder, p.metric, p.show)
		if err != nil {
			return nil, err // no index in an interface
		}
		return index, nil
	}
	opt := p.database
	opt.Index.Metric = p.metric
	index, err := openDatabase(ctx, opt, docs, p.embedder, p.show)
	if err != nil {
		return nil, err
	}
	p.opened = append(p.opened, index)
	return index, nil
}

// databaseOptions are those of the database at o.Index, if it is one.
func databaseOptions(o PassagesOptions) postgres.Options {
	d := postgres.DefaultOptions()
	d.Address, d.Table = o.Index, cmp.Or(o.Table, d.Table)
	if o.HNSW {
		d.Kind = postgres.HNSW
	}
	return d
}

// tell says what the contexts of rows hold.
func (p *Passages) tell(rows string, contexts []recipe.Context, kept string) {
	passages, without, found, none := 0, 0, 0, 0
	for _, c := range contexts {
		passages += len(c.Passages)
		gold, place, hit := false, false, false
		for _, x := range c.Passages {
			hit = hit || x.Place > 0
			if x.From == recipe.Gold {
				gold, place = true, place || x.Place > 0
			}
		}
		if !gold {
			without++
		}
		if place {
			found++
		}
		if !hit {
			none++
		}
	}
	p.show.Say("Passages of %s: %d rows with %.1f each, %d without a gold passage; the retriever finds %d of the other %d, too (%s)",
		rows, len(contexts), float64(passages)/float64(len(contexts)), without, found, len(contexts)-without, kept)
	if none > 0 {
		p.show.Warn("%s: nothing is retrieved for %d of %d questions: they share no word with any document, or only with gold passages that were dropped", rows, none, len(contexts))
	}
}

// GoldContexts are SFT's.
func GoldContexts(examples []dataset.Example) []recipe.Context {
	contexts := make([]recipe.Context, len(examples))
	for i, x := range examples {
		contexts[i] = recipe.GoldContext(i, x)
	}
	return contexts
}
