package app

import (
	"context"
	"fmt"
	"path/filepath"

	"gorqa/text/evaluate"
)

// scoreUntrained scores the model before its training, as far as the settings ask for.
func (r *run) scoreUntrained(ctx context.Context) error {
	if r.c.EvalOnStart && len(r.eval) > 0 {
		if _, err := r.evaluate(ctx, 0); err != nil {
			return err
		}
	}
	if r.c.TestOnStart && len(r.testing) > 0 {
		report, err := r.score(ctx, "Test before training", beforeName)
		if err != nil {
			return err
		}
		r.before = report.Metrics.ByName()
	}
	return nil
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
		if report.Metrics[evaluate.Key{Prefix: "test", Name: evaluate.Loss}], err = r.evaluation.loss(ctx, r.testRows); err != nil {
			return nil, err
		}
	}
	return report, r.evaluation.tell(title, r.done, report, predictionsFile(r.c.Scoring, r.c.OutputDir, predictions))
}
