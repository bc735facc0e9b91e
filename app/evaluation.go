package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/config"
	"gorqa/files/redact"
	"gorqa/files/wheel"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/convert"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
	"gorqa/text/evaluate/judge"
	"gorqa/text/recipe"
	"gorqa/text/retrieve"
)

// evaluation is the end-to-end evaluation of a generator: what it retrieves
// from, and how it is scored.
type evaluation struct {
	generator qa.Generator
	retriever retrieve.Retriever // nil where only gold passages are asked for
	passages  *qa.Passages       // what it is made of
	index     qa.Dense           // of vectors; nil for none
	judge     evaluate.Judge     // of the answers to the test set; nil for none
	options   evaluate.Options
	follow    qa.FollowUps
	leftOut   map[string][]int // by prefix: rows whose questions leave no room for an answer
	show      *report.Run
}

// openEvaluation reads the documents and makes their index, where the contexts
// need them.
func (s session) openEvaluation(ctx context.Context, g qa.Generator, scoring config.Scoring, b config.Database, follow qa.FollowUps) (*evaluation, error) {
	x := &evaluation{generator: g, options: evaluate.DefaultOptions(), show: s.show}
	x.options.Searches, x.follow = follow.Texts, follow
	x.options.TopK = cmp.Or(b.EvalK, g.Loaded().K, x.options.TopK)
	g.Loaded().K = x.options.TopK
	x.options.Contexts = nil
	for _, name := range scoring.EvalContexts {
		x.options.Contexts = append(x.options.Contexts, evaluate.Context(name))
	}
	if scoring.GenGPT4Eval {
		j, err := s.openJudge(scoring.JudgeModel)
		if err != nil {
			return nil, err
		}
		x.judge = s.crew.judge(scoring.JudgeModel, j)
	}
	if !slices.Contains(x.options.Contexts, evaluate.Retrieved) {
		return x, nil
	}
	found, err := s.openRetriever(ctx, b)
	if err != nil {
		return nil, err
	}
	x.retriever, x.passages, x.index = found.retriever, found.passages, found.index
	s.show.Say("Retriever: %s", found.name)
	docs := x.retriever.Documents()
	if n := docs.Len(); x.options.TopK > n {
		s.show.Say("%s: there are %d documents; so many passages are retrieved for a question, not %d (eval_k)", cmp.Or(b.FullDatasetFilePath, redact.Text(b.FullDatasetIndexPath)), n, x.options.TopK)
		x.options.TopK = n
	}
	if list, ok := docs.(retrieve.List); ok { // of others, those that are found are looked at
		if err := qa.CheckDocuments(g, b.FullDatasetFilePath, list); err != nil {
			return nil, errors.Join(err, x.close())
		}
	}
	return x, nil
}

// retriever is what passages of questions are found by.
type retriever struct {
	retriever retrieve.Retriever
	name      string       // with its settings
	index     qa.Dense     // nil where words alone count
	passages  *qa.Passages // what it is made of; whoever opens it closes them
}

// openRetriever loads the embedding model, where there is one, and embeds the documents
// that the index does not hold yet.
func (s session) openRetriever(ctx context.Context, b config.Database) (_ retriever, err error) {
	how := config.Passages{Retriever: b.EvalRetriever, EmbeddingModel: b.EvalEmbeddingModel}
	source, err := s.openPassages(ctx, how, b)
	if err != nil {
		return retriever{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, source.Close())
		}
	}()
	found := retriever{name: b.EvalRetriever + ", " + source.Name(), passages: source}
	docs := source.Documents()
	if err := source.CheckTexts(b.FullDatasetFilePath, "documents", len(docs), func(i int) string { return docs[i].Text() }); err != nil {
		return retriever{}, err
	}
	found.retriever, found.index, err = source.Retriever(ctx)
	return found, err
}

// openEmbedder finds an embedding model and loads it.
func (s session) openEmbedder(ctx context.Context, model string) (*qa.Embedder, error) {
	folder, err := s.locateNamed(ctx, model)
	if err != nil {
		return nil, err
	}
	return qa.OpenEmbedder(ctx, s.device, folder, model)
}

// openReranker finds a cross-encoder and loads it.
func (s session) openReranker(ctx context.Context, model string) (*qa.Reranker, error) {
	folder, err := s.locateNamed(ctx, model)
	if err != nil {
		return nil, err
	}
	return qa.OpenReranker(ctx, s.device, folder, model)
}

// openJudge makes the judge of answers, whose verdicts lie in the cache folder.
func (s session) openJudge(model string) (*judge.Judge, error) {
	cache, err := wheel.Cache()
	if err != nil {
		return nil, err
	}
	opt := judge.DefaultOptions(model)
	opt.CacheDir = filepath.Join(cache, "verdicts")
	progress := s.show.Progress()
	opt.Progress = func(done, total int) {
		progress.Set("Judging answers", done, total)
		if done == total {
			progress.End()
		}
	}
	return judge.New(opt)
}

// run scores examples; prefix begins the keys ("eval", "test"). The judge, who
// costs, looks at the test set alone.
func (x *evaluation) run(ctx context.Context, prefix string, examples []dataset.Example) (*evaluate.Report, error) {
	opt := x.options
	opt.Prefix, opt.LeaveOut = prefix, x.leftOut[prefix]
	if prefix == "test" {
		opt.Judge = x.judge
	}
	progress := x.show.Progress()
	opt.Progress = func(done, total int) { progress.Set("Answering "+prefix, done, total) }
	before := x.generator.Drafts()
	r, err := evaluate.Run(ctx, examples, x.retriever, x.generator, opt)
	progress.End()
	if err != nil {
		return nil, err
	}
	if d := x.generator.Drafts().Since(before); d.Tried > 0 {
		r.Metrics[evaluate.Key{Prefix: prefix, Group: evaluate.Answers, Name: evaluate.TokensPerStep}] = float64(d.Tokens) / float64(d.Steps)
		r.Metrics[evaluate.Key{Prefix: prefix, Group: evaluate.Answers, Name: evaluate.Acceptance}] = float64(d.Confirmed) / float64(d.Tried)
	}
	x.warnOfJudge(r.Predictions)
	return r, x.recall(ctx, prefix, examples, r)
}

// recall says how much of what an exact search finds an index finds that may miss some.
func (x *evaluation) recall(ctx context.Context, prefix string, examples []dataset.Example, r *evaluate.Report) error {
	index, ok := x.index.(interface {
		Approximate() bool
		Recall(ctx context.Context, queries []string, k int) (float64, error)
	})
	if !ok || !index.Approximate() || len(examples) == 0 {
		return nil
	}
	questions := make([]string, len(examples))
	for i := range examples {
		questions[i] = examples[i].Question
	}
	found, err := index.Recall(ctx, questions, x.options.TopK)
	if err != nil {
		return err
	}
	r.Metrics[evaluate.Key{Prefix: prefix, Group: evaluate.Retrieval, Name: evaluate.IndexRecall}] = found
	x.show.Say("Index: HNSW finds %.1f%% of the %d documents a question that an exact search finds", 100*found, x.options.TopK)
	return nil
}

// warnOfJudge tells of answers that the judge failed on.
func (x *evaluation) warnOfJudge(predictions []evaluate.Prediction) {
	failed, first := 0, ""
	for _, p := range predictions {
		if p.Judged != nil && p.Judged.Verdict == evaluate.Failed {
			if failed++; failed == 1 {
				first = p.Judged.Reason
			}
		}
	}
	if failed > 0 {
		x.show.Warn("%d answers have no verdict of the judge, the first one: %s; the same command asks about them again", failed, first)
	}
}

// tell shows and saves what an evaluation found.
func (x *evaluation) tell(title string, step int, r *evaluate.Report, predictions string) error {
	table := r.Table()
	x.show.Table(title, table[0], table[1:])
	err := x.show.Scores(step, r.Metrics.ByName())
	if predictions == "" {
		return err
	}
	return errors.Join(err, r.WritePredictions(predictions))
}

// checkQuestions looks for tokens that the embedding model has no embedding for.
func (x *evaluation) checkQuestions(file string, examples []dataset.Example) error {
	if x.passages == nil {
		return nil
	}
	return x.passages.CheckTexts(file, "questions", len(examples), func(i int) string { return examples[i].Question })
}

func (x *evaluation) close() error {
	if x.passages == nil {
		return nil
	}
	return x.passages.Close()
}

// readExamples reads a file of rows; what is wrong with rows stops the command
// unless they are to be left out, which the warning then says.
func readExamples(ctx context.Context, path string, skip bool) (examples []dataset.Example, warning string, err error) {
	examples, _, warning, err = readCounted(ctx, path, skip)
	return examples, warning, err
}

// readCounted also says how many rows are left out.
func readCounted(ctx context.Context, path string, skip bool) (examples []dataset.Example, skipped int, warning string, err error) {
	if path == "" {
		return nil, 0, "", nil
	}
	if format := foreignRows(ctx, path); format != "" {
		set, warning, err := readConverted(ctx, path, convert.Options{Format: format}, skip)
		if err != nil {
			return nil, 0, "", err
		}
		if len(set.Rows) == 0 {
			return nil, 0, "", fmt.Errorf("%s; rows with an answer expected", tellConverted(path, set, false))
		}
		return set.Rows, set.Unanswerable + set.Unanswered, strings.TrimSpace(tellConverted(path, set, false) + "\n" + warning), nil
	}
	examples, err = dataset.ReadExamples(ctx, path)
	skipped, warning, err = leftOut(err, len(examples), skip)
	return examples, skipped, warning, err
}

// foreignRows is the format of a file of rows that are not gorqa's own, "" where that is
// not sure.
func foreignRows(ctx context.Context, path string) string {
	format, err := convert.Detect(ctx, path)
	if err != nil || format == convert.Own || format == convert.BEIR {
		return "" // what is wrong with it is told where it is read
	}
	return format
}

// overlaps tells of rows that stand in two splits.
func overlaps(names []string, splits [][]dataset.Example) []string {
	var warnings []string
	for i := range splits {
		for j := range splits[:i] {
			shared := dataset.Overlap(splits[j], splits[i])
			if len(shared) == 0 {
				continue
			}
			warnings = append(warnings, fmt.Sprintf("%d questions stand both in %s and in %s, the first one %q; the scores may be too good", len(shared), names[j], names[i], shared[0].Question))
		}
	}
	return warnings
}

// encode turns examples into rows over the passages of their contexts.
func encode(g qa.Generator, name string, examples []dataset.Example, contexts []recipe.Context, onOverflow string, show *report.Run) (qa.Rows, error) {
	r, err := g.Encode(examples, contexts)
	var over *recipe.Overflow
	if errors.As(err, &over) && onOverflow == "skip" && len(r.Index) > 0 {
		show.Warn("%s: %v; they are left out", name, over)
		return r, nil
	}
	if err != nil {
		return qa.Rows{}, qa.InFile(name, examples, err)
	}
	return r, nil
}

// room looks whether every question leaves room for an answer, and gives the rows
// that are left out because theirs do not.
func room(g qa.Generator, follow qa.FollowUps, name string, examples []dataset.Example, onOverflow string, show *report.Run) (leftOut []int, err error) {
	err = cmp.Or(qa.CheckGold(g.Loaded().Encoder, examples), g.Room(examples))
	var over *recipe.Overflow
	if errors.As(err, &over) && onOverflow == "skip" && len(over.Rows) < len(examples) {
		show.Warn("%s: %v; they are left out of the answers", name, over)
		leftOut, err = over.Rows, nil
	}
	if err != nil {
		var none *recipe.Unembedded
		if errors.As(err, &none) {
			return nil, qa.InFile(name, examples, err)
		}
		return nil, fmt.Errorf("%s: questions to answer: %w", name, err)
	}
	if n, err := follow.TooLong(examples); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	} else if n > 0 {
		show.Warn("%s: %d follow-up questions leave no room to be worded anew; the retriever is asked them as they are; raise max_seq_length", name, n)
	}
	return leftOut, nil
}

// predictionsFile is where an evaluation's answers go, or "" for nowhere.
func predictionsFile(c config.Scoring, dir, name string) string {
	if !c.WritePredictions {
		return ""
	}
	return filepath.Join(dir, name)
}
