package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gorqa/config"
	"gorqa/files/modelfile"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/tensor/train"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/recipe"
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
	release, err := takeFolder(c.OutputDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	begin, err := whereToStart(ctx, c)
	if err != nil {
		return err
	}
	if begin.checkpoint != "" && c.ChatDate == "" { // the prompts stay as they were
		if c.ChatDate, err = qa.TrainedDate(begin.checkpoint); err != nil {
			return err
		}
	}
	r := &run{c: c}
	warnings, err := r.read(ctx)
	if err != nil {
		return err
	}
	if c.DoTrain {
		if r.made, err = originOf(ctx, &c, r.training, r.eval); err != nil {
			return err
		}
		if err := begin.state.Check(begin.checkpoint, r.made, c.Evaluates()); err != nil {
			return err
		}
	}
	ready, err := checked(ctx, c, s)
	if err != nil {
		return err
	}
	r.session = ready.session
	if err := config.Write(filepath.Join(c.OutputDir, argsFile), &c); err != nil {
		return err
	}
	r.show, err = report.Open(c.OutputDir, report.Options{
		Console: s.Err, Plain: c.DisableTqdm, TensorBoard: c.TensorBoard(),
		Resume: begin.checkpoint != "", ResumeStep: begin.state.Step,
	})
	if err != nil {
		return err
	}
	defer func() { err = end(r.show, err) }()
	for _, w := range append(begin.notes, warnings...) {
		r.show.Warn("%s", w)
	}
	r.show.Say("%d training, %d evaluation and %d test rows", len(r.training), len(r.eval), len(r.testing))
	if err := r.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	switch {
	case c.DoTrain:
		for _, dir := range begin.replaced {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
		}
		if begin.checkpoint != "" {
			r.from = filepath.Dir(begin.checkpoint)
		}
		if err := r.train(ctx, begin.checkpoint); err != nil {
			return err
		}
	case len(r.eval) > 0:
		if _, err := r.evaluate(ctx, 0); err != nil {
			return err
		}
	}
	return r.test(ctx)
}

// end closes a report whose log then has why its command ended before its time,
// too: the console may be gone by then.
func end(show *report.Run, err error) error {
	if err != nil {
		show.Log("ended: %v", err)
	}
	return errors.Join(err, show.Close())
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
}

// beginning is where a run begins.
type beginning struct {
	checkpoint string      // to go on from, "" for a new run
	state      train.State // of that
	replaced   []string    // checkpoints to remove, since this run makes its own
	notes      []string    // what the user should know
}

// whereToStart finds the checkpoint to go on from, and guards the output folder:
// without overwrite_output_dir nothing of another run is written over, and the
// folder of a model that the run reads is not at all.
func whereToStart(ctx context.Context, c config.Train) (b beginning, err error) {
	var problems []error
	for _, in := range inputs(ctx, &c) {
		problems = append(problems, guardInput(c.OutputDir, in[0], in[1]))
	}
	if err := errors.Join(problems...); err != nil {
		return b, err
	}
	h, err := look(c.OutputDir)
	if err != nil {
		return b, err
	}
	folder, last := c.Resume()
	if n := len(h.checkpoints); last && n > 0 {
		folder = h.checkpoints[n-1]
	} else if last {
		b.notes = append(b.notes, fmt.Sprintf("%s holds no checkpoint to go on from; the run starts anew", c.OutputDir))
	}
	at := slices.IndexFunc(h.checkpoints, func(c string) bool { return folder != "" && sameFile(c, folder) })
	what, later := h.run(), h.checkpoints
	if at >= 0 { // the run that lies there goes on
		if later = h.checkpoints[at+1:]; len(later) > 0 {
			what = "checkpoints after " + filepath.Base(folder) + ", the last one " + filepath.Base(later[len(later)-1])
		} else {
			what = ""
		}
	}
	if what != "" && !c.OverwriteOutputDir {
		return b, fmt.Errorf("output_dir: %s holds %s; a new folder expected, or --resume_from_checkpoint true to go on from its last checkpoint, or --overwrite_output_dir to write over what is there", c.OutputDir, what)
	}
	if c.DoTrain {
		b.replaced = later
	}
	if folder == "" {
		return b, nil
	}
	b.checkpoint = folder
	note, err := train.Verify(ctx, folder)
	if err != nil {
		return b, err
	}
	if note != "" {
		b.notes = append(b.notes, note)
	}
	if b.state, err = train.ReadState(folder); err != nil {
		return b, err
	}
	if best := b.state.BestStep; best > 0 && c.KeepsBest() && bestFolder(best, c.OutputDir, filepath.Dir(folder)) == "" {
		b.notes = append(b.notes, fmt.Sprintf("the best checkpoint so far, of step %d (%s %.4g), is gone; unless a later one is better, the model of the last step is handed over", best, c.BestMetric(), b.state.BestScore))
	}
	return b, nil
}

// read reads the data; all problems are reported together.
func (r *run) read(ctx context.Context) (warnings []string, err error) {
	var errs []error
	load := func(path string) []dataset.Example {
		examples, warning, err := readExamples(ctx, path, r.c.OnBadRows == "skip")
		errs = append(errs, err)
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

// open puts the model and the retriever on the device and encodes the rows.
func (r *run) open(ctx context.Context) (err error) {
	if err := r.load(ctx); err != nil {
		return err
	}
	model := r.generator.Loaded()
	r.closers = append(r.closers, model.Params.Free)
	r.generator.Describe(cmp.Or(r.c.ModelNameOrPath, "of random weights"), r.device.Engine, r.show)
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
	if err := r.generator.UseGeneration(generationOptions(r.c.Generation, r.c.PerDeviceEvalBatchSize, r.c.Seed)); err != nil {
		return err
	}
	follow := qa.NewFollowUps(followUpMode(r.c.History), r.generator, nameOf(r.c.Model))
	leftOut := map[string][]int{}
	for _, e := range r.evaluated() {
		if leftOut[e.prefix], err = room(r.generator, follow, e.file, e.examples, r.c.OnOverflow, r.show); err != nil {
			return err
		}
	}
	contexts, evalContexts, testContexts, err := r.contexts(ctx, follow)
	if err != nil {
		return err
	}
	var trainErr, evalErr, testErr error
	r.rows, trainErr = encode(r.generator, r.c.TrainFile, r.training, contexts, r.c.OnOverflow, r.show)
	r.evalRows, evalErr = encode(r.generator, r.c.EvalFile, r.eval, evalContexts, r.c.OnOverflow, r.show)
	r.testRows, testErr = encode(r.generator, r.c.TestFile, r.testing, testContexts, r.c.OnOverflow, r.show)
	if err := errors.Join(trainErr, evalErr, testErr); err != nil {
		return err
	}
	note, err := r.generator.Borders(r.training, contexts)
	if err != nil {
		return err
	}
	if note != "" {
		r.show.Warn("%s", note)
	}
	if len(r.evaluated()) == 0 {
		return nil
	}
	r.evaluation, err = r.openEvaluation(ctx, r.generator, r.c.Scoring, r.c.Database, follow)
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

func (r *run) close() error {
	var errs []error
	for _, c := range r.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// train runs the loop and saves the model that it hands over.
func (r *run) train(ctx context.Context, resume string) error {
	if resume != "" {
		if err := r.generator.Loaded().Origin.Resumes(ctx, resume); err != nil {
			return err
		}
	}
	plan, err := r.plan()
	if err != nil {
		return err
	}
	perEpoch := plan.StepsPerEpoch()
	total := r.c.TotalSteps(perEpoch)
	r.made.Training["tokens of the rows"] = tokensOf(r.rows)
	loop := r.loop(plan, total)
	r.show.LogEvery(config.Every(r.c.LoggingSteps, total))
	r.show.Say("%d rows, %d steps of %d rows, %d steps in all", plan.Rows, perEpoch, plan.PerStep, total)
	if r.c.EvalOnStart && resume == "" && len(r.eval) > 0 {
		if _, err := r.evaluate(ctx, 0); err != nil {
			return err
		}
	}
	if r.c.TestOnStart && resume == "" && len(r.testing) > 0 {
		report, err := r.score(ctx, "Test before training", beforeName)
		if err != nil {
			return err
		}
		r.before = report.Metrics
	}
	err = loop.Run(ctx, resume)
	var stopped *train.Interrupted
	if errors.As(err, &stopped) {
		return fmt.Errorf("%w; go on with the same command and --resume_from_checkpoint true", err)
	}
	if err != nil {
		return err
	}
	if step, score, ok := loop.Best(); ok && r.c.KeepsBest() && step != total {
		if err := r.takeBest(ctx, step, score); err != nil {
			return err
		}
	}
	if err := r.generator.Save(ctx, r.c.OutputDir); err != nil {
		return err
	}
	r.show.Say("Model saved in %s", r.c.OutputDir)
	return nil
}

// takeBest loads the weights of the best checkpoint. Where that is gone or
// damaged, those of the last step stay, and a warning says so.
func (r *run) takeBest(ctx context.Context, step int, score float64) error {
	best := bestFolder(step, r.c.OutputDir, r.from)
	if best == "" {
		r.show.Warn("the best checkpoint, of step %d (%s %.4g), is gone; the model of the last step is handed over", step, r.c.BestMetric(), score)
		return nil
	}
	if _, err := train.Verify(ctx, best); err != nil {
		r.show.Warn("the best checkpoint, of step %d (%s %.4g), cannot be taken: %v; the model of the last step is handed over", step, r.c.BestMetric(), score, err)
		return nil
	}
	r.show.Say("Taking the best checkpoint, step %d (%s %.4g)", step, r.c.BestMetric(), score)
	r.done = step
	return train.LoadWeights(ctx, r.generator.Loaded().Params, best)
}

// bestFolder is the checkpoint of a step in one of the folders; "" where none has it.
func bestFolder(step int, dirs ...string) string {
	for _, dir := range dirs {
		if path := (train.Saves{Dir: dir}).Name(step); dir != "" && modelfile.Exists(path) {
			return path
		}
	}
	return ""
}

// loop trains on the rows in a plan's order.
func (r *run) loop(plan recipe.Plan, total int) *train.Loop {
	perEpoch := plan.StepsPerEpoch()
	runner := r.generator.Loaded().Runner
	return &train.Loop{
		Engine: runner.Engine, Runner: runner,
		Work: func(step int) (train.Work, error) {
			places, epoch := plan.Step(step)
			w := train.Work{Epoch: epoch}
			for _, p := range r.rows.Pack(places) {
				w.Batches = append(w.Batches, p)
			}
			for _, place := range places {
				w.Rows = append(w.Rows, r.rows.Index[place])
				w.Tokens += r.rows.Tokens[place]
				w.Terms += r.rows.Terms[place]
			}
			return w, nil
		},
		Adam: train.Adam{
			Beta1: r.c.AdamBeta1, Beta2: r.c.AdamBeta2, Epsilon: r.c.AdamEpsilon,
			WeightDecay: r.c.WeightDecay, MaxGradNorm: r.c.MaxGradNorm, Tables: r.c.TableRate(),
		},
		Schedule:  r.c.Rates(r.c.LearningRate, total),
		Seed:      r.c.Seed,
		Made:      r.made,
		Scores:    r.c.Evaluates(),
		SaveModel: r.generator.Save,
		Evaluate:  r.evaluate,
		EvalAt:    at(r.c.EvalStrategy, r.c.EvalSteps, perEpoch, total, r.c.DoEval && len(r.eval) > 0),
		SaveAt:    at(r.c.SaveStrategy, r.c.SaveSteps, perEpoch, total, true),
		Saves:     train.Saves{Dir: r.c.OutputDir, Limit: r.c.SaveTotalLimit, Greater: r.c.HigherWins()},
		OnStep: func(s train.Step) error {
			r.done = s.Number
			return r.show.Step(report.Step{
				Step: s.Number, Steps: total, Epoch: s.Epoch, Loss: s.Loss, LearningRate: s.Rate, GradNorm: s.GradNorm,
				Tokens: s.Tokens, Rows: s.Rows, Elapsed: s.Took, Memory: peakMemory(r.generator.Loaded().Runner.Engine),
			})
		},
	}
}

// evaluate scores the validation set: the loss, then retrieval and answers. It
// returns the score that the best checkpoint is chosen by.
func (r *run) evaluate(ctx context.Context, step int) (float64, error) {
	loss, err := r.evaluation.loss(ctx, r.evalRows)
	if err != nil {
		return 0, err
	}
	report, err := r.evaluation.run(ctx, "eval", r.eval)
	if err != nil {
		return 0, err
	}
	report.Metrics["eval_loss"] = loss
	file := predictionsFile(r.c.Scoring, r.c.OutputDir, fmt.Sprintf("step-%d-eval-predictions.jsonl", step))
	if err := r.evaluation.tell("Evaluation", step, report, file); err != nil {
		return 0, err
	}
	score, ok := report.Metrics[r.c.BestMetric()]
	if !ok && r.c.KeepsBest() {
		return 0, fmt.Errorf("metric_for_best_model %q is not among the evaluated keys; metrics.jsonl has them", r.c.MetricForBestModel)
	}
	return score, nil
}

// test scores the test set with the model that is handed over.
func (r *run) test(ctx context.Context) error {
	if len(r.testing) == 0 {
		return nil
	}
	report, err := r.score(ctx, "Test", predictionsName)
	if err != nil {
		return err
	}
	if r.before != nil {
		keys := []string{
			"test_loss", "test_gen/f1/avg_f1_ans", "test_gen/rouge/avg_rougeL_ans", "test_gen/rouge/avg_rouge1_ans", "test_gen/bleu/avg_bleu_ans",
			"test_gen/exact_match/avg_exact_match_ans", "test_gen/answer_stats/avg_num_words",
			"test_gen_gold/f1/avg_f1_ans", "test_gen_gold/rouge/avg_rougeL_ans", "test_gen_none/f1/avg_f1_ans",
		}
		r.show.Compare("Test set before and after training", []string{"before", "after"}, []map[string]float64{r.before, report.Metrics}, keys)
	}
	return report.WriteMetrics(filepath.Join(r.c.OutputDir, scoreFile))
}

// score scores the test set, the loss included, shows the scores under a title and
// saves the answers.
func (r *run) score(ctx context.Context, title, predictions string) (*evaluate.Report, error) {
	report, err := r.evaluation.run(ctx, "test", r.testing)
	if err != nil {
		return nil, err
	}
	if len(r.testRows.Terms) > 0 { // rows may all be too long to encode with their answers
		if report.Metrics["test_loss"], err = r.evaluation.loss(ctx, r.testRows); err != nil {
			return nil, err
		}
	}
	return report, r.evaluation.tell(title, r.done, report, predictionsFile(r.c.Scoring, r.c.OutputDir, predictions))
}

// plan is the order of the rows.
func (r *run) plan() (recipe.Plan, error) {
	if len(r.rows.Index) == 0 {
		return recipe.Plan{}, fmt.Errorf("%s: no rows to train on", r.c.TrainFile)
	}
	p := recipe.Plan{Rows: len(r.rows.Index), PerStep: r.c.RowsPerStep(), Seed: r.c.Seed}
	if r.c.DataSeed != nil {
		p.Seed = *r.c.DataSeed
	}
	if !r.c.GroupByPassage {
		return p, nil
	}
	numbers := map[string]int{}
	for _, row := range r.rows.Index {
		key := ""
		for _, d := range r.training[row].GoldDocs {
			key += d.Key()
		}
		if _, ok := numbers[key]; !ok {
			numbers[key] = len(numbers)
		}
		p.Group = append(p.Group, numbers[key])
	}
	return p, nil
}

// evaluations is how often a run scores the validation set, and the test set, and
// how many answers of these the model makes as it is now.
func (r *run) evaluations() (evals, tests, early int) {
	plan, err := r.plan()
	if err != nil || !r.c.DoTrain {
		return min(1, len(r.eval)), min(1, len(r.testing)), len(r.eval) + len(r.testing)
	}
	total := r.c.TotalSteps(plan.StepsPerEpoch())
	due := r.loop(plan, total).EvalAt
	for step := 1; step <= total; step++ {
		if due(step) {
			evals++
		}
	}
	if r.c.EvalOnStart && len(r.eval) > 0 {
		evals++
		early += len(r.eval)
	}
	if r.c.TestOnStart && len(r.testing) > 0 {
		tests++
		early += len(r.testing)
	}
	return evals, tests + min(1, len(r.testing)), early
}

// at says at which steps something is due.
func at(strategy string, every float64, perEpoch, total int, wanted bool) func(step int) bool {
	return func(step int) bool {
		switch {
		case !wanted || strategy == config.No:
			return false
		case strategy == config.Epoch:
			return step%perEpoch == 0 || step == total
		}
		return step%config.Every(every, total) == 0
	}
}
