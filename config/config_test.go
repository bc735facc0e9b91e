package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// original is the command line of LocalRQA's documentation, as issue 3 has it.
var original = []string{
	"--per_device_train_batch_size", "4", "--per_device_eval_batch_size", "4", "--learning_rate", "5e-6",
	"--num_train_epochs", "2", "--gradient_accumulation_steps", "2", "--bf16", "true",
	"--model_name_or_path", "mistralai/Mistral-7B-Instruct-v0.2", "--assistant_prefix", "[/INST]", "--user_prefix", "<s>[INST]",
	"--sep_user", " ", "--sep_sys", "</s>", "--eval_embedding_model", "intfloat/e5-base-v2", "--eval_steps", "30", "--save_steps", "30",
	"--output_dir", "model_checkpoints/my_SFT_qa_model", "--train_file", "train_w_qa.jsonl", "--eval_file", "eval_w_qa.jsonl",
	"--test_file", "test_w_qa.jsonl", "--full_dataset_file_path", "documents.pkl", "--full_dataset_index_path", "index",
}

func originalTrain() Train {
	c := DefaultTrain("sft")
	c.ModelNameOrPath = "mistralai/Mistral-7B-Instruct-v0.2"
	c.AssistantPrefix, c.UserPrefix, c.SepUser, c.SepSys = new("[/INST]"), new("<s>[INST]"), new(" "), new("</s>")
	c.PerDeviceTrainBatchSize, c.PerDeviceEvalBatchSize, c.GradientAccumulationSteps = 4, 4, 2
	c.LearningRate, c.NumTrainEpochs, c.EvalSteps, c.SaveSteps = 5e-6, 2, 30, 30
	c.OutputDir = "model_checkpoints/my_SFT_qa_model"
	c.TrainFile, c.EvalFile, c.TestFile = "train_w_qa.jsonl", "eval_w_qa.jsonl", "test_w_qa.jsonl"
	c.FullDatasetFilePath, c.FullDatasetIndexPath, c.EvalEmbeddingModel = "documents.pkl", "index", "intfloat/e5-base-v2"
	return c
}

func TestOriginalCommandLine(t *testing.T) {
	c := DefaultTrain("sft")
	notices, err := Parse(&c, original)
	if err != nil || notices != nil {
		t.Fatalf("notices %q, error %v", notices, err)
	}
	if diff := cmp.Diff(originalTrain(), c); diff != "" {
		t.Error(diff)
	}
	if !c.Evaluates() || !c.KeepsBest() || c.RowsPerStep() != 8 {
		t.Errorf("Evaluates %v, KeepsBest %v, RowsPerStep %d", c.Evaluates(), c.KeepsBest(), c.RowsPerStep())
	}
}

func TestCommandLine(t *testing.T) {
	yes, no, seed := true, false, int64(7)
	tests := []struct {
		name, why string
		args      []string
		want      func(*Train)
		notices   []string
		problems  []string // parts of the error, in order; nil means none
	}{
		{name: "attached value", why: "--name=value, an = inside the value included", args: []string{"--sep_user=a=b"}, want: func(c *Train) { c.SepUser = new("a=b") }},
		{name: "hyphens", why: "count as underscores", args: []string{"--max-steps", "3", "--learning-rate=1e-3"}, want: func(c *Train) { c.MaxSteps, c.LearningRate = 3, 1e-3 }},
		{name: "bare boolean", why: "stands for true", args: []string{"--gradient_checkpointing", "--max_steps", "3"}, want: func(c *Train) { c.GradientCheckpointing, c.MaxSteps = true, 3 }},
		{name: "boolean words", why: "as HfArgumentParser", args: []string{"--bf16", "No", "--do_sample", "1", "--do_eval=F"}, want: func(c *Train) { c.BF16, c.DoSample, c.DoEval = false, true, false }},
		{name: "no_ form", why: "HfArgumentParser makes one for every boolean that is true", args: []string{"--no_bf16"}, want: func(c *Train) { c.BF16 = false }},
		{name: "negative value", why: "a value may begin with a hyphen", args: []string{"--max_steps", "-1"}, want: func(*Train) {}},
		{name: "value like a flag", why: "a known flag is no value; attached it can be one", args: []string{"--sep_user", "--max_steps", "3", "--sep_sys=--max_steps"}, problems: []string{"--sep_user: nothing found"}},
		{name: "alias", why: "the name of older transformers", args: []string{"--evaluation_strategy", "epoch", "--save_strategy", "epoch"}, want: func(c *Train) { c.EvalStrategy, c.SaveStrategy = Epoch, Epoch }},
		{name: "lists", why: "argparse's form, commas and repeats", args: []string{"--eval_contexts", "retrieved", "gold", "--report_to", "tensorboard"}, want: func(c *Train) { c.EvalContexts, c.ReportTo = []string{"retrieved", "gold"}, []string{"tensorboard"} }},
		{name: "list with commas", why: "one value holds several", args: []string{"--eval_contexts=gold,retrieved,none"}, want: func(c *Train) { c.EvalContexts = []string{Gold, Retrieved, None} }},
		{name: "last wins", why: "as everywhere", args: []string{"--seed", "1", "--seed", "2"}, want: func(c *Train) { c.Seed = 2 }},
		{name: "nil until given", why: "their default depends on other settings", args: []string{"--greater_is_better", "--data_seed", "7"}, want: func(c *Train) { c.GreaterIsBetter, c.DataSeed = &yes, &seed }},
		{name: "given false", why: "false is not the same as not given", args: []string{"--greater_is_better", "false"}, want: func(c *Train) { c.GreaterIsBetter = &no }},
		{name: "resume bare", why: "the last checkpoint", args: []string{"--resume_from_checkpoint", "--max_steps", "9"}, want: func(c *Train) { c.ResumeFromCheckpoint, c.MaxSteps = "true", 9 }},
		{name: "resume folder", why: "that one", args: []string{"--resume_from_checkpoint", "runs/x/checkpoint-3"}, want: func(c *Train) { c.ResumeFromCheckpoint = "runs/x/checkpoint-3" }},
		{name: "deepspeed", why: "its file is read", args: []string{"--deepspeed", "gone.json"}, problems: []string{"--deepspeed: open gone.json: no such file or directory; a JSON file of DeepSpeed's settings expected"}},
		{name: "use_cpu", why: "the engine's backend by transformers' names", args: []string{"--use_cpu", "--no_cuda", "true"}, want: func(*Train) {}},
		{name: "use_cpu on a GPU", why: "one of the two is meant", args: []string{"--no_cuda", "--backend", "xla:cuda13"}, problems: []string{"--use_cpu: true found with backend xla:cuda13; one of them expected"}},
		{name: "device", why: "a GPU by its number", args: []string{"--backend", "xla:cuda13:3"}, want: func(c *Train) { c.Backend = "xla:cuda13:3" }},
		{name: "device of no number", why: "the message says what is meant", args: []string{"--backend", "xla:cuda13:one"}, problems: []string{`--backend: "xla:cuda13:one" found; the number of a GPU expected behind xla:cuda13:, 0 for the first`}},
		{name: "device below 0", why: "there is none", args: []string{"--backend", "xla:cuda12:-1"}, problems: []string{`--backend: "xla:cuda12:-1" found; the number of a GPU expected behind xla:cuda12:`}},
		{name: "device of the CPU", why: "it is one device", args: []string{"--backend", "xla:cpu:0"}, problems: []string{`--backend: "xla:cpu:0" found; xla:cpu expected`}},
		{name: "no backend", why: "what is there is told", args: []string{"--backend", "xla:tpu"}, problems: []string{`--backend: "xla:tpu" found; xla:cpu, xla:cuda12 or xla:cuda13 expected`}},
		{name: "older names", why: "of transformers 4", args: []string{"--per_gpu_train_batch_size", "2", "--per_gpu_eval_batch_size", "3", "--optim", "adamw_torch_xla"}, want: func(c *Train) {
			c.PerDeviceTrainBatchSize, c.PerDeviceEvalBatchSize, c.Optim = 2, 3, "adamw_torch_xla"
		}},
		{name: "schedule", why: "with its arguments, as transformers takes them", args: []string{"--lr_scheduler_type", "cosine_with_restarts", "--lr_scheduler_kwargs", `{ "num_cycles":3 }`}, want: func(c *Train) {
			c.LRSchedulerType, c.LRSchedulerKwargs = "cosine_with_restarts", `{"num_cycles":3}`
		}},
		{name: "schedule's arguments", why: "are checked with the rest", args: []string{"--lr_scheduler_type", "polynomial", "--lr_scheduler_kwargs", `{"num_cycles":3}`, "--top_k", "-1"}, problems: []string{
			"lr_scheduler_kwargs: num_cycles found; polynomial takes lr_end or power", "top_k:"}},
		{name: "plateau", why: "cannot be known from the step", args: []string{"--lr_scheduler_type", "reduce_lr_on_plateau"}, problems: []string{`--lr_scheduler_type: "reduce_lr_on_plateau" found, which gorqa does not have: it lowers the rate by what evaluations find`}},
		{name: "no object", why: "JSON is asked for", args: []string{"--lr_scheduler_kwargs", "num_cycles=3"}, problems: []string{`--lr_scheduler_kwargs: "num_cycles=3" found; a JSON object such as {"name": 1} expected`}},
		{name: "flash attention", why: "ignored, with a note", args: []string{"--use_flash_attention", "true", "--tf32=true"}, want: func(*Train) {}, notices: []string{
			"--use_flash_attention: attention is computed in blocks by gorqa's own graph on every device (ignored)",
			"--tf32: the engine chooses how float32 is multiplied (ignored)"}},
		{name: "turned off", why: "asks for nothing, so nothing is said", args: []string{"--fp16", "false", "--deepspeed", "none", "--use_flash_attention=false", "--dataloader_num_workers", "0"}, want: func(*Train) {}},
		{name: "wandb", why: "the original's default; nothing is sent", args: []string{"--report_to", "wandb"}, want: func(c *Train) { c.ReportTo = []string{"wandb"} }, notices: []string{
			"report_to: gorqa sends nothing to wandb; metrics.jsonl holds every figure, --report_to tensorboard writes event files, which wandb sync --sync-tensorboard takes too, --report_to mlflow tells MLflow (ignored)"}},
		{name: "unknown", why: "the nearest is named; its value is not taken for an argument", args: []string{"--learning_rat", "3", "--epochs=2"}, problems: []string{
			"--learning_rat: no such setting; the nearest known one is learning_rate",
			"--epochs: no such setting; the nearest known one is num_train_epochs"}},
		{name: "all problems together", why: "one look is enough", args: []string{"--seed", "x", "--lr_scheduler_type", "poly", "--bf16=maybe", "--adam_beta1", "NaN", "-x", "stray"}, problems: []string{
			`-x: no flag of one letter`, `--seed: "x" found; a whole number of`, `--lr_scheduler_type: "poly" found; linear, cosine, cosine_with_restarts,`,
			`--bf16: "maybe" found; true or false expected`, `--adam_beta1: "NaN" found; a number expected`, `"stray": found beside the flags`}},
		{name: "no value", why: "at the end of the line", args: []string{"--seed"}, problems: []string{"--seed: nothing found; a value expected (--seed N)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := DefaultTrain("sft")
			notices, err := Parse(&got, append(slices.Clone(original), test.args...))
			matchProblems(t, err, test.problems)
			if test.problems != nil {
				return
			}
			want := originalTrain()
			test.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", test.why, diff)
			}
			if diff := cmp.Diff(test.notices, notices); diff != "" {
				t.Errorf("%s: %s", test.why, diff)
			}
		})
	}
}

// matchProblems compares an error's lines with the beginnings wanted.
func matchProblems(t *testing.T, err error, want []string) {
	t.Helper()
	var got []string
	if err != nil {
		got = strings.Split(err.Error(), "\n")
	}
	if len(got) != len(want) {
		t.Errorf("%d problems found, %d expected:\n%s", len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for i := range got {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("problem %d:\n%s\nexpected to begin with\n%s", i+1, got[i], want[i])
		}
	}
}

func TestValidateNamesEveryProblem(t *testing.T) {
	keys := func([]string) []string { return []string{"eval_gen/f1/avg_f1_ans", "eval_loss"} }
	tests := []struct {
		name, why string
		change    func(*Train)
		problems  []string
	}{
		{"nothing given", "all required settings together", func(c *Train) { *c = DefaultTrain("sft") }, []string{
			"model_name_or_path: missing", "train_file: missing", "eval_file: missing", "output_dir: missing", "full_dataset_file_path: missing", "eval_embedding_model: missing"}},
		{"train only", "no evaluation needs no evaluation settings", func(c *Train) {
			c.DoEval, c.EvalFile, c.TestFile, c.FullDatasetFilePath, c.EvalEmbeddingModel = false, "", "", "", ""
		}, nil},
		{"no judge", "a judge has a name", func(c *Train) { c.GenGPT4Eval = true }, []string{"judge_model: missing"}},
		{"gold contexts", "retrieve nothing", func(c *Train) {
			c.EvalContexts, c.FullDatasetFilePath, c.EvalEmbeddingModel = []string{Gold}, "", ""
		}, nil},
		{"evaluate only", "the original's test-only mode", func(c *Train) { c.DoTrain, c.TrainFile = false, "" }, nil},
		{"nothing to do", "neither trains nor evaluates", func(c *Train) { c.DoTrain, c.DoEval, c.TestFile = false, false, "" }, []string{"do_train: false found"}},
		{"same file", "evaluating on the training rows is a mistake", func(c *Train) { c.EvalFile = "./" + c.TrainFile }, []string{`eval_file: "./train_w_qa.jsonl" found, which is train_file too`}},
		{"best without evaluation", "as TrainingArguments", func(c *Train) { c.EvalStrategy, c.LoadBestModelAtEnd = No, new(true) }, []string{"load_best_model_at_end: found with eval_strategy no"}},
		{"best with other strategies", "as TrainingArguments", func(c *Train) { c.EvalStrategy, c.LoadBestModelAtEnd = Epoch, new(true) }, []string{"load_best_model_at_end: found with eval_strategy epoch and save_strategy steps"}},
		{"best between evaluations", "as TrainingArguments", func(c *Train) { c.SaveSteps, c.LoadBestModelAtEnd = 45, new(true) }, []string{"load_best_model_at_end: found with save_steps 45 and eval_steps 30"}},
		{"neither evaluation nor checkpoints", "simply runs, as in transformers", func(c *Train) { c.EvalStrategy, c.SaveStrategy = No, No }, nil},
		{"evaluation by epochs alone", "simply runs, as in transformers", func(c *Train) { c.EvalStrategy = Epoch }, nil},
		{"best at every second evaluation", "a multiple", func(c *Train) { c.SaveSteps, c.LoadBestModelAtEnd = 60, new(true) }, nil},
		{"parts of a run", "a multiple too", func(c *Train) { c.SaveSteps, c.EvalSteps, c.LoadBestModelAtEnd = 0.3, 0.1, new(true) }, nil},
		{"resume and overwrite", "contradict each other", func(c *Train) { c.ResumeFromCheckpoint, c.OverwriteOutputDir = "true", true }, []string{"overwrite_output_dir: found together"}},
		{"resume from a folder and overwrite", "later checkpoints are replaced", func(c *Train) { c.ResumeFromCheckpoint, c.OverwriteOutputDir = "runs/a/checkpoint-2", true }, nil},
		{"ranges", "each names what it expects", func(c *Train) {
			c.MaxSeqLength, c.PerDeviceTrainBatchSize, c.LearningRate, c.AdamBeta2, c.AdamEpsilon = 0, 0, -1, 1, 0
			c.NumTrainEpochs, c.MaxSteps, c.WarmupRatio, c.WarmupSteps, c.LoggingSteps = 0, 0, 2, 1.5, 0
			c.EvalContexts, c.NumBeams, c.TopP, c.Temperature, c.PromptLookupNumTokens = []string{"gold", "gold", "golden"}, 0, 0, 0, -1
		}, []string{"max_seq_length: 0", "per_device_train_batch_size: 0", "learning_rate: -1", "adam_beta2: 1", "adam_epsilon: 0",
			"num_train_epochs: 0", "max_steps: 0", "warmup_ratio: 2", "warmup_steps: 1.5",
			`eval_contexts: "gold" found twice`, `eval_contexts: "golden" found; retrieved, gold, none or shuffled expected`, "temperature: 0", "top_p: 0", "num_beams: 0", "prompt_lookup_num_tokens: -1", "logging_steps: 0"}},
		{"upper ranges", "products of them would be no numbers", func(c *Train) {
			c.PerDeviceTrainBatchSize, c.GradientAccumulationSteps, c.PerDeviceEvalBatchSize, c.MaxSeqLength, c.EvalMaxNewTokens = 1<<32, 1<<32, 1<<40, 1<<40, 1<<39
			c.NumTrainEpochs, c.MaxSteps, c.LoraR, c.EvalK, c.NumBeams, c.TopK, c.SaveTotalLimit = 1e300, 1<<40, 1<<40, 1<<40, 1<<40, 1<<40, 1<<40
			c.LearningRate, c.WeightDecay, c.AdamEpsilon, c.Temperature, c.LoraAlpha = 1e39, 1e300, 1e-300, 1e-300, 1e200
		}, []string{"lora_r: 1099511627776", "lora_alpha: 1e+200", "max_seq_length: 1099511627776 found; expected at most 16777216",
			"per_device_train_batch_size: 4294967296 found; expected at most 1048576", "gradient_accumulation_steps: 4294967296",
			"learning_rate: 1e+39 found; expected a number that float32 can hold", "weight_decay: 1e+300", "adam_epsilon: 1e-300",
			"num_train_epochs: 1e+300", "max_steps: 1099511627776", "save_total_limit: 1099511627776", "per_device_eval_batch_size: 1099511627776", "eval_k: 1099511627776",
			"eval_max_new_tokens: 549755813888 found; expected at most", "temperature: 1e-300", "top_k: 1099511627776", "num_beams: 1099511627776"}},
		{"rows of a step", "each is fine, their product is not", func(c *Train) { c.PerDeviceTrainBatchSize, c.GradientAccumulationSteps = 1<<20, 1<<20 },
			[]string{"per_device_train_batch_size times gradient_accumulation_steps: 1099511627776 rows of a step found; expected at most"}},
		{"no room for a prompt", "prompt and answer share a row", func(c *Train) { c.MaxSeqLength, c.EvalMaxNewTokens = 128, 128 }, []string{"eval_max_new_tokens: 128 found with max_seq_length 128"}},
		{"answers of an encoder-decoder", "stand beside the passages", func(c *Train) { c.Recipe, c.MaxSeqLength, c.EvalMaxNewTokens = FiD, 128, 128 }, nil},
		{"unknown metric", "said before the first step, not after it", func(c *Train) { c.Keys, c.MetricForBestModel = keys, "eval_gen/f1/avg_f1" }, []string{`metric_for_best_model: "eval_gen/f1/avg_f1" found`}},
		{"known metric", "eval_ may be left out", func(c *Train) { c.Keys, c.MetricForBestModel = keys, "gen/f1/avg_f1_ans" }, nil},
		{"metric without evaluation", "is not asked for", func(c *Train) { c.Keys, c.MetricForBestModel, c.DoEval = keys, "x", false }, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := originalTrain()
			test.change(&c)
			matchProblems(t, c.Validate(), test.problems)
		})
	}
}

// The history of ask is a word, a file, or both.
func TestAskHistory(t *testing.T) {
	for _, test := range []struct {
		args       []string
		mode, file string
	}{
		{nil, Rephrase, ""},
		{[]string{"--history", "concat"}, Concat, ""},
		{[]string{"--history", "turns.json"}, Rephrase, "turns.json"},
		{[]string{"--history", "none", "--history", "turns.json"}, Bare, "turns.json"},
	} {
		c := DefaultAsk()
		_, err := Parse(&c, append([]string{"--model_name_or_path", "m", "--full_dataset_file_path", "d", "--eval_embedding_model", "e"}, test.args...))
		if err != nil || c.History != test.mode || c.HistoryFile != test.file {
			t.Errorf("%q: history %q, file %q, %v; %q and %q expected", test.args, c.History, c.HistoryFile, err, test.mode, test.file)
		}
	}
	c := DefaultEval()
	_, err := Parse(&c, []string{"--history", "turns.json"})
	matchProblems(t, err, []string{`--history: "turns.json" found; none, concat or rephrase expected`})
}

func TestDoctorTakesWhatThereIs(t *testing.T) {
	c := DefaultDoctor()
	if _, err := Parse(&c, nil); err != nil {
		t.Error(err)
	}
	c = DefaultDoctor()
	if _, err := Parse(&c, original); err != nil {
		t.Error(err)
	}
	_, err := Parse(&c, []string{"--eval_k", "0"})
	matchProblems(t, err, []string{"--eval_k: 0 found; 1 or more expected"})
}

func TestOriginalTestScript(t *testing.T) {
	c := DefaultEval()
	notices, err := Parse(&c, []string{
		"--qa_model_name_or_path", "lmsys/vicuna-7b-v1.5", "--embedding_model_name_or_path", "intfloat/e5-base-v2",
		"--document_path", "documents.pkl", "--index_path", "index", "--eval_data_path", "test_w_qa.jsonl",
		"--gen_gpt4eval", "false", "--output_dir", "out", "--batch_size", "2", "--qa_is_fid", "true",
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(notices) != 1 || !strings.HasPrefix(notices[0], "--qa_is_fid: the model's config.json says") {
		t.Errorf("notices %q", notices)
	}
	want := DefaultEval()
	want.ModelNameOrPath, want.EvalEmbeddingModel = "lmsys/vicuna-7b-v1.5", "intfloat/e5-base-v2"
	want.FullDatasetFilePath, want.FullDatasetIndexPath = "documents.pkl", "index"
	want.TestFile, want.OutputDir, want.PerDeviceEvalBatchSize = "test_w_qa.jsonl", "out", 2
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestSmallCommands(t *testing.T) {
	tokenize, convert, godoc, fetch, version := DefaultTokenize(), DefaultConvert(), DefaultGodoc(), DefaultFetch(), Version{}
	tests := []struct {
		name, why string
		settings  Settings
		args      []string
		problems  []string
	}{
		{"tokenize", "needs a model", &tokenize, []string{"--decode"}, []string{"model_name_or_path: missing"}},
		{"convert", "needs both", &convert, []string{"a.pkl"}, []string{"OUT: missing; expected after the command's name"}},
		{"convert a settings file", "a lone .json is a settings file only where no argument is needed", &convert, []string{"a.json"}, []string{"OUT: missing"}},
		{"convert onto itself", "would lose the input", &convert, []string{"a.jsonl", "./a.jsonl"}, []string{`OUT: "./a.jsonl" found, which is IN too`}},
		{"godoc", "all problems together", &godoc, []string{"--documents=3", "--eval_rows", "0"}, []string{"output_dir: missing", "eval_rows: 0 found", "documents: 3 found for 280 rows"}},
		{"fetch", "one name", &fetch, []string{"a", "b"}, []string{`"b": found beside the flags`}},
		{"version", "takes nothing", &version, []string{"--verbose"}, []string{"--verbose: no such setting"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.settings, test.args)
			matchProblems(t, err, test.problems)
		})
	}
}

func TestAskTakesTheQuestionAsArgument(t *testing.T) {
	c := DefaultAsk()
	args := []string{"--model_name_or_path", "m", "--full_dataset_file_path", "d", "--eval_embedding_model", "e", "--do_sample", "what is it?"}
	if _, err := Parse(&c, args); err != nil || c.Question != "what is it?" || !c.DoSample {
		t.Errorf("question %q, do_sample %v, error %v", c.Question, c.DoSample, err)
	}
	_, err := Parse(&c, append(args, "two"))
	matchProblems(t, err, []string{`"what is it?": found where the folder of a run stands`})
}

// Every example is whole: it parses, and nothing in it is ignored.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		recipe, _, _ := strings.Cut(filepath.Base(file), "-")
		if recipe == "mistral" || recipe == "lora" {
			recipe = SFT
		}
		train, ask := DefaultTrain(recipe), DefaultDataQA()
		var settings Settings = &train
		args := []string{"--config", file}
		if recipe == "qa" {
			settings, args = &ask, append(args, "documents.jsonl")
		}
		notices, err := Parse(settings, args)
		if err != nil || notices != nil {
			t.Errorf("%s: notices %q, error %v", file, notices, err)
		}
	}
}

func TestExampleFaireIsTheReference(t *testing.T) {
	c := DefaultTrain("sft")
	if _, err := Parse(&c, []string{"../examples/sft-faire.yaml"}); err != nil {
		t.Fatal(err)
	}
	total := c.TotalSteps(71)
	if c.RowsPerStep() != 8 || c.LearningRate != 1e-4 || total != 71 || c.LRSchedulerType != "cosine" || *c.SepSys != "<|im_end|>" || c.EvalMaxNewTokens != 128 || c.EvalK != 4 {
		t.Errorf("%+v", c)
	}
}

func TestStepsOfEpochsAndWarmup(t *testing.T) {
	c := DefaultSchedule()
	tests := []struct {
		name, why   string
		epochs      float64
		max         int
		ratio, warm float64
		total, up   int
	}{
		{"epochs", "rounded up", 1.5, -1, 0.1, 0, 107, 11},
		{"max_steps", "wins", 3, 50, 0.1, 0, 50, 5},
		{"warmup_steps", "wins", 1, -1, 0.1, 3, 71, 3},
		{"warmup_steps as a part", "of all", 1, 100, 0, 0.25, 100, 25},
		{"none", "0 is 0", 1, 100, 0, 0, 100, 0},
	}
	for _, test := range tests {
		c.NumTrainEpochs, c.MaxSteps, c.WarmupRatio, c.WarmupSteps = test.epochs, test.max, test.ratio, test.warm
		total := c.TotalSteps(71)
		if up := c.Warmup(total); total != test.total || up != test.up {
			t.Errorf("%s: %d steps, %d of warm-up; %d and %d expected", test.name, total, up, test.total, test.up)
		}
	}
	if Every(0.1, 71) != 8 || Every(30, 71) != 30 || Every(0.001, 10) != 1 {
		t.Error("Every")
	}
	s := DefaultSaving()
	if s.HigherWins() || s.BestMetric() != "eval_loss" {
		t.Error("eval_loss: lower is better")
	}
	s.MetricForBestModel = "gen/f1/avg_f1_ans"
	if !s.HigherWins() || s.BestMetric() != "eval_gen/f1/avg_f1_ans" {
		t.Error("F1: higher is better")
	}
}

func TestHelp(t *testing.T) {
	train, eval, index, ask, doctor := DefaultTrain("sft"), DefaultEval(), DefaultIndex(), DefaultAsk(), DefaultDoctor()
	tokenize, convert, godoc, fetch, version := DefaultTokenize(), DefaultConvert(), DefaultGodoc(), DefaultFetch(), Version{}
	for _, s := range []Settings{&train, &eval, &index, &ask, &doctor, &tokenize, &convert, &godoc, &fetch, &version} {
		help := Help(s, 80)
		for _, name := range Names(s) {
			if !strings.Contains(help, "  --"+name+" ") {
				t.Errorf("%T: --%s has no help", s, name)
			}
		}
		for line := range strings.Lines(help) {
			if len(line) > 81 {
				t.Errorf("%T: line of %d: %s", s, len(line), line)
			}
		}
		for _, name := range []string{"deepspeed", "use_flash_attention"} {
			if slices.Contains(Names(s), name) {
				t.Errorf("%T: %s is offered", s, name)
			}
		}
		for _, arg := range []string{"-h", "--help"} {
			if _, err := Parse(s, []string{"--seed", "1", arg}); !errors.Is(err, ErrHelp) {
				t.Errorf("%T %s: %v", s, arg, err)
			}
		}
	}
	if Usage(&ask) != "[RUN] [QUESTION]" || Usage(&eval) != "[RUN]" || Usage(&train) != "" {
		t.Error("usage lines")
	}
}

// Without a word on it, the best checkpoint's model is handed over where there is
// one, and where there can be none a note says so.
func TestBestGivesWay(t *testing.T) {
	for _, test := range []struct {
		name, why string
		args      []string
		best      bool
		note      string
	}{
		{"default", "every checkpoint has a score", nil, true, ""},
		{"asked for", "as asked", []string{"--load_best_model_at_end"}, true, ""},
		{"not wanted", "as asked, and nothing to tell", []string{"--load_best_model_at_end", "false", "--eval_strategy", "no"}, false, ""},
		{"neither evaluation nor checkpoints", "there is no best", []string{"--eval_strategy", "no", "--save_strategy", "no"}, false, "load_best_model_at_end: off, since eval_strategy no and save_strategy no"},
		{"other strategies", "checkpoints have no score", []string{"--eval_strategy", "epoch"}, false, "load_best_model_at_end: off, since eval_strategy epoch and save_strategy steps"},
		{"other steps", "some checkpoints have no score", []string{"--save_steps", "40"}, false, "load_best_model_at_end: off, since save_steps 40 and eval_steps 30"},
		{"no rows to evaluate on", "it is plain that there is no best", []string{"--do_eval", "false"}, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := originalTrain()
			notices, err := Parse(&c, test.args)
			if err != nil {
				t.Fatal(err)
			}
			if c.KeepsBest() != test.best {
				t.Errorf("the best one is handed over: %v; want %v: %s", c.KeepsBest(), test.best, test.why)
			}
			said := strings.Join(notices, "\n")
			if test.note == "" && strings.Contains(said, "load_best") || !strings.Contains(said, test.note) {
				t.Errorf("said %q; want %q: %s", said, test.note, test.why)
			}
		})
	}
}
