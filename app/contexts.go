package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gorqa/config"
	"gorqa/engine/xla"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/prompt"
	"gorqa/text/recipe"
	"gorqa/text/retrieve"
)

// The contexts of a run's rows, in the output folder.
const (
	trainContextsFile = "contexts-train.jsonl"
	evalContextsFile  = "contexts-eval.jsonl"
	testContextsFile  = "contexts-test.jsonl"
)

// Contexts chooses the passages of a training's rows, leaves them where the
// training finds them, and writes them out.
func Contexts(ctx context.Context, c config.Contexts, s Streams) (err error) {
	examples, warning, err := readExamples(ctx, c.TrainFile, c.OnBadRows == "skip")
	if err != nil {
		return err
	}
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	if warning != "" {
		show.Warn("%s", warning)
	}
	words := c.History == config.Rephrase && anyHistory(examples)
	if words && c.ModelNameOrPath == "" {
		return fmt.Errorf("%s: rows with a chat_history found, whose questions a model words anew before retrieval; a generator expected (--model_name_or_path), or --history none or concat", c.TrainFile)
	}
	ready := newChecks(ctx, choosing(c, words), show)
	ready.noEngine = !c.Embeds() && !words
	if err := ready.run(); err != nil {
		return err
	}
	engine, half := ready.xla, ready.half
	follow := followUps{mode: c.History}
	switch {
	case words:
		var d generator
		if d, err = openGenerator(ctx, engine, c.Model, c.Prompt, config.DefaultGeneration(), config.DefaultScoring().PerDeviceEvalBatchSize, c.Seed, c.Hub, half, show); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, d.loaded().params.Free()) }()
		follow = newFollowUps(c.History, d, c.Model)
	case c.History == config.Concat:
		follow.template = prompt.Default(promptFormat(c.Prompt, ""))
	}
	if follow.template != nil {
		if examples, warning, err = checkSpeakers(follow.template, c.TrainFile, examples, c.OnBadRows == "skip"); err != nil {
			return err
		}
		if warning != "" {
			show.Warn("%s", warning)
		}
	}
	source, err := openPassages(ctx, engine, half, c.Passages, config.Database{FullDatasetFilePath: c.FullDatasetFilePath, FullDatasetIndexPath: c.FullDatasetIndexPath, Similarity: c.Similarity}, ready.documents, c.Hub, show)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.close()) }()
	source.follow = follow
	path := ""
	if c.OutputDir != "" {
		release, err := takeFolder(c.OutputDir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, release()) }()
		h, err := look(c.OutputDir)
		if err != nil {
			return err
		}
		source.kept = h.run()
		path = filepath.Join(c.OutputDir, trainContextsFile)
	}
	contexts, err := source.contexts(ctx, c.TrainFile, examples, contextOptions(c.Passages, c.Seed), path)
	if err != nil {
		return err
	}
	return recipe.WriteContexts(&report.CleanJSON{Out: s.Out}, contexts)
}

// choosing is the settings that choosing passages has in common with a run. With
// words a model words questions anew.
func choosing(c config.Contexts, words bool) config.Train {
	model := c.Model
	if !words {
		model = config.DefaultModel()
	}
	t := answering(model, c.Prompt, config.DefaultScoring(), config.Database{FullDatasetFilePath: c.FullDatasetFilePath, FullDatasetIndexPath: c.FullDatasetIndexPath}, config.DefaultGeneration(), c.Hub, c.Engine)
	if c.RetrievalPool == config.Gold {
		t.Database = config.DefaultDatabase()
	}
	return t
}

// contexts chooses the passages of the training and of the evaluation rows, the
// latter without anything random.
func (r *run) contexts(ctx context.Context, e *xla.Engine, half bool, follow followUps) (training, eval, test []recipe.Context, err error) {
	if !r.c.Augments() {
		return goldContexts(r.training), goldContexts(r.eval), goldContexts(r.testing), nil
	}
	if r.c.FullDatasetIndexPath == "" { // the evaluation then finds the vectors there
		r.c.FullDatasetIndexPath = filepath.Join(r.c.OutputDir, "index")
	}
	source, err := openPassages(ctx, e, half, r.c.Passages, r.c.Database, r.documents, r.c.Hub, r.show)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { err = errors.Join(err, source.close()) }()
	source.follow = follow
	opt := contextOptions(r.c.Passages, r.c.Seed)
	if training, err = source.contexts(ctx, r.c.TrainFile, r.training, opt, filepath.Join(r.c.OutputDir, trainContextsFile)); err != nil {
		return nil, nil, nil, err
	}
	if eval, err = source.contexts(ctx, r.c.EvalFile, r.eval, opt.Plain(), filepath.Join(r.c.OutputDir, evalContextsFile)); err != nil {
		return nil, nil, nil, err
	}
	test, err = source.contexts(ctx, r.c.TestFile, r.testing, opt.Plain(), filepath.Join(r.c.OutputDir, testContextsFile))
	return training, eval, test, err
}

// goldContexts are SFT's.
func goldContexts(examples []dataset.Example) []recipe.Context {
	contexts := make([]recipe.Context, len(examples))
	for i, x := range examples {
		contexts[i] = recipe.GoldContext(i, x)
	}
	return contexts
}

func contextOptions(c config.Passages, seed int64) recipe.ContextOptions {
	return recipe.ContextOptions{
		K: c.EmbeddingMaxNumToRetrieve, MinK: c.MinK, MaxK: c.MaxK, Shuffle: c.ShufflePassages,
		GoldDropout: c.GoldDropout, Distractors: c.NumDistractors, AbstainAnswer: c.AbstainAnswer, Seed: seed,
	}
}

// passages is where the passages of rows come from: a retriever that is built
// only where contexts do not lie ready.
type passages struct {
	name      string // of the retriever with its settings
	kind      string
	follow    followUps
	embedder  retrieve.Embedder  // nil for words alone
	metric    retrieve.Metric    // of its vectors
	documents []dataset.Document // nil for the gold passages of the rows
	index     string             // folder of the documents' vectors
	built     retrieve.Retriever // over documents; nil until needed
	kept      string             // the run whose contexts must stay as they are; "" for none
	show      *report.Run
	close     func() error
}

// openPassages reads the documents and loads the embedding model, as far as c
// asks for them. e may be nil where c embeds nothing.
func openPassages(ctx context.Context, e *xla.Engine, half bool, c config.Passages, b config.Database, documents func() ([]dataset.Document, error), h config.Hub, show *report.Run) (*passages, error) {
	p := &passages{kind: c.Retriever, index: b.FullDatasetIndexPath, show: show, close: func() error { return nil }}
	if c.RetrievalPool != config.Gold {
		docs, err := documents()
		if err != nil {
			return nil, err
		}
		p.documents = docs
	}
	dense := ""
	switch {
	case c.Embeds():
		embedder, err := openEmbedder(ctx, e, c.EmbeddingModel, h, half, show)
		if err != nil {
			return nil, err
		}
		p.embedder, p.close = embedder, embedder.Close
		if p.metric, err = embedder.metric(b.Similarity, show); err != nil {
			return nil, errors.Join(err, embedder.Close())
		}
		dense = fmt.Sprintf("%s, query prompt %q", embedder.Name(), embedder.settings.QueryPrompt)
	case c.Retriever == config.OpenAI:
		opt := retrieve.DefaultEndpointOptions()
		opt.Model = c.EmbeddingModel
		endpoint, err := retrieve.NewEndpoint(opt)
		if err != nil {
			return nil, err
		}
		p.embedder, dense = endpoint, endpoint.Name()
		if p.metric, err = metricOf(b.Similarity); err != nil {
			return nil, err
		}
	}
	if p.metric != retrieve.Cosine {
		dense += ", by " + p.metric.String()
	}
	words := retrieve.DefaultBM25Options()
	bm25 := fmt.Sprintf("BM25 (k1 %v, b %v, epsilon %v, of documents that share a word)", words.K1, words.B, words.Epsilon)
	switch c.Retriever {
	case config.BM25:
		p.name = bm25
	case config.Hybrid:
		fusion := retrieve.DefaultHybridOptions()
		p.name = fmt.Sprintf("rank fusion (constant %d, depth %d) of %s and %s", fusion.RankConstant, fusion.Depth, dense, bm25)
	default:
		p.name = dense
	}
	return p, nil
}

// contexts gives the contexts of a file's rows: those that lie at path, where
// they were made of the same, or else new ones, which are left there. Without a
// path they are made and not kept.
func (p *passages) contexts(ctx context.Context, rows string, examples []dataset.Example, opt recipe.ContextOptions, path string) ([]recipe.Context, error) {
	if len(examples) == 0 {
		return nil, nil
	}
	docs := p.documents
	if docs == nil {
		docs = recipe.GoldPool(examples)
	}
	opt, lowered := opt.Within(len(docs))
	if lowered {
		p.show.Say("%s: there are %d documents to retrieve from; a row has no more of them (embedding_max_num_to_retrieve, vary_k)", rows, len(docs))
	}
	var file *recipe.ContextsFile
	if path != "" {
		follow, err := p.follow.name(examples)
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
	var task *report.Task
	at := 0
	opt.Progress = func(done, total int) {
		if task == nil {
			task = p.show.Task("Retrieving passages", total)
		}
		task.Advance(done - at)
		at = done
	}
	asked, err := p.follow.examples(ctx, examples)
	var contexts []recipe.Context
	if err == nil {
		contexts, err = p.build(ctx, docs, asked, opt)
	}
	if task != nil {
		task.Done()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", rows, err)
	}
	kept := "not kept"
	if file != nil && p.kept != "" {
		kept = fmt.Sprintf("not kept, since %s holds %s", filepath.Dir(path), p.kept)
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
func (p *passages) build(ctx context.Context, docs []dataset.Document, examples []dataset.Example, opt recipe.ContextOptions) ([]recipe.Context, error) {
	r := p.built
	if r == nil {
		var err error
		if r, err = p.over(ctx, docs); err != nil {
			return nil, err
		}
		if p.documents != nil {
			p.built = r
		}
	}
	return recipe.BuildContexts(ctx, examples, r, opt)
}

// over makes the retriever over documents.
func (p *passages) over(ctx context.Context, docs []dataset.Document) (retrieve.Retriever, error) {
	if p.kind == config.BM25 {
		return retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	}
	dir := p.index
	if p.documents == nil {
		dir = "" // it keeps the vectors of one list of documents, which these are not
	}
	dense, err := buildIndex(ctx, dir, docs, p.embedder, p.metric, p.show)
	if err != nil || p.kind != config.Hybrid {
		return dense, err
	}
	words, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil {
		return nil, err
	}
	return retrieve.NewHybrid(retrieve.DefaultHybridOptions(), dense, words)
}

// tell says what the contexts of rows hold.
func (p *passages) tell(rows string, contexts []recipe.Context, kept string) {
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
