package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/config"
	"gorqa/qa"
	"gorqa/text/dataset"
	"gorqa/text/recipe"
)

// A swr run's rows hold what its settings say, on both splits; the next run
// takes the files as they are.
func TestRowsOfBothSplitsHoldWhatSettingsSay(t *testing.T) {
	doc := func(text string) dataset.Document { return dataset.Document{Content: text} }
	docs := []dataset.Document{doc("The shop: returns are free."), doc("The shop: free gifts are wrapped."), doc("The shop: shipping goes by train."), doc("The shop: Norway is far away.")}
	rows := []dataset.Example{
		{Question: "Are returns to the shop free?", GoldAnswer: "Yes.", GoldDocs: docs[:1]},
		{Question: "How does the shop's shipping go?", GoldAnswer: "By train.", GoldDocs: docs[2:3]},
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "documents.jsonl")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := dataset.WriteDocuments(f, docs); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c := config.DefaultTrain(config.SwR)
	c.OutputDir, c.FullDatasetFilePath, c.Retriever = dir, file, config.BM25
	c.EmbeddingMaxNumToRetrieve, c.GoldDropout, c.AbstainAnswer = 2, 1, "no"
	r := &run{c: c, session: newChecks(t.Context(), c, quiet(t)).session, training: rows, eval: rows}
	first, err := r.contexts(t.Context(), qa.FollowUps{})
	if err != nil {
		t.Fatal(err)
	}
	training, eval := first.Training, first.Eval
	for i := range rows {
		if len(training[i].Passages) != 3 || training[i].Answer != "no" || training[i].Passages[0].From != recipe.Retrieved {
			t.Errorf("training row %d: %+v; three passages without the gold one expected", i, training[i])
		}
		if len(eval[i].Passages) != 3 || eval[i].Answer != "" || eval[i].Passages[0].From != recipe.Gold {
			t.Errorf("evaluation row %d: %+v; the gold one and two others expected", i, eval[i])
		}
	}
	before, err := os.Stat(filepath.Join(dir, trainContextsFile))
	if err != nil {
		t.Fatal(err)
	}
	again, err := (&run{c: c, session: newChecks(t.Context(), c, quiet(t)).session, training: rows, eval: rows}).contexts(t.Context(), qa.FollowUps{})
	if diff := cmp.Diff(first, again); err != nil || diff != "" {
		t.Errorf("the next run: %v %s", err, diff)
	}
	if after, err := os.Stat(filepath.Join(dir, trainContextsFile)); err != nil || !os.SameFile(before, after) {
		t.Errorf("the contexts were made anew (%v)", err)
	}
	// The original's pool: two gold passages are too few for three beside one.
	c.RetrievalPool, c.EmbeddingMaxNumToRetrieve, c.TrainFile = config.Gold, 3, "train.jsonl"
	small, err := (&run{c: c, session: newChecks(t.Context(), c, quiet(t)).session, training: rows, eval: rows}).contexts(t.Context(), qa.FollowUps{})
	if err != nil || len(small.Training) != 2 || len(small.Training[0].Passages) == 0 {
		t.Errorf("small pool: %+v, %v", small, err)
	}
	// SFT has the gold passages alone and leaves no file.
	sft := &run{c: config.DefaultTrain(config.SFT), training: rows}
	if gold, err := sft.contexts(t.Context(), qa.FollowUps{}); err != nil || len(gold.Training) != 2 || len(gold.Training[1].Passages) != 1 || gold.Training[1].Passages[0].ID != docs[2].Key() {
		t.Errorf("sft: %+v, %v", gold, err)
	}
}

// An endpoint that is busy is asked again; one that answers wrongly is an error,
// and nothing is left in the output folder.
func TestContextsFromEndpoint(t *testing.T) {
	rows := []dataset.Example{
		{Question: "Are returns free?", GoldAnswer: "Yes.", GoldDocs: []dataset.Document{{Content: "Returns are free."}}},
		{Question: "Where to?", GoldAnswer: "Norway.", GoldDocs: []dataset.Document{{Content: "Norway is far away."}}},
	}
	for _, test := range []struct {
		name, why string
		busy      int // requests that are answered with 429 first
		vectors   string
		problem   string
	}{
		{"busy", "a rate limit passes", 2, `{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [2, 1]}`, ""},
		{"too few", "vectors would be given to the wrong texts", 0, `{"index": 0, "embedding": [1, 2]}`, "rows.jsonl: embeddings endpoint"},
	} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if asked++; asked <= test.busy {
				w.Header().Set("Retry-After-Ms", "1")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			fmt.Fprintf(w, `{"data": [%s]}`, test.vectors)
		}))
		defer server.Close()
		t.Setenv("OPENAI_BASE_URL", server.URL)
		c := config.DefaultPassages()
		c.RetrievalPool, c.EmbeddingModel, c.Retriever = config.Gold, "m", config.OpenAI
		p, err := session{show: quiet(t)}.openPassages(t.Context(), c, config.DefaultDatabase())
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "out", trainContextsFile)
		contexts, err := p.Contexts(t.Context(), "rows.jsonl", rows, recipe.ContextOptions{K: 1}, path)
		_, missing := os.Stat(path)
		if test.problem == "" && (err != nil || len(contexts) != 2 || missing != nil) {
			t.Errorf("%s: %v, %v, %v; %s", test.name, contexts, err, missing, test.why)
		}
		if test.problem != "" && (err == nil || !strings.HasPrefix(err.Error(), test.problem) || missing == nil) {
			t.Errorf("%s: %v, %v; %s", test.name, err, missing, test.why)
		}
	}
}
