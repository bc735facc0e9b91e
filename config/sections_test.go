package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLocalRQASettingsFiles takes the all_args.json that LocalRQA's scripts leave
// (parity/make_localrqa_args.py), with every argument of transformers in it.
func TestLocalRQASettingsFiles(t *testing.T) {
	train := DefaultTrain(SFT)
	train.ModelNameOrPath, train.TrainFile, train.EvalFile, train.TestFile = "model", "train.jsonl", "eval.jsonl", "test.jsonl"
	train.FullDatasetFilePath, train.FullDatasetIndexPath, train.EvalEmbeddingModel = "documents.pkl", "index", "intfloat/e5-base-v2"
	train.UserPrefix, train.AssistantPrefix, train.SepUser, train.SepSys = new("USER"), new("ASSISTANT"), new(" "), new("</s>")
	train.OutputDir, train.NumTrainEpochs, train.LearningRate = "out", 2, 5e-6
	train.PerDeviceTrainBatchSize, train.PerDeviceEvalBatchSize, train.GradientAccumulationSteps = 4, 4, 1
	train.LRSchedulerType, train.WarmupRatio, train.WeightDecay, train.BF16 = "cosine", 0.1, 0.01, false
	train.EvalSteps, train.SaveSteps, train.SaveTotalLimit = 30, 30, 1
	train.LoadBestModelAtEnd, train.MetricForBestModel = new(true), "eval_loss"
	train.GreaterIsBetter, train.ReportTo = new(bool), []string{"wandb"}
	later := train
	later.Optim = "adamw_torch_fused"
	eval := DefaultEval()
	eval.ModelNameOrPath, eval.EvalEmbeddingModel, eval.FullDatasetFilePath, eval.FullDatasetIndexPath = "model", "intfloat/e5-base-v2", "documents.pkl", "index"
	eval.UserPrefix, eval.AssistantPrefix, eval.SepUser, eval.SepSys = new("USER"), new("ASSISTANT"), new(" "), new("</s>")
	eval.TestFile, eval.OutputDir, eval.PerDeviceEvalBatchSize = "test.jsonl", "out", 4
	for _, test := range []struct {
		name, why, file string
		got, want       Settings
		notices         int
	}{
		{"train, transformers 4.46", "names that are gone since, and a token that is hidden", "train-4.46.3.json", new(DefaultTrain(SFT)), &train, 2},
		{"train, transformers 5.23", "names that are new", "train-5.23.0.json", new(DefaultTrain(SFT)), &later, 2},
		{"test_e2e.py", "its names in two sections", "eval.json", new(DefaultEval()), &eval, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			notices, err := Parse(test.got, []string{"--config", filepath.Join("testdata/localrqa", test.file)})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, test.got); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.why, d)
			}
			if len(notices) != test.notices {
				t.Errorf("notices %q; %d expected", notices, test.notices)
			}
		})
	}
}

func TestSections(t *testing.T) {
	const needed = `"model_args": {"model_name_or_path": "m"}, "data_args": {"train_file": "t", "do_eval": false, "output_dir": "o"}`
	for _, test := range []struct {
		name, why, file, text string
		problem               string // "" for none
	}{
		{"JSON", "sections and plain settings in one file", "a.json", "{" + needed + `, "learning_rate": 1e-3}`, ""},
		{"YAML", "the same", "a.yaml", "model_args:\n  model_name_or_path: m\ndata_args:\n  train_file: t\n  do_eval: false\n  output_dir: o\nlearning_rate: 1e-3\n", ""},
		{"twice the same", "two sections of one script may share a name", "a.json", "{" + needed + `, "training_args": {"output_dir": "o"}, "learning_rate": 1e-3}`, ""},
		{"null beside a value", "null says nothing", "a.json", "{" + needed + `, "training_args": {"output_dir": null}, "learning_rate": 1e-3}`, ""},
		{"twice", "which one is meant?", "a.json", "{" + needed + ",\n" + `"training_args": {"learning_rate": 1e-3,` + "\n" + `"output_dir": "p"}}`,
			"a.json:3: output_dir: p found, and o before (a.json:1); the same expected, or one of them taken out"},
		{"twice, outside", "nor beside the sections", "a.yaml", "training_args:\n  learning_rate: 1\nlearning_rate: 2\n",
			"a.yaml:3: learning_rate: 2 found, and 1 before (a.yaml:2); the same expected, or one of them taken out"},
		{"twice in one", "as in a file without sections", "a.json", `{"data_args": {"seed": 1,` + "\n" + `"seed": 1}}`, "a.json:2: seed: found a second time"},
		{"within a section", "sections hold no sections", "a.json", `{"data_args": {"model_args": {"seed": 1}}}`, "a.json:1: model_args: a mapping found"},
		{"typo", "with its line in the section", "a.json", "{\"training_args\": {\n\"learning_rat\": 1}}", "a.json:2: learning_rat: no such setting; the nearest known one is learning_rate"},
		{"what is no section", "a mapping is not flattened by any name", "a.yaml", "train:\n  learning_rate: 1\n", "a.yaml:1: train: a mapping found"},
		{"what is refused", "a section hides nothing", "a.json", `{"training_args": {"accelerator_config": {"split_batches": true}}}`, "a.json:1: accelerator_config: gorqa does not run on accelerate"},
		{"cut off", "in a section", "a.json", "{\"training_args\": {\n\"seed\": 1", "a.json:2: the file ends here; more JSON expected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, test.file)
			if err := os.WriteFile(path, []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			c := DefaultTrain(SFT)
			_, err := Parse(&c, []string{"--config", path})
			if test.problem == "" {
				if err != nil || c.LearningRate != 1e-3 || c.ModelNameOrPath != "m" || c.OutputDir != "o" {
					t.Errorf("%s: %v, %v", test.why, err, c)
				}
				return
			}
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), ""), test.problem) {
				t.Errorf("%s: error is %v; expected %q", test.why, err, test.problem)
			}
		})
	}
}
