package app

import (
	"context"
	"fmt"
	"math"
	"path/filepath"

	"gorqa/qa"
	"gorqa/text/evaluate"
)

// scoreUntrained scores the model before its training, as far as the settings ask for.
func (r *run) scoreUntrained(ctx context.Context) error {
	evaluates, tests := r.c.EvalOnStart && len(r.eval) > 0, r.c.TestOnStart && len(r.testing) > 0
	if !evaluates && !tests {
		return nil
	}
	return r.lead(ctx, func() error {
		if evaluates {
			if _, err := r.evaluate(ctx, 0); err != nil {
				return err
			}
		}
		if !tests {
			return nil
		}
		report, err := r.score(ctx, "Test before training", beforeName)
		if err != nil {
			return err
		}
		r.before = report.Metrics.ByName()
		return nil
	})
}

// evaluate scores the validation set: the loss, then retrieval and answers. It
// returns the score that the best checkpoint is chosen by.
func (r *run) evaluate(ctx context.Context, step int) (float64, error) {
	loss, err := r.loss(ctx, "eval")
	if err != nil {
		return 0, err
	}
	report, err := r.evaluation.run(ctx, "eval", r.eval)
	if err != nil {
		return 0, err
	}
	report.Metrics[evaluate.Key{Prefix: "eval", Name: evaluate.Loss}] = loss
	file := predictionsFile(r.c.Scoring, r.c.OutputDir, fmt.Sprintf("step-%d-eval-predictions.jsonl", step))
	if err := r.evaluation.tell("Evaluation", step, report, file); err != nil {
		return 0, err
	}
	score, ok := report.Metrics.ByName()[r.c.BestMetric()]
	if !ok && r.c.KeepsBest() {
		return 0, fmt.Errorf("metric_for_best_model %q is not among the evaluated keys; metrics.jsonl has them", r.c.MetricForBestModel)
	}
	return score, nil
}

// loss is the mean loss of a split's rows in nats per label token. Each process takes
// its part of their micro-batches.
func (r *run) loss(ctx context.Context, prefix string) (float64, error) {
	rows := r.rowsOf(prefix)
	each, err := r.losses.Do(ctx, prefix)
	if err != nil {
		return 0, err
	}
	var sum float64
	for at := range each[0] { // as one process adds them up
		for _, losses := range each {
			if at < len(losses) {
				sum += losses[at]
			}
		}
	}
	terms := 0
	for _, n := range rows.Terms {
		terms += n
	}
	return sum / float64(terms), nil
}

// rowsOf are the encoded rows of a split.
func (r *run) rowsOf(prefix string) qa.Rows {
	if prefix == "test" {
		return r.testRows
	}
	return r.evalRows
}

// partOfLoss sums up the losses of micro-batches of a split: of N processes, rank r takes
// every Nth, from the one at r.
func (r *run) partOfLoss(ctx context.Context, prefix string) (losses []float64, err error) {
	rows := r.rowsOf(prefix)
	all := make([]int, len(rows.Terms))
	for i := range all {
		all[i] = i
	}
	task := r.show.Task("Evaluation loss", len(all))
	defer task.Done()
	at := 0
	for n, p := range rows.Pack(all) {
		if at++; (at-1)%r.world.Size() == r.world.Rank() {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			loss, err := r.generator.Loaded().Runner.Evaluate(p.Loss)
			if err != nil {
				return nil, err
			}
			if math.IsNaN(loss) || math.IsInf(loss, 0) {
				return nil, fmt.Errorf("evaluation loss: %v found; a finite number expected; the model's weights are damaged, or its training went astray: lower learning_rate, try --bf16 false, or take another checkpoint", loss)
			}
			losses = append(losses, loss)
		}
		task.Advance(n)
	}
	return losses, nil
}

// test scores the test set with the model that is handed over.
func (r *run) test(ctx context.Context) error {
	if len(r.testing) == 0 {
		return nil
	}
	return r.lead(ctx, func() error { return r.testTrained(ctx) })
}

// testTrained scores and compares with the model before its training, if it was scored.
func (r *run) testTrained(ctx context.Context) error {
	report, err := r.score(ctx, "Test", predictionsName)
	if err != nil && ctx.Err() != nil && r.c.DoTrain {
		return fmt.Errorf("stopped before the test set was scored (%w); the model is in %s: gorqa eval %[2]s scores it", err, r.c.OutputDir)
	}
	if err != nil {
		return err
	}
	if r.before != nil {
		keys := []string{
			"test_loss", "test_gen/f1/avg_f1_ans", "test_gen/rouge/avg_rougeL_ans", "test_gen/rouge/avg_rouge1_ans", "test_gen/bleu/avg_bleu_ans",
			"test_gen/exact_match/avg_exact_match_ans", "test_gen/answer_stats/avg_num_words",
			"test_gen/abstention/precision", "test_gen/abstention/recall",
			"test_gen_gold/f1/avg_f1_ans", "test_gen_gold/rouge/avg_rougeL_ans", "test_gen_none/f1/avg_f1_ans",
		}
		r.show.Compare("Test set before and after training", []string{"before", "after"}, []map[string]float64{r.before, report.Metrics.ByName()}, keys)
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
		if report.Metrics[evaluate.Key{Prefix: "test", Name: evaluate.Loss}], err = r.loss(ctx, "test"); err != nil {
			return nil, err
		}
	}
	return report, r.evaluation.tell(title, r.done, report, predictionsFile(r.c.Scoring, r.c.OutputDir, predictions))
}
