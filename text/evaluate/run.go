package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// Query is one question with the context it is asked in.
type Query struct {
	Question string
	History  []dataset.Turn
	Passages []dataset.Document // best first; empty where the question is asked without
	Context  Context            // whose passages they are
}

// Generator answers questions.
type Generator interface {
	// Generate gives one answer for each query, in their order. It batches as
	// it sees fit.
	Generate(ctx context.Context, queries []Query) ([]Answer, error)
}

// Answer is what a generator makes of a query.
type Answer struct {
	Text string
	// Shares say how much of the answer comes from each of the query's passages,
	// 1 in all; nil from a generator that cannot tell.
	Shares []float64
}

// Answered is a question with the answer that a Judge looks at.
type Answered struct {
	Question string
	History  []dataset.Turn
	Gold     string             // the answer that is known to be right
	Passages []dataset.Document // the gold ones, and the best other one that the answer is from
	Answer   string
}

// Verdict is what a Judge finds: of Correct and Incorrect one, or with Failed
// neither.
type Verdict struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"` // of the judge, or of the failure
}

// The verdicts. A judge that fails says nothing about the answer.
const (
	Correct   = "correct"
	Incorrect = "incorrect"
	Failed    = "failed"
)

// Judge says whether answers are right.
type Judge interface {
	// Judge gives one verdict for each answer, in their order. What goes wrong
	// with one answer is its verdict; an error ends the evaluation.
	Judge(ctx context.Context, answers []Answered) ([]Verdict, error)
}

// Context names the passages that questions are asked with.
type Context string

// The contexts. The gap between None and Gold is what passages can bring, that
// between Retrieved and Gold is what the retriever loses, and a model that
// answers from its passages is much worse with Shuffled ones than with Gold.
const (
	None      Context = "none"      // no passages
	Gold      Context = "gold"      // the row's gold passages
	Retrieved Context = "retrieved" // what the retriever finds
	Shuffled  Context = "shuffled"  // the gold passages of another row
)

// known are all that there are.
var known = []Context{None, Gold, Retrieved, Shuffled}

// ParseContexts reads contexts from names with commas between, such as
// "none,gold,retrieved".
func ParseContexts(names string) ([]Context, error) {
	var found []Context
	var problems []error
	for name := range strings.SplitSeq(names, ",") {
		c := Context(strings.ToLower(strings.TrimSpace(name)))
		switch {
		case !slices.Contains(known, c):
			problems = append(problems, fmt.Errorf("the context %q; expected one of %v; correct the name", name, known))
		case slices.Contains(found, c):
			problems = append(problems, fmt.Errorf("the context %q twice; expected each once; remove one", c))
		default:
			found = append(found, c)
		}
	}
	return found, errors.Join(problems...)
}

// Options are the settings of Run.
type Options struct {
	// Prefix begins every key of the metrics: "eval" in training, "test" at its
	// end.
	Prefix string
	// Contexts are scored in this order, each with answers of its own.
	Contexts []Context
	// TopK is how many passages are retrieved for a question.
	TopK int
	// LeaveOut are rows, by their place in the examples, that are neither searched
	// for nor answered. How many there are is a metric of its own.
	LeaveOut []int
	// ChunkRows is how many rows the retriever and the generator are handed in
	// one call. Progress moves and cancelling acts between calls.
	ChunkRows int
	// Searches, where set, gives the texts that the retriever is asked for
	// queries, whose questions may follow on earlier turns; otherwise it is asked
	// the bare questions. Its time is in the end-to-end latency alone.
	Searches func(ctx context.Context, queries []Query) ([]string, error)
	// Judge, where set, looks at every answer.
	Judge Judge
	// Progress, where set, is told how many answers of how many there are, the
	// first time with done 0.
	Progress func(done, total int)
}

// DefaultOptions scores four retrieved passages, as the original does.
func DefaultOptions() Options {
	return Options{Prefix: "eval", Contexts: []Context{Retrieved}, TopK: 4, ChunkRows: 64}
}

// Validate names every setting that cannot be.
func (o Options) Validate() error {
	var problems []error
	if o.Prefix == "" {
		problems = append(problems, errors.New("evaluation: no prefix; expected a word such as eval; set it"))
	}
	if len(o.Contexts) == 0 {
		problems = append(problems, fmt.Errorf("evaluation: no contexts; expected one of %v at least; name one", known))
	}
	for i, c := range o.Contexts {
		if !slices.Contains(known, c) {
			problems = append(problems, fmt.Errorf("evaluation: the context %q; expected one of %v; correct the name", c, known))
		}
		if slices.Contains(o.Contexts[:i], c) {
			problems = append(problems, fmt.Errorf("evaluation: the context %q twice; expected each once; remove one", c))
		}
	}
	if o.TopK < 1 {
		problems = append(problems, fmt.Errorf("evaluation: %d passages; expected 1 at least; raise the number", o.TopK))
	}
	if o.ChunkRows < 1 {
		problems = append(problems, fmt.Errorf("evaluation: %d rows a call; expected 1 at least; raise the number", o.ChunkRows))
	}
	return errors.Join(problems...)
}

// Passage is a document with its place in an evaluation.
type Passage struct {
	dataset.Document
	ID    string   `json:"id"`              // dataset.Document's Key
	Index *int     `json:"index,omitempty"` // in the document database; nil for a gold passage
	Score *float32 `json:"score,omitempty"` // the retriever's; nil for a gold passage
}

// Prediction is one row's answer in one context. Its JSON has the fields of
// LocalRQA's predictions file and some more.
type Prediction struct {
	Row             int                `json:"row"` // in the examples, from 0
	Context         Context            `json:"context"`
	Question        string             `json:"question"`
	History         []dataset.Turn     `json:"chat_history,omitempty"`
	Search          string             `json:"search,omitempty"` // what the retriever was asked, where that is not the question
	GoldAnswer      string             `json:"gold_answer"`
	GeneratedAnswer string             `json:"generated_answer"`
	GoldDocs        []Passage          `json:"gold_docs"`
	RetrievedDocs   []Passage          `json:"retrieved_docs"`   // what was found, in context Retrieved; in Shuffled what was given in its place
	Shares          []float64          `json:"shares,omitempty"` // Answer.Shares
	Judged          *Verdict           `json:"judged,omitempty"`
	Scores          map[string]float64 `json:"scores"` // by the last part of the metric's key, without "avg_"
}

// Report is what an evaluation found.
type Report struct {
	// Metrics by key; see Run.
	Metrics map[string]float64
	// Predictions are in the order of Options.Contexts, then of the examples.
	Predictions []Prediction

	prefix   string
	contexts []Context
}

// Run retrieves passages for every example, has every example answered in each
// context, and scores both. r may be nil where Retrieved is not among the
// contexts; with g nil only the retrieval is scored, which must then be. History reaches the
// generator; what the retriever is asked is Options.Searches' business.
//
// The metrics have LocalRQA's keys after opt.Prefix, here "eval":
//
//	eval_retr/document_accuracy/    accuracy, likely_accuracy
//	eval_retr/document_recall/      recall1, recall4, likely_recall1, likely_recall4, likely_recall
//	eval_retr/document_ndcg/        ndcg
//	eval_retr/document_mrr/         mrr
//	eval_retr/latency/              avg_latency, total_latency
//	eval_gen/f1/                    avg_f1_ans, avg_f1_retr_doc
//	eval_gen/precision/             avg_precision_ans, avg_precision_retr_doc
//	eval_gen/exact_match/           avg_exact_match_ans
//	eval_gen/rouge/                 avg_rouge1_ans, avg_rouge1_retr_doc, the same for rouge2 and rougeL
//	eval_gen/bleu/                  avg_bleu_ans, avg_bleu_retr_doc, avg_brevity_pen_ans
//	eval_gen/answer_stats/          avg_num_words, total_num_words
//	eval_gen/gpt4eval/              gpt4eval_acc, judged, failed
//	eval_gen/latency/               avg_latency, total_latency
//	eval_e2e/latency/               avg_latency, total_latency
//	eval_rows/                      left_out, where rows are
//
// _ans is against the gold answer, _retr_doc the best against the bare content
// of the context's passages. The contexts None, Gold and Shuffled have the
// keys of generation under eval_gen_none and so on, without _retr_doc in None.
// gpt4eval_acc is the share of correct answers among the judged ones; judged and
// failed say how many got a verdict and how many the judge failed on.
//
// A retrieved passage is the gold one where source and content are equal, and
// likely is where it holds more than 0.7 of the gold one's words, counted as in
// F1. Retrieval is averaged over the rows that have gold
// passages. recall1 and recall4 look at the first 1 and 4 of the passages, and
// ask for all of a row's gold passages among them.
//
// Where the original's figures are not what their names say, these differ:
// likely_recall is the original's, the sum of its likely recall at 1 and at 4,
// so up to 2 (likely_recall1 and likely_recall4 are the parts); nDCG is over
// all rows and all gold passages, not the last batch's; generation latency is
// without retrieval, and end-to-end latency without scoring. MRR and exact
// match are not the original's. Latencies are seconds, averages per row.
func Run(ctx context.Context, examples []dataset.Example, r retrieve.Retriever, g Generator, opt Options) (*Report, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if len(examples) == 0 {
		return nil, errors.New("evaluation: no examples; expected one at least; check the data file")
	}
	if r == nil && slices.Contains(opt.Contexts, Retrieved) {
		return nil, errors.New("evaluation: no retriever for the context retrieved; expected one; name the documents and the embedder, or other contexts")
	}
	if g == nil && !slices.Contains(opt.Contexts, Retrieved) {
		return nil, errors.New("evaluation: neither a generator nor the context retrieved; expected one to score; name a model, or the context")
	}

	rows, chosen, err := without(examples, opt.LeaveOut)
	if err != nil {
		return nil, err
	}
	run := &run{
		opt: opt, rows: rows, examples: chosen, cache: map[string]*words{},
		report: &Report{Metrics: map[string]float64{}, prefix: opt.Prefix, contexts: opt.Contexts},
	}
	if left := len(examples) - len(chosen); left > 0 {
		run.report.Metrics[opt.Prefix+"_"+leftOutKey] = float64(left)
	}
	if r != nil && slices.Contains(opt.Contexts, Retrieved) {
		if err := run.search(ctx, r); err != nil {
			return nil, err
		}
	}
	if slices.Contains(opt.Contexts, Shuffled) {
		if run.foreign, err = foreignPassages(chosen); err != nil {
			return nil, err
		}
	}
	if g != nil {
		run.progress(0)
	}
	for i, c := range opt.Contexts {
		if err := run.context(ctx, g, c, i*len(chosen)); err != nil {
			return nil, err
		}
	}
	return run.report, nil
}

// without gives the examples that are not left out, each with its place.
func without(examples []dataset.Example, leaveOut []int) (rows []int, chosen []dataset.Example, err error) {
	out := make([]bool, len(examples))
	for _, i := range leaveOut {
		if i < 0 || i >= len(examples) {
			return nil, nil, fmt.Errorf("evaluation: row %d of %d to leave out; expected one of the examples", i, len(examples))
		}
		out[i] = true
	}
	for i, x := range examples {
		if !out[i] {
			rows, chosen = append(rows, i), append(chosen, x)
		}
	}
	if len(chosen) == 0 {
		return nil, nil, errors.New("evaluation: every example is left out; expected one at least; check the data file")
	}
	return rows, chosen, nil
}

// run is the state of one call of Run.
type run struct {
	opt      Options
	rows     []int // the place of each example among those that Run was given
	examples []dataset.Example
	report   *Report
	cache    map[string]*words // of passages, which come up again and again

	searches             []string // what the retriever is asked for each example
	retrieved            [][]Passage
	searching, retrieval time.Duration
	foreign              [][]dataset.Document // another row's passages for each example
}

// search words the searches and finds the passages.
func (r *run) search(ctx context.Context, retriever retrieve.Retriever) (err error) {
	if r.searches, r.searching, err = r.word(ctx); err != nil {
		return err
	}
	r.retrieved, r.retrieval, err = r.retrieve(ctx, retriever, r.searches)
	return err
}

// context evaluates one context; before counts the answers of those before it.
func (r *run) context(ctx context.Context, g Generator, c Context, before int) error {
	queries, predictions := r.ask(c)
	if c == Retrieved {
		r.scoreRetrieval(predictions, r.retrieval)
	}
	if g != nil {
		generation, err := r.generate(ctx, g, queries, predictions, before)
		if err != nil {
			return err
		}
		r.scoreAnswers(queries, predictions, generation)
		if r.opt.Judge != nil {
			if err := r.judge(ctx, predictions); err != nil {
				return err
			}
		}
		if c == Retrieved {
			r.latency("e2e", r.searching+r.retrieval+generation)
		}
	}
	r.report.Predictions = append(r.report.Predictions, predictions...)
	return nil
}

// ask lays out what is asked in a context, and the predictions as far as they are
// known before.
func (r *run) ask(c Context) ([]Query, []Prediction) {
	predictions := make([]Prediction, len(r.examples))
	queries := make([]Query, len(r.examples))
	for i, ex := range r.examples {
		p := Prediction{Row: r.rows[i], Context: c, Question: ex.Question, History: ex.History, GoldAnswer: ex.GoldAnswer, Scores: map[string]float64{}}
		p.GoldDocs = passages(ex.GoldDocs)
		q := Query{Question: ex.Question, History: ex.History, Context: c}
		switch c {
		case Gold:
			q.Passages = ex.GoldDocs
		case Retrieved:
			p.RetrievedDocs = r.retrieved[i]
			if r.searches[i] != ex.Question {
				p.Search = r.searches[i]
			}
			q.Passages = documents(r.retrieved[i])
		case Shuffled:
			q.Passages = r.foreign[i]
			p.RetrievedDocs = passages(r.foreign[i])
		}
		queries[i], predictions[i] = q, p
	}
	return queries, predictions
}

// passages are documents that nobody looked for.
func passages(docs []dataset.Document) (out []Passage) {
	for _, d := range docs {
		out = append(out, Passage{Document: d, ID: d.Key()})
	}
	return out
}

func (r *run) progress(done int) {
	if r.opt.Progress != nil {
		r.opt.Progress(done, len(r.examples)*len(r.opt.Contexts))
	}
}

// word makes the texts that the retriever is asked, and says how long that took.
func (r *run) word(ctx context.Context) ([]string, time.Duration, error) {
	queries := make([]Query, len(r.examples))
	texts := make([]string, len(r.examples))
	for i, ex := range r.examples {
		queries[i], texts[i] = Query{Question: ex.Question, History: ex.History}, ex.Question
	}
	if r.opt.Searches == nil {
		return texts, 0, nil
	}
	start := time.Now()
	texts = texts[:0]
	for chunk := range slices.Chunk(queries, r.opt.ChunkRows) {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		made, err := r.opt.Searches(ctx, chunk)
		if err != nil {
			return nil, 0, fmt.Errorf("evaluation: wording questions to search with: %w", err)
		}
		if len(made) != len(chunk) {
			return nil, 0, fmt.Errorf("evaluation: %d texts to search with for %d questions; expected one for each", len(made), len(chunk))
		}
		texts = append(texts, made...)
	}
	return texts, time.Since(start), nil
}

// retrieve finds the passages of every example, by the texts to search with, and
// says how long it took.
func (r *run) retrieve(ctx context.Context, retriever retrieve.Retriever, searches []string) ([][]Passage, time.Duration, error) {
	docs := retriever.Documents()
	ids := map[int]string{}
	var found [][]Passage
	var took time.Duration
	for chunk := range slices.Chunk(searches, r.opt.ChunkRows) {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		start := time.Now()
		hits, err := retriever.TopK(ctx, chunk, r.opt.TopK)
		took += time.Since(start)
		if err != nil {
			return nil, 0, fmt.Errorf("evaluation: retrieving: %w", err)
		}
		if len(hits) != len(chunk) {
			return nil, 0, fmt.Errorf("evaluation: the retriever gave %d lists for %d questions", len(hits), len(chunk))
		}
		for _, list := range hits {
			passages := make([]Passage, len(list))
			for i, h := range list {
				if h.Index < 0 || h.Index >= len(docs) {
					return nil, 0, fmt.Errorf("evaluation: the retriever gave document %d of %d; build the index again", h.Index, len(docs))
				}
				if _, ok := ids[h.Index]; !ok {
					ids[h.Index] = docs[h.Index].Key()
				}
				passages[i] = Passage{Document: docs[h.Index], ID: ids[h.Index], Index: &h.Index, Score: &h.Score}
			}
			found = append(found, passages)
		}
	}
	return found, took, nil
}

// generate fills in the answers and says how long it took. done is how many
// answers there were before.
func (r *run) generate(ctx context.Context, g Generator, queries []Query, predictions []Prediction, done int) (time.Duration, error) {
	var took time.Duration
	at := 0
	for chunk := range slices.Chunk(queries, r.opt.ChunkRows) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		start := time.Now()
		answers, err := g.Generate(ctx, chunk)
		took += time.Since(start)
		if err != nil {
			return 0, fmt.Errorf("evaluation: generating: %w", err)
		}
		if len(answers) != len(chunk) {
			return 0, fmt.Errorf("evaluation: the generator gave %d answers to %d questions", len(answers), len(chunk))
		}
		for _, a := range answers {
			predictions[at].GeneratedAnswer, predictions[at].Shares = strings.ToValidUTF8(a.Text, "\ufffd"), a.Shares
			at++
		}
		r.progress(done + at)
	}
	return took, nil
}

// foreignPassages gives each row the gold passages of the next row that has none
// of its own.
func foreignPassages(examples []dataset.Example) ([][]dataset.Document, error) {
	keys := make([]map[string]bool, len(examples))
	for i, x := range examples {
		keys[i] = map[string]bool{}
		for _, d := range x.GoldDocs {
			keys[i][d.Key()] = true
		}
	}
	out := make([][]dataset.Document, len(examples))
	for i := range examples {
		for step := 1; step < len(examples) && len(out[i]) == 0; step++ {
			other := examples[(i+step)%len(examples)]
			if !slices.ContainsFunc(other.GoldDocs, func(d dataset.Document) bool { return keys[i][d.Key()] }) {
				out[i] = other.GoldDocs
			}
		}
		if len(out[i]) == 0 {
			return nil, fmt.Errorf("evaluation: the context shuffled: no row has other gold passages than row %d; expected some; leave the context out", i)
		}
	}
	return out, nil
}

func documents(passages []Passage) []dataset.Document {
	docs := make([]dataset.Document, len(passages))
	for i, p := range passages {
		docs[i] = p.Document
	}
	return docs
}

// words are a text's words by the rules of each metric.
type words struct{ squad, rouge, bleu []string }

func newWords(s string) *words {
	return &words{squad: normalize(s), rouge: rougeWords(s), bleu: bleuTokens(s)}
}

func (r *run) words(d dataset.Document) *words {
	w, ok := r.cache[d.Content]
	if !ok {
		w = newWords(d.Content)
		r.cache[d.Content] = w
	}
	return w
}

// scoreRetrieval scores the passages found, in the rows that have gold ones.
func (r *run) scoreRetrieval(predictions []Prediction, took time.Duration) {
	for i := range predictions {
		if len(predictions[i].GoldDocs) == 0 {
			continue
		}
		k := newRanking(documents(predictions[i].RetrievedDocs), documents(predictions[i].GoldDocs), r.words)
		s := predictions[i].Scores
		s["accuracy"] = accuracy(k.is)
		s["likely_accuracy"] = accuracy(k.likely)
		s["recall1"] = recall(k.is, k.golds, 1)
		s["recall4"] = recall(k.is, k.golds, 4)
		s["likely_recall1"] = recall(k.likely, k.golds, 1)
		s["likely_recall4"] = recall(k.likely, k.golds, 4)
		s["likely_recall"] = s["likely_recall1"] + s["likely_recall4"]
		s["ndcg"] = ndcg(k.is, k.golds)
		s["mrr"] = reciprocalRank(k.is)
	}
	r.average("retr", predictions, retrievalMetrics)
	r.latency("retr", took)
}

// scoreAnswers scores the answers against gold answer and passages.
func (r *run) scoreAnswers(queries []Query, predictions []Prediction, took time.Duration) {
	total := 0.0
	for i := range predictions {
		p := &predictions[i]
		answer, gold := newWords(p.GeneratedAnswer), newWords(p.GoldAnswer)
		likeness(answer, gold).score(p.Scores, toAnswer)
		p.Scores["exact_match_ans"] = exactMatch(answer.squad, gold.squad)
		_, p.Scores["brevity_pen_ans"] = bleu(answer.bleu, gold.bleu)
		p.Scores["num_words"] = float64(len(strings.FieldsFunc(p.GeneratedAnswer, isSpace)))
		total += p.Scores["num_words"]
		if p.Context != Retrieved && len(queries[i].Passages) == 0 {
			continue
		}
		var best alike // nothing, where nothing was found to answer from
		for _, d := range queries[i].Passages {
			best = best.max(likeness(answer, r.words(d)))
		}
		best.score(p.Scores, toPassage)
	}
	group := predictions[0].Context.group()
	r.average(group, predictions, answerMetrics)
	r.report.Metrics[r.opt.Prefix+"_"+group+"/answer_stats/total_num_words"] = total
	r.latency(group, took)
}

// group is that of the metrics of answers in the context.
func (c Context) group() string {
	if c == Retrieved {
		return "gen"
	}
	return "gen_" + string(c)
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
			predictions[i].Scores[judgeMetric.score] = 1
		case Incorrect:
			predictions[i].Scores[judgeMetric.score] = 0
		}
	}
	group := predictions[0].Context.group()
	r.average(group, predictions, []metric{judgeMetric})
	key := r.opt.Prefix + "_" + group + "/" + judgeMetric.family
	r.report.Metrics[key+"/judged"] = float64(counts[Correct] + counts[Incorrect])
	r.report.Metrics[key+"/failed"] = float64(counts[Failed])
	return nil
}

// alike says how like an answer is to another text.
type alike struct{ f1, precision, rouge1, rouge2, rougeL, bleu float64 }

// What an answer is compared with, as the names of scores end.
const toAnswer, toPassage = "_ans", "_retr_doc"

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
func (a alike) score(scores map[string]float64, to string) {
	scores["f1"+to], scores["precision"+to] = a.f1, a.precision
	scores["rouge1"+to], scores["rouge2"+to], scores["rougeL"+to] = a.rouge1, a.rouge2, a.rougeL
	scores["bleu"+to] = a.bleu
}

// metric names a score's key: the middle part and, for answers, the mean's
// name. The rows hold it under score.
type metric struct{ family, score string }

var retrievalMetrics = []metric{
	{"document_recall", "recall1"}, {"document_recall", "recall4"},
	{"document_recall", "likely_recall1"}, {"document_recall", "likely_recall4"}, {"document_recall", "likely_recall"},
	{"document_accuracy", "accuracy"}, {"document_accuracy", "likely_accuracy"},
	{"document_ndcg", "ndcg"}, {"document_mrr", "mrr"},
}

var answerMetrics = []metric{
	{"f1", "f1_ans"}, {"precision", "precision_ans"}, {"exact_match", "exact_match_ans"},
	{"rouge", "rouge1_ans"}, {"rouge", "rouge2_ans"}, {"rouge", "rougeL_ans"},
	{"bleu", "bleu_ans"}, {"bleu", "brevity_pen_ans"},
	{"f1", "f1_retr_doc"}, {"precision", "precision_retr_doc"},
	{"rouge", "rouge1_retr_doc"}, {"rouge", "rouge2_retr_doc"}, {"rouge", "rougeL_retr_doc"},
	{"bleu", "bleu_retr_doc"},
	{"answer_stats", "num_words"},
}

// leftOutKey counts the rows of LeaveOut.
const leftOutKey = "rows/left_out"

// judgeMetric has its own key: LocalRQA's.
var judgeMetric = metric{"gpt4eval", "gpt4eval_acc"}

// key is the metric's after the group, as in "f1/avg_f1_ans".
func (m metric) key() string {
	if strings.HasPrefix(m.family, "document_") || m == judgeMetric {
		return m.family + "/" + m.score
	}
	return m.family + "/avg_" + m.score
}

// Keys are those of the metrics that Run gives for examples with gold passages,
// without a judge.
func Keys(prefix string, contexts []Context) []string {
	var keys []string
	for _, c := range contexts {
		metrics, latencies := map[string][]metric{c.group(): answerMetrics}, []string{c.group()}
		if c == Retrieved {
			metrics["retr"], latencies = retrievalMetrics, append(latencies, "retr", "e2e")
		}
		for group, list := range metrics {
			for _, m := range list {
				if c != None || !strings.HasSuffix(m.score, toPassage) {
					keys = append(keys, prefix+"_"+group+"/"+m.key())
				}
			}
		}
		keys = append(keys, prefix+"_"+c.group()+"/answer_stats/total_num_words")
		for _, group := range latencies {
			keys = append(keys, prefix+"_"+group+"/latency/avg_latency", prefix+"_"+group+"/latency/total_latency")
		}
	}
	slices.Sort(keys)
	return keys
}

// average puts each metric's mean over the rows that have it into the report.
func (r *run) average(group string, predictions []Prediction, metrics []metric) {
	for _, m := range metrics {
		sum, n := 0.0, 0
		for _, p := range predictions {
			if v, ok := p.Scores[m.score]; ok {
				sum += v
				n++
			}
		}
		if n > 0 {
			r.report.Metrics[r.opt.Prefix+"_"+group+"/"+m.key()] = sum / float64(n)
		}
	}
}

func (r *run) latency(group string, took time.Duration) {
	r.report.Metrics[r.opt.Prefix+"_"+group+"/latency/avg_latency"] = took.Seconds() / float64(len(r.examples))
	r.report.Metrics[r.opt.Prefix+"_"+group+"/latency/total_latency"] = took.Seconds()
}
