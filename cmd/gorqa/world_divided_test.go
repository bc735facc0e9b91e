package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/worldtest"
	"gorqa/text/demodata"
)

// divided: contexts, index, losses, predictions and scores under two and three processes are
// those of one, byte for byte, but for how long things take: those of train swr with its
// evaluation and its test set, and those of the commands that do a part of it.
func divided(t *testing.T, m worldtest.MPI, program, dir string) {
	rows, err := os.ReadFile(filepath.Join(dir, demodata.TrainFile))
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.Collect(strings.Lines(string(rows)))
	file := func(name string, lines []string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	training, eval, test := file("some.jsonl", lines[:20]), file("eval-rows.jsonl", lines[20:33]), file("test-rows.jsonl", lines[33:44])
	model := []string{"--model_name_or_path", filepath.Join(dir, "model"), "--sep_sys", "<|im_end|>", "--eval_max_new_tokens", "8", "--bf16", "false",
		"--eval_embedding_model", "all-MiniLM-L6-v2", "--eval_k", "2", "--test_file", test}
	documents := filepath.Join(dir, demodata.DocumentsFile)
	run := func(processes int) map[string]string {
		out := filepath.Join(t.TempDir(), fmt.Sprint(processes))
		m.Run(t, processes, program, slices.Concat([]string{"train", "swr", "--do_train", "false", "--train_file", training, "--eval_file", eval, "--full_dataset_file_path", documents,
			"--embedding_model", "all-MiniLM-L6-v2", "--output_dir", out}, model)...)
		return left(t, out)
	}
	one := run(1)
	if diff := cmp.Diff(one, run(3)); diff != "" {
		t.Errorf("three processes:\n%s", diff)
	}
	out := filepath.Join(t.TempDir(), "alone")
	index := filepath.Join(out, "index")
	m.Run(t, 2, program, "index", "--full_dataset_file_path", documents, "--full_dataset_index_path", index, "--eval_embedding_model", "all-MiniLM-L6-v2", "--bf16", "false")
	m.Run(t, 2, program, slices.Concat([]string{"eval", "--full_dataset_index_path", index, "--output_dir", out}, model)...)
	m.Run(t, 2, program, "contexts", "--train_file", training, "--full_dataset_index_path", index, "--embedding_model", "all-MiniLM-L6-v2", "--bf16", "false", "--output_dir", out)
	for name, data := range left(t, out) {
		if diff := cmp.Diff(one[name], data); diff != "" && name != "score.json" && name != "metrics.jsonl" { // training has losses, too
			t.Errorf("commands on two processes: %s:\n%s", name, diff)
		}
	}
}

// left are the files of an output folder that have no times in them, by name, and the
// figures of the others.
func left(t *testing.T, out string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"contexts-*.jsonl", "index/*.*s", "test-predictions.jsonl", "score.json", "metrics.jsonl"} {
		paths, err := filepath.Glob(filepath.Join(out, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(path)
			if found[name] = string(data); name == "score.json" || name == "metrics.jsonl" {
				found[name] = untimed(t, string(data))
			}
		}
	}
	if len(found) < 4 {
		t.Fatalf("%v left; more expected", slices.Sorted(maps.Keys(found)))
	}
	return found
}

// untimed is JSON without what depends on how long things take.
func untimed(t *testing.T, data string) string {
	t.Helper()
	var kept []string
	decoder := json.NewDecoder(strings.NewReader(data))
	for decoder.More() {
		var values map[string]json.RawMessage
		if err := decoder.Decode(&values); err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if !strings.Contains(name, "latency") && name != "time" && name != "elapsed" {
				kept = append(kept, name+" "+string(values[name]))
			}
		}
	}
	return strings.Join(kept, "\n")
}
