package app

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"

	"gorqa/config"
	"gorqa/engine/world"
	"gorqa/files/mlflow"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/tensor/train"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
)

// DefaultTrain has the defaults of a recipe, and what an evaluation gives to choose
// a checkpoint by.
func DefaultTrain(recipe string) config.Train {
	c := config.DefaultTrain(recipe)
	c.Keys = metricKeys
	return c
}

// DefaultDoctor is DefaultTrain of any recipe.
func DefaultDoctor() config.Doctor { return config.Doctor{Train: DefaultTrain("")} }

func metricKeys(contexts []string) []string {
	var known []evaluate.Context
	for _, name := range contexts {
		known = append(known, evaluate.Context(name))
	}
	return append(evaluate.Keys("eval", known), "eval_loss")
}

// Train trains a generator, evaluates it end to end on the way and at the end,
// and hands over the model in the output folder.
func Train(ctx context.Context, c config.Train, s Streams) (err error) {
	s.World.Bound(c.Wait())
	facts, err := given(ctx, s.World, &c)
	if err != nil {
		return err
	}
	output := c.OutputDir
	begin, release, err := takeOutput(ctx, s.World, &c)
	defer func() { err = errors.Join(err, release()) }()
	if err != nil {
		return err
	}
	if begin.Checkpoint != "" && c.ChatDate == "" { // the prompts stay as they were
		if c.ChatDate, err = qa.TrainedDate(begin.Checkpoint); err != nil {
			return err
		}
	}
	r := &run{session: session{world: s.World}, c: c}
	warnings, err := r.read(ctx)
	if err != nil {
		return err
	}
	if err := r.originate(ctx, begin, facts); err != nil {
		return err
	}
	ready, err := checked(ctx, c, map[string][]dataset.Example{"train_file": r.training, "eval_file": r.eval, "test_file": r.testing}, s)
	if err != nil {
		return err
	}
	r.session = ready.session
	r.crew = newCrew(r.world, r)
	r.closers = append(r.closers, r.crew.close)
	if err := config.Write(filepath.Join(c.OutputDir, argsFile), &c); err != nil {
		return err
	}
	if err := r.openReport(ctx, begin, logFolder(s.World, &c, output), s); err != nil {
		return err
	}
	defer func() { r.endTracking(ctx, err); err = end(r.show, r.record, err) }()
	for _, w := range append(begin.Notes, warnings...) {
		r.show.Warn("%s", w)
	}
	r.show.Say("%d training, %d evaluation and %d test rows", len(r.training), len(r.eval), len(r.testing))
	if err := r.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.record.opened(r.device, r.generator, cmp.Or(c.ModelNameOrPath, "of random weights, "+c.ConfigName), c.QuantBits()); err != nil {
		return err
	}
	return r.work(ctx, begin)
}

// openReport begins what is shown of the run, in a folder, and recorded of it.
func (r *run) openReport(ctx context.Context, begin beginning, folder string, s Streams) (err error) {
	resumes := begin.Checkpoint != ""
	if err := r.beginTracking(ctx, resumes); err != nil {
		return err
	}
	if err := r.beginRecord(resumes); err != nil {
		return err
	}
	r.show, err = report.Open(folder, report.Options{
		Console: s.Err, Plain: r.c.DisableTqdm, TensorBoard: r.c.TensorBoard(),
		Resume: resumes, ResumeStep: begin.State.Step, Track: track(context.WithoutCancel(ctx), r.tracked),
		Page: func() (report.Page, error) { return pageOf([]string{folder}) },
	})
	return err
}

// work trains and scores, as far as the settings ask for it.
func (r *run) work(ctx context.Context, begin beginning) error {
	switch {
	case r.c.DoTrain:
		if err := r.takeUp(begin); err != nil {
			return err
		}
		if err := r.train(ctx, begin.Checkpoint); err != nil {
			return err
		}
	case len(r.eval) > 0:
		if _, err := r.Evaluate(ctx, 0); err != nil {
			return err
		}
	}
	return r.test(ctx)
}

// end closes a report whose log then has why its command ended before its time,
// too: the console may be gone by then.
func end(show *report.Run, r *record, err error) error {
	if err != nil {
		show.Log("ended: %v", err)
	}
	return errors.Join(err, r.end(err), show.Close())
}

const (
	argsFile  = config.SettingsFile // the settings, as --config takes them
	scoreFile = "score.json"        // the metrics of the test set

	predictionsName = "test-predictions.jsonl"        // its answers
	beforeName      = "test-predictions-before.jsonl" // those of the untouched model
)

// run is one training run.
type run struct {
	session
	c                        config.Train
	training, eval, testing  []dataset.Example
	generator                qa.Generator
	evaluation               *evaluation
	rows, evalRows, testRows qa.Rows
	done                     int                // optimiser steps of the weights as they are
	before                   map[string]float64 // test metrics of the untouched model; nil where not asked for
	made                     train.Origin
	from                     string // folder of the checkpoints that the run goes on from; "" for none
	closers                  []func() error
	skipped                  map[string]int // rows that are left out, by file
	record                   *record
	tracked                  *mlflow.Run // nil where MLflow is told nothing
	losses                   *world.Task[string, []float64]
}
