package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorqa/tensor/train"
	"gorqa/text/dataset"
)

// forecast tries a little of the run and says from that how long it will take: an
// optimiser step and a batch of answers, both twice, since the first time pays
// for compilation. Index and contexts are kept where the run looks for them.
func (d *doctor) forecast(ctx context.Context) {
	r := &run{c: d.c, session: d.session}
	defer func() {
		if err := r.close(); err != nil {
			d.show.Warn("%v", err)
		}
	}()
	ready := false
	d.check(ctx, "forecast", func(ctx context.Context) (string, error) {
		if d.bad > 0 {
			return "", errors.New("not made, since a check failed")
		}
		if _, err := r.read(ctx); err != nil {
			return "", err
		}
		ready = true
		return "from two steps and a batch of answers, each tried twice", r.open(ctx)
	})
	if ready && d.bad == 0 {
		// Even two steps can teach a model to say nothing.
		d.check(ctx, "evaluation", func(ctx context.Context) (string, error) { return d.tryAnswers(ctx, r) })
		d.check(ctx, "training", func(ctx context.Context) (string, error) { return d.tryStep(ctx, r) })
	}
}

// tryStep takes the first step twice. What the other steps take goes by their
// tokens.
func (d *doctor) tryStep(ctx context.Context, r *run) (string, error) {
	if !r.c.DoTrain {
		return "", nil
	}
	c, err := r.course()
	if err != nil {
		return "", err
	}
	loop, job := c.loop(), &trial{course: c}
	loop.Job, loop.EvalAt, loop.SaveAt, loop.Schedule.Steps, loop.StopAfter = job, train.Due{}, train.Due{}, 2, 2
	if err := loop.Run(ctx, ""); err != nil {
		return "", err
	}
	tokens := 0
	for _, n := range r.rows.Tokens {
		tokens += n
	}
	last := job.steps[1]
	each := last.Took.Seconds() * float64(tokens) / float64(len(r.rows.Tokens)) * float64(last.Rows) / float64(last.Tokens)
	return fmt.Sprintf("%d steps of %d rows, about %.3g s each: %v, beside %v of compilation; peak memory so far %.1f GB",
		c.total, c.plan.PerStep, each, seconds(each*float64(c.total)), (job.steps[0].Took - last.Took).Round(time.Second), gigabytes(peakMemory(d.device))), nil
}

// trial is a run that only ever takes its first step, and shows none.
type trial struct {
	course
	steps []train.Step
}

func (t *trial) Work(int) (train.Work, error) { return t.course.Work(1) }

func (t *trial) Done(s train.Step) error {
	t.steps = append(t.steps, s)
	return nil
}

// tryAnswers answers a batch of questions, once as the model answers now and once
// at most in the length of the longest gold answer, as it may be expected to once
// it is trained.
func (d *doctor) tryAnswers(ctx context.Context, r *run) (string, error) {
	if r.evaluation == nil {
		return "", nil
	}
	from, out := r.testing, r.evaluation.leftOut["test"]
	if len(from) == 0 {
		from, out = r.eval, r.evaluation.leftOut["eval"]
	}
	from = slices.Clone(from)
	for _, row := range slices.Backward(out) {
		from = slices.Delete(from, row, row+1)
	}
	r.evaluation.leftOut = nil
	some, longest := make([]dataset.Example, min(r.c.PerDeviceEvalBatchSize, len(from))), 0
	for i := range some {
		some[i] = from[i*len(from)/len(some)]
		longest = max(longest, len(r.generator.Loaded().Encoder.Tokenizer.Encode(some[i].GoldAnswer, false))+1)
	}
	now, err := d.answer(ctx, r, some, r.c.EvalMaxNewTokens)
	if err != nil {
		return "", err
	}
	gold := now
	if longest < r.c.EvalMaxNewTokens {
		if gold, err = d.answer(ctx, r, some, longest); err != nil {
			return "", err
		}
	}
	evals, tests, early := r.evaluations()
	late := evals*len(r.eval) + tests*len(r.testing) - early
	return fmt.Sprintf("about %.3g s a row as the model answers now, %.3g if answers are as long as the gold ones: %d times %d rows and %d times %d test rows, %v, %d of the answers before training; peak memory so far %.1f GB",
		now, gold, evals, len(r.eval), tests, len(r.testing), seconds(now*float64(early)+gold*float64(late)), early, gigabytes(peakMemory(d.device))), nil
}

// answer gives the seconds a row that an evaluation of the rows takes, all its
// graphs compiled, if answers may have so many tokens.
func (d *doctor) answer(ctx context.Context, r *run, rows []dataset.Example, tokens int) (float64, error) {
	g := r.c.Generation
	g.EvalMaxNewTokens = tokens
	if err := r.generator.UseGeneration(generationOptions(g, r.c.PerDeviceEvalBatchSize, r.c.Seed)); err != nil {
		return 0, err
	}
	var took time.Duration
	for range 2 {
		started := time.Now()
		if _, err := r.evaluation.run(ctx, "eval", rows); err != nil {
			return 0, err
		}
		took = time.Since(started)
	}
	return took.Seconds() / float64(len(rows)), nil
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}
