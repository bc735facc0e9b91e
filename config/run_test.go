package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ask and eval take a run's folder for its settings and its model.
func TestRunFolderGivesSettingsAndModel(t *testing.T) {
	t.Chdir(t.TempDir())
	train := originalTrain()
	train.AdapterNameOrPath = "an/adapter"
	if err := Write(filepath.Join("run", SettingsFile), &train); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"run/checkpoint-30", "model/deep"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name, why string
		args      []string
		question  string
		model     string
		k         int
		problems  []string
	}{
		{"run and question", "all is in the run", []string{"run", "Why?"}, "Why?", "run", 0, nil},
		{"run", "questions come from the standard input", []string{"run"}, "", "run", 0, nil},
		{"flags beside", "and win", []string{"--eval_k", "3", "run", "Why?"}, "Why?", "run", 3, nil},
		{"checkpoint", "has its run's settings", []string{"run/checkpoint-30", "Why?"}, "Why?", "run/checkpoint-30", 0, nil},
		{"the long way", "as before", []string{"--config", "run/all_args.json", "--model_name_or_path", "run", "Why?"}, "Why?", "run", 0, nil},
		{"two models", "one is meant", []string{"run", "--model_name_or_path", "other", "Why?"}, "", "", 0, []string{`--model_name_or_path: found beside the run "run"; one of them expected`}},
		{"no run", "a model alone has no settings", []string{"model", "Why?"}, "", "", 0, []string{`"model": a folder without all_args.json found; the folder of a run expected (for a model alone, --model_name_or_path)`}},
		{"no quotes", "a question of two words", []string{"run", "Why", "so?"}, "", "", 0, []string{`"so?": found beside the flags`}},
		{"a file", "as if the run were a model", []string{"run/all_args.json", "Why?"}, "", "", 0, []string{`"run/all_args.json": a file found; the folder of a run expected, which has an all_args.json (for a model alone, --model_name_or_path run/all_args.json)`}},
		{"no folder", "misspelt", []string{"runs", "Why?"}, "", "", 0, []string{`"runs": found where the folder of a run stands`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := DefaultAsk()
			notices, err := Parse(&c, test.args)
			if test.problems != nil {
				matchProblems(t, err, test.problems)
				return
			}
			if err != nil || notices != nil {
				t.Fatalf("%v %q", err, notices)
			}
			want := DefaultAsk()
			want.Model, want.Prompt, want.Database = train.Model, train.Prompt, train.Database
			want.ModelNameOrPath, want.AdapterNameOrPath, want.Question, want.EvalK = test.model, "", test.question, test.k
			if test.name == "the long way" {
				want.AdapterNameOrPath = "an/adapter"
			}
			if diff := cmp.Diff(want, c); diff != "" {
				t.Errorf("%s: %s", test.why, diff)
			}
		})
	}
	c := DefaultEval()
	if notices, err := Parse(&c, []string{"run"}); err != nil || notices != nil || c.ModelNameOrPath != "run" || c.OutputDir != filepath.Join("run", "eval") || c.TestFile != train.TestFile {
		t.Errorf("eval: %v %q %+v", err, notices, c)
	}
	c = DefaultEval()
	if _, err := Parse(&c, []string{"run", "--output_dir", "out", "--test_file", "other.jsonl"}); err != nil || c.OutputDir != "out" || c.TestFile != "other.jsonl" {
		t.Errorf("eval with flags: %v %+v", err, c)
	}
}
