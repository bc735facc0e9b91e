package app

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gorqa/report"
	"gorqa/text/evaluate"
	"gorqa/text/evaluate/human"
)

// headline are the scores that pages show, and what people call them. Others that rows
// have (ratings by people) come behind.
func headline() []report.Score {
	return []report.Score{
		{Key: "f1_ans", Name: "F1"}, {Key: "exact_match_ans", Name: "exact match"}, {Key: "rougeL_ans", Name: "ROUGE-L"}, {Key: "bleu_ans", Name: "BLEU"},
		{Key: "gpt4eval_acc", Name: "judge"}, {Key: "f1_retr_doc", Name: "F1 with the passages"}, {Key: "num_words", Name: "words"},
		{Key: "recall1", Name: "recall@1"}, {Key: "recall4", Name: "recall@4"}, {Key: "mrr", Name: "MRR"}, {Key: "ndcg", Name: "nDCG"},
	}
}

// side is the answers of a column: of a run before or after it, or of one of several.
type side struct {
	name        string
	predictions []evaluate.Prediction
}

// sides are the columns of answers.
func sides(runs []shownRun) (all []side) {
	if len(runs) == 1 && runs[0].before != nil {
		all = append(all, side{"before", runs[0].before})
	}
	for _, r := range runs {
		if name := r.name; r.after != nil {
			if len(runs) == 1 {
				name = "after"
			}
			all = append(all, side{name, r.after})
		}
	}
	return all
}

// pageSamples are the bootstrap's for so many rows: fewer than compare's, which is asked
// for it, and so few that a page takes seconds.
func pageSamples(rows int) int { return max(200, min(2000, 2_000_000/max(1, rows))) }

// scoresOf are the means of each context with their intervals, and how they differ from
// the first side's.
func scoresOf(runs []shownRun) (tables []report.Table, err error) {
	all := sides(runs)
	if len(all) == 0 {
		return nil, nil
	}
	opt := evaluate.DefaultCompareOptions()
	opt.Samples = pageSamples(len(all[0].predictions))
	head := []string{"score", "rows"}
	for i, s := range all {
		head = append(head, s.name)
		if i > 0 {
			head = append(head, "difference")
		}
	}
	for _, context := range contextsOf(all) {
		t := report.Table{Title: "Test set, passages: " + string(context), Head: head}
		for _, score := range scoresIn(all) {
			row := []string{score.Name, ""}
			for i, s := range all {
				cells, rows, err := scoreCells(all[0], s, i, context, evaluate.Metric(score.Key), opt)
				if err != nil {
					return nil, err
				}
				if row = append(row, cells...); rows > 0 {
					row[1] = fmt.Sprint(rows)
				}
			}
			if row[1] != "" {
				t.Rows = append(t.Rows, row)
			}
		}
		tables = append(tables, t)
	}
	tables[len(tables)-1].Note = fmt.Sprintf("In brackets 95%% intervals by bootstrap over the rows (%d samples, seed %d), of differences by pairs of rows; * where the interval leaves out 0.", opt.Samples, opt.Seed)
	return tables, nil
}

// scoreCells are a side's mean and, but for the first side, its difference from that.
func scoreCells(first, s side, at int, context evaluate.Context, key evaluate.Metric, opt evaluate.CompareOptions) (cells []string, rows int, err error) {
	var values []float64
	for _, p := range s.predictions {
		if v, ok := p.Scores[key]; ok && p.Context == context {
			values = append(values, v)
		}
	}
	cell := "–"
	if len(values) > 0 {
		mean, low, high := opt.Interval(values)
		cell = fmt.Sprintf("%.3f (%.3f to %.3f)", mean, low, high)
	}
	if at == 0 {
		return []string{cell}, len(values), nil
	}
	pairs, _, _ := evaluate.Match(first.predictions, s.predictions)
	pairs = slices.DeleteFunc(pairs, func(p evaluate.Pair) bool {
		_, a := p.A.Scores[key]
		_, b := p.B.Scores[key]
		return p.A.Context != context || !a || !b
	})
	if len(pairs) == 0 {
		return []string{cell, "–"}, len(values), nil
	}
	found, err := evaluate.Compare(pairs, key, opt)
	if err != nil {
		return nil, 0, err
	}
	if len(found) != 1 {
		return nil, 0, errors.New("pairs of one context gave several comparisons")
	}
	mark := ""
	if c := found[0]; c.Low > 0 || c.High < 0 {
		mark = " *"
	}
	return []string{cell, fmt.Sprintf("%+.3f (%+.3f to %+.3f)%s", found[0].Delta, found[0].Low, found[0].High, mark)}, len(values), nil
}

func contextsOf(all []side) (contexts []evaluate.Context) {
	for _, s := range all {
		for _, p := range s.predictions {
			if !slices.Contains(contexts, p.Context) {
				contexts = append(contexts, p.Context)
			}
		}
	}
	return contexts
}

// scoresIn are the headline scores that some row has.
func scoresIn(all []side) []report.Score {
	there := map[evaluate.Metric]bool{}
	for _, s := range all {
		for _, p := range s.predictions {
			for key := range p.Scores {
				there[key] = true
			}
		}
	}
	found := slices.DeleteFunc(headline(), func(s report.Score) bool { return !there[evaluate.Metric(s.Key)] })
	for _, metric := range slices.Sorted(maps.Keys(there)) {
		if scale, ok := strings.CutPrefix(string(metric), human.ScorePrefix); ok {
			found = append(found, report.Score{Key: string(metric), Name: scale + ", by people"})
		}
	}
	return found
}

// mostRows are in a page: what a browser looks through at once, in a file of a few
// megabytes.
const mostRows = 2000

// passageList numbers passages, each once.
type passageList struct {
	all []report.Passage
	at  map[report.Passage]int
}

func (l *passageList) add(docs []evaluate.Passage) (places []int) {
	for _, d := range docs {
		p := report.Passage{Title: d.Title(), Text: d.Content}
		i, ok := l.at[p]
		if !ok {
			i = len(l.all)
			l.at[p] = i
			l.all = append(l.all, p)
		}
		places = append(places, i)
	}
	return places
}

// rowsOf are the rows of the test set with all sides' answers.
func rowsOf(runs []shownRun) report.Rows {
	all := sides(runs)
	if len(all) == 0 {
		return report.Rows{}
	}
	type place struct {
		row     int
		context evaluate.Context
	}
	out := report.Rows{Scores: scoresIn(all), All: len(all[0].predictions)}
	partners := make([]map[place]evaluate.Prediction, len(all))
	for i, s := range all {
		out.Answers = append(out.Answers, s.name)
		partners[i] = map[place]evaluate.Prediction{}
		pairs, _, _ := evaluate.Match(all[0].predictions, s.predictions)
		for _, p := range pairs {
			partners[i][place{p.A.Row, p.A.Context}] = p.B
		}
	}
	passages := passageList{at: map[report.Passage]int{}}
	for _, first := range all[0].predictions[:min(mostRows, out.All)] {
		row := report.Row{Group: string(first.Context), Question: first.Question, Gold: first.GoldAnswer, GoldDocs: passages.add(first.GoldDocs)}
		for _, t := range first.History {
			row.History = append(row.History, t.Speaker+": "+t.Message)
		}
		for i := range all {
			p, ok := partners[i][place{first.Row, first.Context}]
			if !ok {
				row.Answers = append(row.Answers, report.Answer{Missing: true})
				continue
			}
			row.Answers = append(row.Answers, answerOf(p, &passages, out.Scores))
		}
		out.Rows = append(out.Rows, row)
	}
	out.Passages = passages.all
	return out
}

func answerOf(p evaluate.Prediction, passages *passageList, shown []report.Score) report.Answer {
	note := ""
	if p.Judged != nil {
		note = p.Judged.Verdict + ": " + p.Judged.Reason
	}
	scores := map[string]float64{}
	for _, s := range shown {
		if v, ok := p.Scores[evaluate.Metric(s.Key)]; ok {
			scores[s.Key] = v
		}
	}
	return report.NewAnswer(p.GeneratedAnswer, passages.add(p.Given()), scores, note)
}
