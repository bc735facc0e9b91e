package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"gorqa/config"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/prompt"
	"gorqa/text/recipe"
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
	if err := alike(ctx, s.World, &c); err != nil {
		return err
	}
	if s.World.Rank() > 0 {
		return follow(ctx, choosing(c, false), c.Embeds() || c.Reranker != "", s)
	}
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
	words := c.History == config.Rephrase && qa.AnyHistory(examples)
	if words && c.ModelNameOrPath == "" {
		return fmt.Errorf("%s: rows with a chat_history found, whose questions a model words anew before retrieval; a generator expected (--model_name_or_path), or --history none or concat", c.TrainFile)
	}
	ready := newChecks(ctx, choosing(c, words), show)
	ready.world = s.World
	ready.noEngine = !c.Embeds() && c.Reranker == "" && !words
	if err := ready.run(ctx); err != nil {
		return err
	}
	ready.crew = newCrew(s.World, ready)
	follow, free, err := ready.followUps(ctx, c, words)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, free()) }()
	if follow.Template != nil {
		if examples, warning, err = qa.CheckSpeakers(follow.Template, c.TrainFile, examples, c.OnBadRows == "skip"); err != nil {
			return err
		}
		if warning != "" {
			show.Warn("%s", warning)
		}
	}
	source, err := ready.openPassages(ctx, c.Passages, config.Database{FullDatasetFilePath: c.FullDatasetFilePath, FullDatasetIndexPath: c.FullDatasetIndexPath, Similarity: c.Similarity, Rerank: c.Rerank, Store: c.Store})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	source.FollowUps = follow
	contexts, err := chooseIn(ctx, c, source, examples)
	if err = errors.Join(err, ready.crew.all().Release()); err != nil {
		return err
	}
	return recipe.WriteContexts(&report.CleanJSON{Out: s.Out}, contexts)
}

// chooseIn chooses the passages, and keeps them in the output folder where there is one.
func chooseIn(ctx context.Context, c config.Contexts, source *qa.Passages, examples []dataset.Example) (_ []recipe.Context, err error) {
	path := ""
	if c.OutputDir != "" {
		release, err := takeFolder(c.OutputDir)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, release()) }()
		h, err := look(c.OutputDir)
		if err != nil {
			return nil, err
		}
		source.Kept = h.run()
		path = filepath.Join(c.OutputDir, trainContextsFile)
	}
	return source.Contexts(ctx, c.TrainFile, examples, contextOptions(c.Passages, c.Seed), path)
}

// followUps is how the retriever is asked questions that follow on others: with words,
// by a model, which free takes off the device.
func (d *checks) followUps(ctx context.Context, c config.Contexts, words bool) (follow qa.FollowUps, free func() error, err error) {
	follow, free = qa.FollowUps{Mode: followUpMode(c.History)}, func() error { return nil }
	switch {
	case words:
		g, err := d.openGenerator(ctx, d.c)
		if err != nil {
			return follow, free, err
		}
		follow, free = qa.NewFollowUps(follow.Mode, g, nameOf(c.Model)), g.Loaded().Params.Free
	case c.History == config.Concat:
		follow.Template = prompt.Default(promptOptions(c.Prompt).Format(""))
	}
	return follow, free, nil
}

// choosing is the settings that choosing passages has in common with a run. With
// words a model words questions anew.
func choosing(c config.Contexts, words bool) config.Train {
	model := c.Model
	if !words {
		model = config.DefaultModel()
	}
	t := answering(config.Answering{
		Model: model, Prompt: c.Prompt, Generation: config.DefaultGeneration(), History: c.History,
		Database: config.Database{FullDatasetFilePath: c.FullDatasetFilePath, FullDatasetIndexPath: c.FullDatasetIndexPath, Store: c.Store},
		Hub:      c.Hub, Engine: c.Engine,
	}, config.DefaultScoring(), c.Seed)
	if c.RetrievalPool == config.Gold {
		t.Database = config.DefaultDatabase()
	}
	return t
}

// contexts chooses the passages of the training and of the evaluation rows, the
// latter without anything random.
func (r *run) contexts(ctx context.Context, follow qa.FollowUps) (chosen, error) {
	if !r.c.Augments() {
		return chosen{Training: qa.GoldContexts(r.training), Eval: qa.GoldContexts(r.eval), Test: qa.GoldContexts(r.testing)}, nil
	}
	return r.crew.share(ctx, func() (chosen, error) { return r.choose(ctx, follow) })
}

// choose retrieves them.
func (r *run) choose(ctx context.Context, follow qa.FollowUps) (found chosen, err error) {
	if r.c.FullDatasetIndexPath == "" { // the evaluation then finds the vectors there
		r.c.FullDatasetIndexPath = filepath.Join(r.c.OutputDir, "index")
	}
	source, err := r.openPassages(ctx, r.c.Passages, r.c.Database)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	source.FollowUps = follow
	opt := contextOptions(r.c.Passages, r.c.Seed)
	if found.Training, err = source.Contexts(ctx, r.c.TrainFile, r.training, opt, filepath.Join(r.c.OutputDir, trainContextsFile)); err != nil {
		return found, err
	}
	if found.Eval, err = source.Contexts(ctx, r.c.EvalFile, r.eval, opt.Plain(), filepath.Join(r.c.OutputDir, evalContextsFile)); err != nil {
		return found, err
	}
	found.Test, err = source.Contexts(ctx, r.c.TestFile, r.testing, opt.Plain(), filepath.Join(r.c.OutputDir, testContextsFile))
	return found, err
}

func contextOptions(c config.Passages, seed int64) recipe.ContextOptions {
	return recipe.ContextOptions{
		K: c.EmbeddingMaxNumToRetrieve, MinK: c.MinK, MaxK: c.MaxK, Shuffle: c.ShufflePassages,
		GoldDropout: c.GoldDropout, Distractors: c.NumDistractors, AbstainAnswer: c.AbstainAnswer, Seed: seed,
	}
}

// openPassages reads the documents and loads the embedding model and the reranker, as
// far as they are asked for. There may be no engine where c embeds nothing.
func (s session) openPassages(ctx context.Context, c config.Passages, b config.Database) (_ *qa.Passages, err error) {
	o := passagesOptions(c, b)
	o.Divided = s.crew.divided(c.EmbeddingModel, b.Reranker)
	if c.RetrievalPool != config.Gold {
		if o.Documents, err = s.documents(); err != nil {
			return nil, err
		}
		o.Stored = o.Documents == nil
	}
	if c.Embeds() {
		if o.Embedder, err = s.openEmbedder(ctx, c.EmbeddingModel); err != nil {
			return nil, err
		}
	}
	if b.Reranker != "" {
		if o.Reranker, err = s.openReranker(ctx, b.Reranker); err != nil {
			if o.Embedder != nil {
				err = errors.Join(err, o.Embedder.Close())
			}
			return nil, err
		}
	}
	return qa.OpenPassages(o, s.show)
}
