package evaluate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorqa/text/dataset"
)

// words are a text's words by the rules of each metric.
type words struct{ squad, rouge, bleu []string }

func newWords(s string) *words {
	return &words{squad: normalize(s), rouge: rougeWords(s), bleu: bleuTokens(s)}
}

// passageWords are those of passages, which come up again and again.
type passageWords map[string]*words

func (c passageWords) of(d dataset.Document) *words {
	w, ok := c[d.Content]
	if !ok {
		w = newWords(d.Content)
		c[d.Content] = w
	}
	return w
}

// scoreRetrieval scores the passages found, in the rows that have gold ones.
func (r *run) scoreRetrieval(predictions []Prediction, took time.Duration) {
	for i := range predictions {
		predictions[i].scoreRetrieval(r.words)
	}
	r.average(Retrieval, predictions, retrievalMetrics)
	r.latency(Retrieval, took)
}

// scoreRetrieval scores the passages found, where there are gold ones.
func (p *Prediction) scoreRetrieval(words passageWords) {
	if len(p.GoldDocs) == 0 {
		return
	}
	k := newRanking(documents(p.RetrievedDocs), documents(p.GoldDocs), words.of)
	s := p.Scores
	s[Accuracy] = accuracy(k.is)
	s[LikelyCorrect] = accuracy(k.likely)
	s[Recall1] = recall(k.is, k.golds, 1)
	s[Recall4] = recall(k.is, k.golds, 4)
	s[LikelyRecall1] = recall(k.likely, k.golds, 1)
	s[LikelyRecall4] = recall(k.likely, k.golds, 4)
	s[LikelyRecall] = s[LikelyRecall1] + s[LikelyRecall4]
	s[NDCG] = ndcg(k.is, k.golds)
	s[MRR] = reciprocalRank(k.is)
}

// scoreAnswers scores the answers against gold answer and passages.
func (r *run) scoreAnswers(queries []Query, predictions []Prediction, took time.Duration) {
	total := 0.0
	for i := range predictions {
		predictions[i].scoreAnswer(queries[i].Passages, r.words)
		total += predictions[i].Scores[Words]
	}
	group := predictions[0].Context.group()
	r.average(group, predictions, answerMetrics)
	r.scoreAbstention(group, predictions)
	r.report.Metrics[Key{r.opt.Prefix, group, TotalWords}] = total
	r.latency(group, took)
}

// scoreAnswer scores the answer against the gold answer, and against the passages that it
// was given.
func (p *Prediction) scoreAnswer(passages []dataset.Document, words passageWords) {
	answer, gold := newWords(p.GeneratedAnswer), newWords(p.GoldAnswer)
	likeness(answer, gold).score(p.Scores, toAnswer)
	p.Scores[AnswerExactMatch] = exactMatch(answer.squad, gold.squad)
	_, p.Scores[BrevityPenalty] = bleu(answer.bleu, gold.bleu)
	p.Scores[Words] = float64(len(strings.FieldsFunc(p.GeneratedAnswer, isSpace)))
	if p.Context != Retrieved && len(passages) == 0 {
		return
	}
	var best alike // nothing, where nothing was found to answer from
	for _, d := range passages {
		best = best.max(likeness(answer, words.of(d)))
	}
	best.score(p.Scores, toPassage)
}

// scoreAbstention scores whether answers abstain where they should, in data where they
// should somewhere.
func (r *run) scoreAbstention(group Group, predictions []Prediction) {
	ways := map[string]bool{} // of saying that there is no answer
	unanswerable := 0.0
	for _, p := range predictions {
		if p.Unanswerable {
			ways[strings.Join(normalize(p.GoldAnswer), " ")+" "] = true
			unanswerable++
		}
	}
	delete(ways, " ")
	if unanswerable == 0 {
		return
	}
	abstained, rightly := 0.0, 0.0
	for _, p := range predictions {
		answer, abstains := strings.Join(normalize(p.GeneratedAnswer), " ")+" ", false
		for way := range ways {
			abstains = abstains || strings.HasPrefix(answer, way)
		}
		p.Scores[Abstention] = 0
		if abstains == p.Unanswerable {
			p.Scores[Abstention] = 1
		}
		if abstains {
			abstained++
			rightly += p.Scores[Abstention]
		}
	}
	key := func(name Name) Key { return Key{r.opt.Prefix, group, name} }
	r.report.Metrics[key(UnanswerableRows)], r.report.Metrics[key(AbstainedRows)] = unanswerable, abstained
	r.report.Metrics[key(AbstentionRecall)] = rightly / unanswerable
	if abstained > 0 {
		r.report.Metrics[key(AbstentionPrecision)] = rightly / abstained
	}
	r.average(group, predictions, []listed{abstentionMetric})
}

// judge has the answers judged.
func (r *run) judge(ctx context.Context, predictions []Prediction) error {
	answers := make([]Answered, len(predictions))
	for i, p := range predictions {
		a := Answered{Question: p.Question, History: p.History, Gold: p.GoldAnswer, Answer: p.GeneratedAnswer}
		gold := map[string]bool{}
		for _, d := range p.GoldDocs {
			a.Passages = append(a.Passages, d.Document)
			gold[d.ID] = true
		}
		if at := slices.IndexFunc(p.RetrievedDocs, func(d Passage) bool { return !gold[d.ID] }); at >= 0 {
			a.Passages = append(a.Passages, p.RetrievedDocs[at].Document)
		}
		answers[i] = a
	}
	verdicts, err := r.opt.Judge.Judge(ctx, answers)
	if err != nil {
		return fmt.Errorf("evaluation: judging: %w", err)
	}
	if len(verdicts) != len(answers) {
		return fmt.Errorf("evaluation: the judge gave %d verdicts on %d answers", len(verdicts), len(answers))
	}
	counts := map[string]int{}
	for i, v := range verdicts {
		predictions[i].Judged = &v
		counts[v.Verdict]++
		switch v.Verdict {
		case Correct:
			predictions[i].Scores[Judged] = 1
		case Incorrect:
			predictions[i].Scores[Judged] = 0
		}
	}
	group := predictions[0].Context.group()
	r.average(group, predictions, []listed{judgeMetric})
	r.report.Metrics[Key{r.opt.Prefix, group, JudgedRows}] = float64(counts[Correct] + counts[Incorrect])
	r.report.Metrics[Key{r.opt.Prefix, group, FailedRows}] = float64(counts[Failed])
	return nil
}

// alike says how like an answer is to another text.
type alike struct{ f1, precision, rouge1, rouge2, rougeL, bleu float64 }

func likeness(answer, other *words) alike {
	ro := rouge(answer.rouge, other.rouge)
	b, _ := bleu(answer.bleu, other.bleu)
	return alike{f1(answer.squad, other.squad), precision(answer.squad, other.squad), ro.R1, ro.R2, ro.RL, b}
}

// max is the better of each.
func (a alike) max(b alike) alike {
	return alike{
		max(a.f1, b.f1), max(a.precision, b.precision), max(a.rouge1, b.rouge1), max(a.rouge2, b.rouge2), max(a.rougeL, b.rougeL), max(a.bleu, b.bleu),
	}
}

// score writes them under their names.
func (a alike) score(scores Scores, to texts) {
	scores[to.f1], scores[to.precision] = a.f1, a.precision
	scores[to.rouge1], scores[to.rouge2], scores[to.rougeL] = a.rouge1, a.rouge2, a.rougeL
	scores[to.bleu] = a.bleu
}

// average puts each metric's mean over the rows that have it into the report.
func (r *run) average(group Group, predictions []Prediction, metrics []listed) {
	for _, m := range metrics {
		sum, n := 0.0, 0
		for _, p := range predictions {
			if v, ok := p.Scores[m.metric]; ok {
				sum += v
				n++
			}
		}
		if n > 0 {
			r.report.Metrics[Key{r.opt.Prefix, group, m.name()}] = sum / float64(n)
		}
	}
}

func (r *run) latency(group Group, took time.Duration) {
	r.report.Metrics[Key{r.opt.Prefix, group, MeanLatency}] = took.Seconds() / float64(len(r.examples))
	r.report.Metrics[Key{r.opt.Prefix, group, TotalLatency}] = took.Seconds()
}
