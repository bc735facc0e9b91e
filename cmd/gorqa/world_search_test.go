package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/files/wheel"
	"gorqa/internal/worldtest"
	"gorqa/text/demodata"
)

// searched: BM25, the reranker and the judge under two processes find what they find under one,
// byte for byte, and no answer is judged twice.
func searched(t *testing.T, m worldtest.MPI, program, dir string) {
	var asked atomic.Int64
	judge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		question, _ := io.ReadAll(r.Body)
		reply := "So it is.\nVERDICT: correct"
		if bytes.Contains(question, []byte("func ")) {
			reply = "It is not.\nVERDICT: incorrect"
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": map[string]string{"content": reply}}}})
	}))
	t.Cleanup(judge.Close)
	t.Setenv("OPENAI_BASE_URL", judge.URL)
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
	run := func(processes int) map[string]string {
		freshCache(t)
		asked.Store(0)
		out := t.TempDir()
		m.Run(t, processes, program, slices.Concat([]string{"contexts", "--train_file", some, "--retriever", "bm25", "--embedding_max_num_to_retrieve", "3", "--output_dir", out}, documents)...)
		m.Run(t, processes, program, slices.Concat([]string{"eval", "--model_name_or_path", filepath.Join(dir, "model"), "--test_file", some, "--eval_retriever", "bm25", "--eval_k", "2", "--eval_contexts", "retrieved",
			"--sep_sys", "<|im_end|>", "--eval_max_new_tokens", "4", "--gen_gpt4eval", "true", "--judge_model", "tester", "--output_dir", out}, documents)...)
		if n := asked.Load(); n != 13 {
			t.Errorf("%d processes: the judge was asked %d times; 13 expected, once for each answer", processes, n)
		}
		return left(t, out)
	}
	if diff := cmp.Diff(run(1), run(2)); diff != "" {
		t.Errorf("two processes:\n%s", diff)
	}
}

// freshCache is a cache folder with the engine and the models alone.
func freshCache(t *testing.T) {
	t.Helper()
	from, err := wheel.Cache() // of the test, or one that this function has made
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"engine", "models"} {
		if err := os.Symlink(filepath.Join(from, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GORQA_CACHE", dir)
}
