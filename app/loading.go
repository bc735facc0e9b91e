package app

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"time"

	"gorqa/config"
	"gorqa/engine/world"
	"gorqa/qa"
	"gorqa/text/dataset"
)

// read reads the data; all problems are reported together.
func (r *run) read(ctx context.Context) (warnings []string, err error) {
	var errs []error
	r.skipped = map[string]int{}
	load := func(path string) []dataset.Example {
		examples, skipped, warning, err := readCounted(ctx, path, r.c.OnBadRows == "skip")
		errs = append(errs, err)
		r.skipped[path] = skipped
		if warning != "" {
			warnings = append(warnings, warning)
		}
		return examples
	}
	if r.c.DoTrain {
		r.training = load(r.c.TrainFile)
	}
	if r.c.DoEval {
		r.eval = load(r.c.EvalFile)
	}
	r.testing = load(r.c.TestFile)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return append(warnings, overlaps([]string{r.c.TrainFile, r.c.EvalFile, r.c.TestFile}, [][]dataset.Example{r.training, r.eval, r.testing})...), nil
}

// load puts the model on the device.
func (r *run) load(ctx context.Context) (err error) {
	if r.c.ConfigName != "" {
		if r.c.UsePEFT {
			return errors.New("use_peft with config_name: an adapter on random weights learns nothing; train the model without --use_peft")
		}
		fresh, err := r.locateFresh(ctx, r.c.Fresh)
		if err != nil {
			return err
		}
		r.generator, err = qa.OpenFresh(ctx, r.device, fresh, r.c.Seed)
		return err
	}
	from, err := r.locateOrigin(ctx, r.c.Model)
	if err != nil {
		return err
	}
	if r.c.DoTrain {
		if err := from.Train(adapterOptions(r.c.LoRA), modelNamed(r.c.Model), r.c.Seed); err != nil {
			return err
		}
	}
	// A hub's folder is known only now.
	if err := errors.Join(guardInput(r.c.OutputDir, "model_name_or_path", from.Base), guardInput(r.c.OutputDir, "adapter_name_or_path", from.Adapter)); err != nil {
		return err
	}
	if facts := r.made.Training; r.c.DoTrain && facts != nil && facts["model_name_or_path"].Hash == "" {
		if facts["model_name_or_path"], err = contentOf(ctx, from.Base, sampledBytes); err != nil {
			return err
		}
	}
	r.generator, err = qa.Open(ctx, r.device, from, kindOf(r.c.Recipe), r.c.DoTrain)
	return err
}

// open puts the model and the retriever on the device and encodes the rows.
func (r *run) open(ctx context.Context) (err error) {
	if err := r.load(ctx); err != nil {
		return err
	}
	r.closers = append(r.closers, r.generator.Loaded().Params.Free)
	r.generator.Describe(cmp.Or(r.c.ModelNameOrPath, "of random weights"), r.device.Engine, r.show)
	if err := r.settle(); err != nil {
		return err
	}
	follow := qa.NewFollowUps(followUpMode(r.c.History), r.generator, nameOf(r.c.Model))
	leftOut := map[string][]int{}
	for _, e := range r.evaluated() {
		if leftOut[e.prefix], err = room(r.generator, follow, e.file, e.examples, r.c.OnOverflow, r.show); err != nil {
			return err
		}
	}
	if err := r.encode(ctx, follow); err != nil {
		return err
	}
	if len(r.evaluated()) == 0 {
		return nil
	}
	r.losses = world.NewTask(r.crew.all(), "losses", r.partOfLoss)
	answerer := r.crew.answerer(r.generator, r.c.DoSample)
	return r.lead(ctx, func() error { return r.prepareEvaluation(ctx, answerer, follow, leftOut) })
}

// prepareEvaluation opens what the splits are evaluated with.
func (r *run) prepareEvaluation(ctx context.Context, answerer qa.Generator, follow qa.FollowUps, leftOut map[string][]int) (err error) {
	r.evaluation, err = r.openEvaluation(ctx, answerer, r.c.Scoring, r.c.Database, follow)
	if err != nil {
		return err
	}
	r.evaluation.leftOut = leftOut
	r.closers = append(r.closers, r.evaluation.close)
	for _, e := range r.evaluated() {
		if err := r.evaluation.checkQuestions(e.file, e.examples); err != nil {
			return err
		}
	}
	return nil
}

// settle sets how the model is asked, how it learns and how it answers.
func (r *run) settle() error {
	model := r.generator.Loaded()
	if err := r.generator.UsePrompt(promptOptions(r.c.Prompt), r.show); err != nil {
		return err
	}
	if day := model.Encoder.Template.Date(); !day.IsZero() && r.c.ChatDate == "" {
		r.c.ChatDate = day.Format(time.DateOnly)
		if err := config.Write(filepath.Join(r.c.OutputDir, argsFile), &r.c); err != nil {
			return err
		}
	}
	if r.c.DoTrain {
		model.Encoder.Template = model.Encoder.Template.DroppingPassages(r.c.Recipe == config.SwR)
	}
	for _, note := range model.Encoder.Notes() {
		r.show.Warn("%s", note)
	}
	if err := r.checkSpeakers(); err != nil {
		return err
	}
	model.Runner.Recompute, model.Runner.Dropout = r.c.GradientCheckpointing, r.c.DropoutRate
	model.Encoder.LearnAll = r.c.LossOn == "all"
	return r.generator.UseGeneration(generationOptions(r.c.Generation, r.c.PerDeviceEvalBatchSize, r.c.Seed))
}

// encode turns the examples into rows over the passages of their contexts.
func (r *run) encode(ctx context.Context, follow qa.FollowUps) error {
	rows, err := r.contexts(ctx, follow)
	if err != nil {
		return err
	}
	var trainErr, evalErr, testErr error
	r.rows, trainErr = encode(r.generator, r.c.TrainFile, r.training, rows.Training, r.c.OnOverflow, r.show)
	r.evalRows, evalErr = encode(r.generator, r.c.EvalFile, r.eval, rows.Eval, r.c.OnOverflow, r.show)
	r.testRows, testErr = encode(r.generator, r.c.TestFile, r.testing, rows.Test, r.c.OnOverflow, r.show)
	if err := errors.Join(trainErr, evalErr, testErr); err != nil {
		return err
	}
	note, err := r.generator.Borders(r.training, rows.Training)
	if note != "" {
		r.show.Warn("%s", note)
	}
	return err
}

// checkSpeakers looks at the histories of all rows and reports all problems together.
func (r *run) checkSpeakers() error {
	var errs []error
	for _, f := range []struct {
		name string
		rows *[]dataset.Example
	}{{r.c.TrainFile, &r.training}, {r.c.EvalFile, &r.eval}, {r.c.TestFile, &r.testing}} {
		good, warning, err := qa.CheckSpeakers(r.generator.Loaded().Encoder.Template, f.name, *f.rows, r.c.OnBadRows == "skip")
		if errs = append(errs, err); warning != "" {
			r.show.Warn("%s", warning)
		}
		*f.rows = good
	}
	return errors.Join(errs...)
}

// A split is rows that are answered.
type split struct {
	prefix, file string
	examples     []dataset.Example
}

// evaluated are the splits that the run answers.
func (r *run) evaluated() []split {
	var splits []split
	if len(r.eval) > 0 && (!r.c.DoTrain || r.c.Evaluates() || r.c.EvalOnStart) {
		splits = append(splits, split{"eval", r.c.EvalFile, r.eval})
	}
	if len(r.testing) > 0 {
		splits = append(splits, split{"test", r.c.TestFile, r.testing})
	}
	return splits
}

func (r *run) close() error {
	var errs []error
	for _, c := range r.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
