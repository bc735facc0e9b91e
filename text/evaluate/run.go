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
//	eval_gen/abstention/            precision, recall, avg_abstention_accuracy, unanswerable, abstained; where some rows are unanswerable
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
// An answer abstains where it begins with the gold answer of an unanswerable row.
// Precision is the share of unanswerable questions among those where it does, recall the
// share of answers that abstain among those to unanswerable questions; without any such
// answer there is no precision.
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
		opt: opt, rows: rows, examples: chosen, words: passageWords{},
		report: &Report{Metrics: Figures{}, prefix: opt.Prefix, contexts: opt.Contexts},
	}
	if left := len(examples) - len(chosen); left > 0 {
		run.report.Metrics[Key{opt.Prefix, Rows, LeftOut}] = float64(left)
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
	words    passageWords

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
			r.latency(EndToEnd, r.searching+r.retrieval+generation)
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
		p := Prediction{Row: r.rows[i], Context: c, Question: ex.Question, History: ex.History, GoldAnswer: ex.GoldAnswer, Unanswerable: ex.Unanswerable, Scores: Scores{}}
		p.GoldDocs = passages(ex.GoldDocs)
		q := Query{Question: ex.Question, History: ex.History, Context: c}
		switch c {
		case Gold:
			q.Passages = ex.Passages()
			if ex.Unanswerable {
				p.RetrievedDocs = passages(q.Passages)
			}
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
	all := retriever.Documents()
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
			for _, h := range list {
				if h.Index < 0 || h.Index >= all.Len() {
					return nil, 0, fmt.Errorf("evaluation: the retriever gave document %d of %d; build the index again", h.Index, all.Len())
				}
			}
			start := time.Now()
			docs, err := retrieve.ReadHits(ctx, all, list)
			took += time.Since(start)
			if err != nil {
				return nil, 0, fmt.Errorf("evaluation: reading documents: %w", err)
			}
			passages := make([]Passage, len(list))
			for i, h := range list {
				passages[i] = Passage{Document: docs[i], ID: docs[i].Key(), Index: &h.Index, Score: &h.Score}
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

func documents(passages []Passage) []dataset.Document {
	docs := make([]dataset.Document, len(passages))
	for i, p := range passages {
		docs[i] = p.Document
	}
	return docs
}
