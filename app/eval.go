package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"gorqa/config"
	"gorqa/files/redact"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
)

// Eval scores a model end to end, as training does on its test set.
func Eval(ctx context.Context, c config.Eval, s Streams) (err error) {
	if err := alike(ctx, s.World, &c); err != nil {
		return err
	}
	if s.World.Rank() > 0 {
		return follow(ctx, answering(c.Answering, c.Scoring, c.Seed), true, s)
	}
	release, err := takeFolder(c.OutputDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	warning, err := guardEvaluation(c.OutputDir)
	if err != nil {
		return err
	}
	examples, skipped, _, err := readCounted(ctx, c.TestFile, false)
	if err != nil {
		return err
	}
	settings := answering(c.Answering, c.Scoring, c.Seed)
	settings.TestFile, settings.OnOverflow = c.TestFile, c.OnOverflow
	ready, err := checked(ctx, settings, map[string][]dataset.Example{"test_file": examples}, s)
	if err != nil {
		return err
	}
	if err := config.Write(filepath.Join(c.OutputDir, argsFile), &c); err != nil {
		return err
	}
	file, err := dataFile("test_file", c.TestFile, examples, skipped)
	if err != nil {
		return err
	}
	made, err := begin("eval", c.OutputDir, false, []data{file})
	if err != nil {
		return err
	}
	show, err := report.Open(c.OutputDir, report.Options{Console: s.Err, Page: func() (report.Page, error) { return pageOf([]string{c.OutputDir}) }})
	if err != nil {
		return err
	}
	defer func() { err = end(show, made, err) }()
	if warning != "" {
		show.Warn("%s", warning)
	}
	ready.show = show
	ready.crew = newCrew(s.World, ready)
	x, err := ready.openAnswering(ctx, ready.c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.close(), x.generator.Loaded().Params.Free()) }()
	if err := made.opened(ready.device, x.generator, c.ModelNameOrPath, c.QuantBits()); err != nil {
		return err
	}
	if err := x.test(ctx, c, examples); err != nil {
		return err
	}
	return ready.crew.all().Release()
}

// test scores the test set as the settings say, and keeps them with the date that its
// prompts have.
func (x *evaluation) test(ctx context.Context, c config.Eval, examples []dataset.Example) error {
	if day := x.generator.Loaded().Encoder.Template.Date(); !day.IsZero() && c.ChatDate == "" {
		c.ChatDate = day.Format(time.DateOnly)
		if err := config.Write(filepath.Join(c.OutputDir, argsFile), &c); err != nil {
			return err
		}
	}
	if _, _, err := qa.CheckSpeakers(x.generator.Loaded().Encoder.Template, c.TestFile, examples, false); err != nil {
		return err
	}
	if err := x.checkQuestions(c.TestFile, examples); err != nil {
		return err
	}
	out, err := room(x.generator, x.follow, c.TestFile, examples, c.OnOverflow, x.show)
	if err != nil {
		return err
	}
	x.leftOut = map[string][]int{"test": out}
	found, err := x.run(ctx, "test", examples)
	if err != nil {
		return err
	}
	if err := x.tell("Test", 0, found, predictionsFile(c.Scoring, c.OutputDir, predictionsName)); err != nil {
		return err
	}
	return found.WriteMetrics(filepath.Join(c.OutputDir, scoreFile))
}

// openAnswering opens a model that is not trained here, with its retriever.
func (s session) openAnswering(ctx context.Context, c config.Train) (*evaluation, error) {
	d, err := s.openGenerator(ctx, c)
	if err != nil {
		return nil, err
	}
	x, err := s.openEvaluation(ctx, s.crew.answerer(d, c.DoSample), c.Scoring, c.Database, qa.NewFollowUps(followUpMode(c.History), d, nameOf(c.Model)))
	if err != nil {
		return nil, errors.Join(err, d.Loaded().Params.Free())
	}
	d.Describe(c.ModelNameOrPath, s.device.Engine, s.show)
	return x, nil
}

// openGenerator opens a model that is not trained here, ready to answer.
func (s session) openGenerator(ctx context.Context, c config.Train) (qa.Generator, error) {
	from, err := s.locateOrigin(ctx, c.Model)
	if err != nil {
		return nil, err
	}
	d, err := qa.Open(ctx, s.device, from, qa.AnyKind, false)
	if err != nil {
		return nil, err
	}
	if err = d.UsePrompt(promptOptions(c.Prompt), s.show); err == nil {
		err = d.UseGeneration(generationOptions(c.Generation, c.PerDeviceEvalBatchSize, c.Seed))
	}
	if err == nil {
		err = d.KeepBlocks(qa.BlockOptions{Bytes: blockBytes(c.KVCache), Dir: c.KVCacheDir, Tell: func(err error) { s.show.Warn("%v", err) }})
	}
	if err != nil {
		return nil, errors.Join(err, d.Loaded().Params.Free())
	}
	for _, note := range d.Loaded().Encoder.Notes() {
		s.show.Warn("%s", note)
	}
	return d, nil
}

// Index embeds documents into the index that evaluations and ask read.
func Index(ctx context.Context, c config.Index, s Streams) (err error) {
	if err := alike(ctx, s.World, &c); err != nil {
		return err
	}
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	only := config.DefaultTrain("")
	only.Database, only.Hub, only.Engine = c.Database, c.Hub, c.Engine
	if s.World.Rank() > 0 {
		return follow(ctx, only, true, s)
	}
	ready := newChecks(ctx, only, show)
	ready.world = s.World
	ready.index = true
	c.Reranker = "" // orders what is found, and is not kept in the index
	if err := ready.run(ctx); err != nil {
		return err
	}
	ready.crew = newCrew(s.World, ready)
	found, err := ready.openRetriever(ctx, c.Database)
	if err != nil {
		return err
	}
	if err := ready.crew.all().Release(); err != nil {
		return errors.Join(err, found.passages.Close())
	}
	stats, index := found.index.Stats(), found.index
	_, err = fmt.Fprintf(s.Out, "%s: %d documents, %d wide; %d texts were there, %d embedded, %d dropped\n",
		report.Clean(redact.Text(c.FullDatasetIndexPath)), index.Documents().Len(), index.Width(), stats.Cached+stats.Taken, stats.Embedded, stats.Dropped)
	return errors.Join(err, found.passages.Close())
}
