package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/worldtest"
	"gorqa/text/demodata"
)

// searched: BM25, the reranker and the judge under two processes find what they find under one,
// byte for byte, and each process asks the judge about its share of the answers.
func searched(t *testing.T, m worldtest.MPI, program, dir string) {
	var asked [2]atomic.Int64
	judges := [2]string{judgeOf(t, &asked[0]), judgeOf(t, &asked[1])}
	t.Setenv("OPENAI_BASE_URL", judges[0])
	t.Setenv("OPENAI_API_KEY", "k")
	reranker, err := filepath.Abs("../../qa/testdata/rerankers/bert")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := os.ReadFile(filepath.Join(dir, demodata.TrainFile))
	if err != nil {
		t.Fatal(err)
	}
	some := filepath.Join(t.TempDir(), "some.jsonl")
	if err := os.WriteFile(some, []byte(strings.Join(slices.Collect(strings.Lines(string(rows)))[:13], "")), 0o644); err != nil {
		t.Fatal(err)
	}
	documents := []string{"--full_dataset_file_path", filepath.Join(dir, demodata.DocumentsFile), "--reranker", reranker, "--rerank_top", "5", "--bf16", "false"}
	run := func(shares ...int64) map[string]string {
		freshCache(t)
		asked[0].Store(0)
		out := t.TempDir()
		m.Run(t, len(shares), program, slices.Concat([]string{"contexts", "--train_file", some, "--retriever", "bm25", "--embedding_max_num_to_retrieve", "3", "--output_dir", out}, documents)...)
		eval := slices.Concat([]string{"eval", "--model_name_or_path", filepath.Join(dir, "model"), "--test_file", some, "--eval_retriever", "bm25", "--eval_k", "2", "--eval_contexts", "retrieved",
			"--sep_sys", "<|im_end|>", "--eval_max_new_tokens", "4", "--gen_gpt4eval", "true", "--judge_model", "tester", "--output_dir", out}, documents)
		cmd := m.Command(t.Context(), 1, program, eval...)
		if len(shares) == 2 { // the second has a judge of its own
			cmd.Args = append(cmd.Args, slices.Concat([]string{":", "-n", "1", "-x", "OPENAI_BASE_URL=" + judges[1], program}, eval)...)
		}
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, said)
		}
		for rank, share := range shares {
			if n := asked[rank].Load(); n != share {
				t.Errorf("rank %d of %d asked the judge %d times; %d expected", rank, len(shares), n, share)
			}
		}
		return left(t, out)
	}
	if diff := cmp.Diff(run(13), run(7, 6)); diff != "" {
		t.Errorf("two processes:\n%s", diff)
	}
}

// judgeOf starts an endpoint that judges answers, and counts what it is asked.
func judgeOf(t *testing.T, asked *atomic.Int64) (url string) {
	t.Helper()
	server := judgeServer(func(question []byte) string {
		asked.Add(1)
		if bytes.Contains(question, []byte("func ")) {
			return "It is not.\nVERDICT: incorrect"
		}
		return "So it is.\nVERDICT: correct"
	})
	t.Cleanup(server.Close)
	return server.URL
}

// freshCache is a cache folder with the engine and the models alone.
func freshCache(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := linkModels(dir); err != nil { // of the test's cache, or one that this function has made
		t.Fatal(err)
	}
	t.Setenv("GORQA_CACHE", dir)
}
