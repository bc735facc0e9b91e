package app

import (
	"errors"
	"fmt"
	"time"

	"gorqa/rqa"
	"gorqa/train"
)

// forecast tries a little of the run and says from that how long it will take: an
// optimiser step and a batch of answers, both twice, since the first time pays
// for compilation. Index and contexts are kept where the run looks for them.
func (d *doctor) forecast() {
	r := &run{c: d.c, show: d.show}
	defer func() {
		if err := r.close(); err != nil {
			d.show.Warn("%v", err)
		}
	}()
	ready := false
	d.check("forecast", func() (string, error) {
		if d.bad > 0 {
			return "", errors.New("not made, since a check failed")
		}
		if _, err := r.read(d.ctx); err != nil {
			return "", err
		}
		ready = true
		return "from two steps and two batches of answers", r.openOn(d.ctx, d.xla, d.half)
	})
	if ready && d.bad == 0 {
		d.check("training", func() (string, error) { return d.tryStep(r) })
		d.check("evaluation", func() (string, error) { return d.tryAnswers(r) })
	}
}

// errTried ends a run that was only tried.
var errTried = errors.New("tried")

// tryStep takes the first step twice. What the other steps take goes by their
// tokens.
func (d *doctor) tryStep(r *run) (string, error) {
	if !r.c.DoTrain {
		return "", nil
	}
	plan, err := r.plan()
	if err != nil {
		return "", err
	}
	total := r.c.TotalSteps(plan.StepsPerEpoch())
	loop := r.loop(plan, total)
	never := func(int) bool { return false }
	first := loop.Work
	loop.Work = func(int) (train.Work[pass], error) { return first(1) }
	loop.EvalAt, loop.SaveAt, loop.Schedule.Steps = never, never, 2
	var steps []train.Step
	loop.OnStep = func(s train.Step) error {
		if steps = append(steps, s); len(steps) == 2 {
			return errTried
		}
		return nil
	}
	if err := loop.Run(d.ctx, ""); !errors.Is(err, errTried) {
		return "", err
	}
	tokens := 0
	for _, n := range r.rows.tokens {
		tokens += n
	}
	last := steps[1]
	each := last.Took.Seconds() * float64(tokens) / float64(len(r.rows.tokens)) * float64(last.Rows) / float64(last.Tokens)
	return fmt.Sprintf("%d steps of %d rows, about %.3g s each: %v, beside %v of compilation; peak memory so far %.1f GB",
		total, plan.PerStep, each, seconds(each*float64(total)), (steps[0].Took - last.Took).Round(time.Second), gigabytes(peakMemory())), nil
}

// tryAnswers answers a batch of questions twice, at most in the length of its
// longest gold answer: the untrained model may go on for longer than the trained
// one will.
func (d *doctor) tryAnswers(r *run) (string, error) {
	if r.evaluation == nil {
		return "", nil
	}
	from := r.testing
	if len(from) == 0 {
		from = r.eval
	}
	some := make([]rqa.Example, min(r.c.PerDeviceEvalBatchSize, len(from)))
	g, longest := r.c.Generation, 0
	for i := range some {
		some[i] = from[i*len(from)/len(some)]
		longest = max(longest, len(r.generator.loaded().encoder.Tokenizer.Encode(some[i].GoldAnswer, false))+1)
	}
	g.EvalMaxNewTokens = min(g.EvalMaxNewTokens, longest)
	if err := r.generator.useGeneration(g, r.c.PerDeviceEvalBatchSize, r.c.Seed); err != nil {
		return "", err
	}
	var took time.Duration
	for range 2 {
		started := time.Now()
		if _, err := r.evaluation.run(d.ctx, "eval", some); err != nil {
			return "", err
		}
		took = time.Since(started)
	}
	row := took.Seconds() / float64(len(some))
	evals, tests := r.evaluations()
	all := row * float64(evals*len(r.eval)+tests*len(r.testing))
	return fmt.Sprintf("about %.3g s a row: %d times %d rows and %d times %d test rows, %v, if answers are as long as the gold ones; peak memory so far %.1f GB",
		row, evals, len(r.eval), tests, len(r.testing), seconds(all), gigabytes(peakMemory())), nil
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}
