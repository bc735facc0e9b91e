package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// originalSwR is the command line of LocalRQA's documentation of its
// train_w_fixed_retriever.py: one embedding model for training and evaluation.
func originalSwR() []string {
	args := slices.Clone(original)
	i := slices.Index(args, "--eval_embedding_model")
	args[i] = "--embedding_model"
	return append(args, "--embedding_max_num_to_retrieve", "3", "--use_flash_attention", "true")
}

func TestSwR(t *testing.T) {
	tests := []struct {
		name, why string
		args      []string
		want      func(*Train)
		problems  []string
	}{
		{name: "original", why: "evaluation takes the one model too", want: func(*Train) {}},
		{name: "two models", why: "evaluation's own, wherever it stands", args: []string{"--eval_embedding_model", "other"}, want: func(c *Train) { c.EvalEmbeddingModel = "other" }},
		{name: "all", why: "as the issue names them", args: []string{
			"--retrieval_pool", "gold", "--shuffle_passages", "--gold_dropout", "0.2", "--num_distractors=2",
			"--abstain_answer", "I do not know.", "--vary_k", "0:4", "--retriever", "hybrid", "--embedding-max-num-to-retrieve", "5"},
			want: func(c *Train) {
				c.RetrievalPool, c.ShufflePassages, c.GoldDropout, c.NumDistractors = Gold, true, 0.2, 2
				c.AbstainAnswer, c.MinK, c.MaxK, c.Retriever, c.EmbeddingMaxNumToRetrieve = "I do not know.", 0, 4, Hybrid, 5
				c.EvalRetriever = Hybrid
			}},
		{name: "endpoint", why: "what is trained with is evaluated with", args: []string{"--retriever", "openai"}, want: func(c *Train) { c.Retriever, c.EvalRetriever = OpenAI, OpenAI }},
		{name: "endpoint, evaluated otherwise", why: "its model is none that evaluation could load", args: []string{"--retriever", "openai", "--eval_retriever", "dense"}, problems: []string{"eval_embedding_model: missing"}},
		{name: "words", why: "need no embedding model", args: []string{"--retriever", "bm25", "--embedding_model", ""}, want: func(c *Train) {
			c.Retriever, c.EvalRetriever, c.EmbeddingModel, c.EvalEmbeddingModel = BM25, BM25, "", ""
		}},
		{name: "words, evaluated otherwise", why: "which is by the evaluation's own", args: []string{"--retriever", "bm25", "--embedding_model", "", "--eval_retriever", "hybrid", "--eval_embedding_model", "e"}, want: func(c *Train) {
			c.Retriever, c.EvalRetriever, c.EmbeddingModel, c.EvalEmbeddingModel = BM25, Hybrid, "", "e"
		}},
		{name: "no model", why: "dense retrieval needs one", args: []string{"--embedding_model="}, problems: []string{"eval_embedding_model: missing", "embedding_model: missing; expected: a model to retrieve training passages with"}},
		{name: "k of 0", why: "that is SFT", args: []string{"--embedding_max_num_to_retrieve", "0"}, problems: []string{"embedding_max_num_to_retrieve: 0 found; 1 or more expected (for gold passages alone use gorqa train sft)"}},
		{name: "ranges", why: "all problems together", args: []string{"--gold_dropout=1.5", "--num_distractors", "4"}, problems: []string{"gold_dropout: 1.5 found", "num_distractors: 4 found; 0 to 3 expected"}},
		{name: "abstain alone", why: "it would do nothing", args: []string{"--abstain_answer", "no"}, problems: []string{"abstain_answer: found with gold_dropout 0"}},
		{name: "odd ranges of k", why: "least first", args: []string{"--vary_k", "4:1"}, problems: []string{`--vary_k: "4:1" found; MIN:MAX expected`}},
		{name: "one k", why: "no range", args: []string{"--vary_k", "4"}, problems: []string{`--vary_k: "4" found; MIN:MAX expected`}},
		{name: "never any", why: "0 to 0 is SFT", args: []string{"--vary_k", "0:0"}, problems: []string{`--vary_k: "0:0" found; MIN:MAX expected`}},
		{name: "unknown words", why: "the choices are named", args: []string{"--retriever", "colbert", "--retrieval_pool", "all"}, problems: []string{
			`--retriever: "colbert" found; dense, bm25, hybrid or openai expected`, `--retrieval_pool: "all" found; documents or gold expected`}},
		{name: "documents", why: "training needs them although evaluation does not", args: []string{"--eval_contexts", "gold", "--full_dataset_file_path=", "--full_dataset_index_path="}, problems: []string{
			"full_dataset_file_path: missing; expected: the documents to retrieve training passages from, or --retrieval_pool gold"}},
		{name: "no documents", why: "gold passages are enough", args: []string{"--eval_contexts", "gold", "--full_dataset_file_path=", "--retrieval_pool", "gold"}, want: func(c *Train) {
			c.EvalContexts, c.FullDatasetFilePath, c.RetrievalPool = []string{Gold}, "", Gold
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := DefaultTrain(SwR)
			_, err := Parse(&got, append(originalSwR(), test.args...))
			matchProblems(t, err, test.problems)
			if test.problems != nil {
				return
			}
			want := originalTrain()
			want.Recipe, want.EmbeddingModel = SwR, "intfloat/e5-base-v2"
			test.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", test.why, diff)
			}
		})
	}
	sft := DefaultTrain(SFT)
	_, err := Parse(&sft, append(slices.Clone(original), "--gold_dropout", "1"))
	matchProblems(t, err, []string{"--gold_dropout: a setting of another command"})
}

func TestSwRIsWrittenWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "all_args.json")
	want := DefaultTrain(SwR)
	if _, err := Parse(&want, append(originalSwR(), "--vary_k", "1:7", "--gold_dropout", "0.1")); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, &want); err != nil {
		t.Fatal(err)
	}
	got := DefaultTrain(SwR)
	if _, err := Parse(&got, []string{path}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("another run: %s", diff)
	}
	both := DefaultTrain(SwR)
	if _, err := Parse(&both, append(originalSwR(), "--retriever", "bm25", "--eval_retriever", "hybrid")); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "all_args.json")
	if err := Write(other, &both); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why, want string
		args      []string
	}{
		{"as the run was evaluated", Hybrid, []string{other}},
		{"a flag wins", Dense, []string{other, "--retriever", "dense"}},
		{"under its longer name, too", BM25, []string{other, "--eval_retriever", "bm25"}},
	} {
		eval, ask := DefaultEval(), DefaultAsk()
		_, errEval := Parse(&eval, append([]string{"--config"}, c.args...))
		_, errAsk := Parse(&ask, append([]string{"--config"}, c.args...))
		if errEval != nil || errAsk != nil || eval.EvalRetriever != c.want || ask.EvalRetriever != c.want {
			t.Errorf("%s: eval %q, %v; ask %q, %v", c.why, eval.EvalRetriever, errEval, ask.EvalRetriever, errAsk)
		}
	}
	for _, c := range []Settings{new(Eval), new(Ask), new(Index), new(Serve)} {
		if !strings.Contains(Help(c, 80), "--retriever means the same") {
			t.Errorf("%T: no --retriever", c)
		}
	}
	eval := DefaultEval()
	if _, err := Parse(&eval, []string{path}); err != nil || eval.EvalEmbeddingModel != "intfloat/e5-base-v2" {
		t.Errorf("gorqa eval: %q, %v", eval.EvalEmbeddingModel, err)
	}
	contexts := DefaultContexts()
	if _, err := Parse(&contexts, []string{path}); err != nil || contexts.Passages != want.Passages || contexts.FullDatasetFilePath != "documents.pkl" {
		t.Errorf("gorqa contexts: %+v, %v", contexts, err)
	}
	sft := DefaultTrain(SFT)
	notices, err := Parse(&sft, []string{path})
	if err != nil || notices != nil {
		t.Errorf("gorqa train sft: %q, %v", notices, err)
	}
}

func TestContexts(t *testing.T) {
	c := DefaultContexts()
	_, err := Parse(&c, nil)
	matchProblems(t, err, []string{"train_file: missing", "embedding_model: missing", "full_dataset_file_path: missing"})
	c = DefaultContexts()
	if _, err := Parse(&c, []string{"--train_file", "rows", "--retriever", "bm25", "--retrieval_pool", "gold"}); err != nil {
		t.Error(err)
	}
	swr := DefaultTrain(SwR)
	for _, s := range []Settings{&swr, &c} {
		help := Help(s, 80)
		for _, name := range Names(s) {
			if !strings.Contains(help, "  --"+name+" ") {
				t.Errorf("%T: --%s has no help", s, name)
			}
		}
	}
}
