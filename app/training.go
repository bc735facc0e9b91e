package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gorqa/config"
	"gorqa/engine/world"
	"gorqa/files/modelfile"
	"gorqa/report"
	"gorqa/tensor/train"
	"gorqa/text/recipe"
)

// course is a run's way through the loop, a train.Job.
type course struct {
	*run
	plan  recipe.Plan
	total int // steps
}

func (r *run) course() (course, error) {
	plan, err := r.plan()
	if err != nil {
		return course{}, err
	}
	return course{r, plan, r.c.TotalSteps(plan.StepsPerEpoch())}, nil
}

// takeUp makes ready to train from where the run begins.
func (r *run) takeUp(b beginning) error {
	for _, dir := range b.Replaced { // none but at rank 0
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if b.Checkpoint != "" {
		r.from = filepath.Dir(b.Checkpoint)
	}
	return nil
}

// train runs the loop and saves the model that it hands over.
func (r *run) train(ctx context.Context, resume string) error {
	if resume != "" {
		if err := r.generator.Loaded().Origin.Resumes(ctx, resume); err != nil {
			return err
		}
	}
	c, err := r.course()
	if err != nil {
		return err
	}
	tokens := tokensOf(r.rows)
	r.made.Training["tokens of the rows"] = tokens
	if err := agree(r.world, train.Facts{"tokens of the rows": tokens}); err != nil {
		return err
	}
	r.show.LogEvery(config.Every(r.c.LoggingSteps, c.total))
	r.show.Say("%d rows, %d steps of %d rows, %d steps in all", c.plan.Rows, c.plan.StepsPerEpoch(), c.plan.PerStep, c.total)
	if resume == "" {
		if err := r.scoreUntrained(ctx); err != nil {
			return err
		}
	}
	loop := c.loop()
	if loop.GPUs, err = r.joinGPUs(); err != nil {
		return err
	}
	err = loop.Run(ctx, resume)
	var stopped *train.Interrupted
	if errors.As(err, &stopped) {
		return fmt.Errorf("%w; go on with the same command and --resume_from_checkpoint true", err)
	}
	if err != nil {
		return err
	}
	last := c.total
	if loop.EndsEarly() && r.done > 0 && r.done < c.total {
		last = r.done
		step, score, _ := loop.Best()
		r.show.Say("Early stopping after step %d of %d: %s was best at step %d (%.4g), and got no better in %d evaluations", r.done, c.total, r.c.BestMetric(), step, score, r.c.EarlyStoppingPatience)
	}
	if step, score, ok := loop.Best(); ok && r.c.KeepsBest() && step != last {
		if err := r.takeBest(ctx, step, score); err != nil {
			return err
		}
	}
	if r.world.Rank() > 0 {
		return nil
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
	best, err := world.Decide(r.world, func() (string, error) {
		best := bestFolder(step, r.c.OutputDir, r.from)
		if best == "" {
			r.show.Warn("the best checkpoint, of step %d (%s %.4g), is gone; the model of the last step is handed over", step, r.c.BestMetric(), score)
		} else if _, err := train.Verify(ctx, best); err != nil {
			r.show.Warn("the best checkpoint, of step %d (%s %.4g), cannot be taken: %v; the model of the last step is handed over", step, r.c.BestMetric(), score, err)
			best = ""
		}
		return best, nil
	})
	if best == "" || err != nil {
		return err
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

// loop trains on the rows in the plan's order.
func (c course) loop() *train.Loop {
	s := c.c
	return &train.Loop{
		Runner: c.generator.Loaded().Runner,
		Job:    c,
		Adam: train.Adam{
			Beta1: s.AdamBeta1, Beta2: s.AdamBeta2, Epsilon: s.AdamEpsilon,
			WeightDecay: s.WeightDecay, MaxGradNorm: s.MaxGradNorm, Tables: s.TableRate(), EightBit: s.EightBit(),
		},
		Schedule:  s.Rates(s.LearningRate, c.total),
		Seed:      s.Seed,
		World:     c.world,
		ZeroStage: s.ZeroStage,
		Made:      c.made,
		Scores:    s.Evaluates(),
		EvalAt:    c.evalAt(),
		SaveAt:    c.due(s.SaveStrategy, s.SaveSteps),
		EarlyStop: train.EarlyStop{Patience: s.EarlyStoppingPatience, Threshold: s.EarlyStoppingThreshold},
		Saves:     train.Saves{Dir: s.OutputDir, Limit: s.SaveTotalLimit, Greater: s.HigherWins()},
	}
}

func (c course) evalAt() train.Due {
	if !c.c.DoEval || len(c.eval) == 0 {
		return train.Due{}
	}
	return c.due(c.c.EvalStrategy, c.c.EvalSteps)
}

// due says after which steps something is done.
func (c course) due(strategy string, every float64) train.Due {
	switch strategy {
	case config.No:
		return train.Due{}
	case config.Epoch:
		return train.Due{Every: c.plan.StepsPerEpoch(), Last: true}
	}
	return train.Due{Every: config.Every(every, c.total)}
}

// Work implements train.Job.
func (c course) Work(step int) (train.Work, error) {
	return c.rows.Work(c.plan, step, c.world.Rank(), c.world.Size()), nil
}

// Done implements train.Job: it shows the step.
func (c course) Done(s train.Step) error {
	c.done = s.Number
	return c.show.Step(report.Step{
		Step: s.Number, Steps: c.total, Epoch: s.Epoch, Loss: s.Loss, LearningRate: s.Rate, GradNorm: s.GradNorm,
		Tokens: s.Tokens, Rows: s.Rows, Elapsed: s.Took, Memory: peakMemory(c.device),
		Sums: report.Sums{Waited: s.Waited, Took: s.Summing, Sent: s.Sent},
	})
}

// Save implements train.Job.
func (c course) Save(ctx context.Context, dir string) error { return c.generator.Save(ctx, dir) }

// plan is the order of the rows.
func (r *run) plan() (recipe.Plan, error) {
	if len(r.rows.Index) == 0 {
		return recipe.Plan{}, fmt.Errorf("%s: no rows to train on", r.c.TrainFile)
	}
	p := recipe.Plan{Rows: len(r.rows.Index), PerStep: r.c.RowsPerStep() * r.world.Size(), Seed: r.c.Seed}
	if r.c.DataSeed != nil {
		p.Seed = *r.c.DataSeed
	}
	if !r.c.GroupByPassage {
		return p, nil
	}
	numbers := map[string]int{}
	for _, row := range r.rows.Index {
		key := ""
		for _, d := range r.training[row].Passages() {
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
	c, err := r.course()
	if err != nil || !r.c.DoTrain {
		return min(1, len(r.eval)), min(1, len(r.testing)), len(r.eval) + len(r.testing)
	}
	due := c.evalAt()
	for step := 1; step <= c.total; step++ {
		if due.At(step, c.total) {
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
