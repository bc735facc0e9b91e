package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The command lines of LocalRQA's README and documentation, with only the
// program changed, and what each sets apart from the defaults. What stands in
// angle brackets there has names of files here.
func TestLocalRQACommandLines(t *testing.T) {
	files := []string{
		"--train_file", "example/train_w_qa.jsonl", "--eval_file", "example/eval_w_qa.jsonl", "--test_file", "example/test_w_qa.jsonl",
		"--full_dataset_file_path", "example/documents.pkl", "--full_dataset_index_path", "example/index",
	}
	mistral := []string{"--assistant_prefix", "[/INST]", "--user_prefix", "<s>[INST]", "--sep_user", " ", "--sep_sys", "</s>"}
	starling := []string{"--assistant_prefix", "GPT4 Correct Assistant", "--user_prefix", "GPT4 Correct User", "--sep_user", "<|end_of_turn|>", "--sep_sys", "<|end_of_turn|>"}
	batches := []string{"--use_flash_attention", "true", "--per_device_train_batch_size", "4", "--per_device_eval_batch_size", "4"}
	usual := append(slices.Clone(batches), "--deepspeed", "testdata/deepspeed/auto.json", "--learning_rate", "5e-6", "--num_train_epochs", "2",
		"--gradient_accumulation_steps", "2", "--bf16", "true", "--logging_steps", "10", "--eval_steps", "30", "--save_steps", "30", "--run_group", "databricks")
	trained := func(recipe string, change func(*Train)) *Train {
		c := DefaultTrain(recipe)
		c.TrainFile, c.EvalFile, c.TestFile = "example/train_w_qa.jsonl", "example/eval_w_qa.jsonl", "example/test_w_qa.jsonl"
		c.FullDatasetFilePath, c.FullDatasetIndexPath = "example/documents.pkl", "example/index"
		c.PerDeviceTrainBatchSize, c.PerDeviceEvalBatchSize = 4, 4
		change(&c)
		return &c
	}
	evaluated := func(change func(*Eval)) *Eval {
		c := DefaultEval()
		c.FullDatasetFilePath, c.FullDatasetIndexPath, c.TestFile, c.OutputDir = "example/documents.pkl", "example/index", "example/test_w_qa.jsonl", "example/e2e"
		c.EvalEmbeddingModel = "intfloat/e5-base-v2"
		change(&c)
		return &c
	}
	asUsual := func(c *Train) {
		c.ZeroStage = 2 // of DeepSpeed's file
		c.LearningRate, c.NumTrainEpochs, c.GradientAccumulationSteps, c.EvalSteps, c.SaveSteps = 5e-6, 2, 2, 30, 30
		c.LRSchedulerType = "linear" // of the scheduler in DeepSpeed's file, which transformers obeys too
		c.EvalEmbeddingModel, c.OutputDir = "intfloat/e5-base-v2", "model_checkpoints/databricks_exp"
	}
	const flash, group = "--use_flash_attention: ", "--run_group: "
	const deepspeed = "testdata/deepspeed/auto.json: ZeRO stage 2, the optimiser offloaded to cpu; AdamW; its scheduler WarmupDecayLR as --lr_scheduler_type linear, with a warm-up in a line where DeepSpeed's is logarithmic; all else as the flags say (nothing is offloaded, and sharded over the processes that mpirun or srun start alone)"
	for _, test := range []struct {
		name, why string
		settings  Settings
		args      []string
		want      Settings
		notices   []string // their beginnings
		problems  []string
	}{
		{"README, databricks.rst: train_w_gt.py", "DeepSpeed's file is read and said once", &Train{Recipe: SFT}, slices.Concat(usual, mistral, files, []string{
			"--model_name_or_path", "mistralai/Mistral-7B-Instruct-v0.2", "--eval_embedding_model", "intfloat/e5-base-v2", "--output_dir", "model_checkpoints/databricks_exp"}),
			trained(SFT, func(c *Train) {
				asUsual(c)
				c.ModelNameOrPath, c.AssistantPrefix, c.UserPrefix = "mistralai/Mistral-7B-Instruct-v0.2", new("[/INST]"), new("<s>[INST]")
				c.SepUser, c.SepSys = new(" "), new("</s>")
			}), []string{flash, group, deepspeed}, nil},
		{"faire.rst: train_w_gt.py", "separators that are tokens", &Train{Recipe: SFT}, slices.Concat(usual, starling, files, []string{
			"--model_name_or_path", "berkeley-nest/Starling-LM-7B-alpha", "--eval_embedding_model", "intfloat/e5-base-v2", "--output_dir", "model_checkpoints/databricks_exp"}),
			trained(SFT, func(c *Train) {
				asUsual(c)
				c.ModelNameOrPath, c.AssistantPrefix, c.UserPrefix = "berkeley-nest/Starling-LM-7B-alpha", new("GPT4 Correct Assistant"), new("GPT4 Correct User")
				c.SepUser, c.SepSys = new("<|end_of_turn|>"), new("<|end_of_turn|>")
			}), []string{flash, group, deepspeed}, nil},
		{"sft.rst: train_w_gt.py", "the short form", &Train{Recipe: SFT}, slices.Concat(batches, mistral, files, []string{
			"--model_name_or_path", "mistralai/Mistral-7B-Instruct-v0.2", "--eval_embedding_model", "intfloat/e5-base-v2", "--output_dir", "model_checkpoints/my_SFT_qa_model"}),
			trained(SFT, func(c *Train) {
				c.ModelNameOrPath, c.AssistantPrefix, c.UserPrefix = "mistralai/Mistral-7B-Instruct-v0.2", new("[/INST]"), new("<s>[INST]")
				c.SepUser, c.SepSys = new(" "), new("</s>")
				c.EvalEmbeddingModel, c.OutputDir = "intfloat/e5-base-v2", "model_checkpoints/my_SFT_qa_model"
			}), []string{flash}, nil},
		{"swr.rst: train_w_fixed_retriever.py", "one embedding model for both", &Train{Recipe: SwR}, slices.Concat(batches, files, []string{
			"--assistant_prefix", "ASSISTANT", "--user_prefix", "USER", "--sep_user", " ", "--sep_sys", "</s>",
			"--model_name_or_path", "lmsys/vicuna-7b-v1.5", "--embedding_model", "intfloat/e5-base-v2", "--embedding_max_num_to_retrieve", "3", "--output_dir", "model_checkpoints/my_SwR_qa_model"}),
			trained(SwR, func(c *Train) {
				c.ModelNameOrPath, c.EmbeddingModel, c.EvalEmbeddingModel = "lmsys/vicuna-7b-v1.5", "intfloat/e5-base-v2", "intfloat/e5-base-v2"
				c.AssistantPrefix, c.UserPrefix, c.SepUser, c.SepSys = new("ASSISTANT"), new("USER"), new(" "), new("</s>")
				c.OutputDir = "model_checkpoints/my_SwR_qa_model"
			}), []string{flash}, nil},
		{"fid.rst: train_w_gt_fid.py", "the same for an encoder-decoder", &Train{Recipe: FiD}, slices.Concat(batches[2:], files, []string{
			"--model_name_or_path", "lmsys/fastchat-t5-3b-v1.0", "--embedding_model", "intfloat/e5-base-v2", "--embedding_max_num_to_retrieve", "3", "--output_dir", "model_checkpoints/my_SwR_qa_model"}),
			trained(FiD, func(c *Train) {
				c.ModelNameOrPath, c.EmbeddingModel, c.EvalEmbeddingModel = "lmsys/fastchat-t5-3b-v1.0", "intfloat/e5-base-v2", "intfloat/e5-base-v2"
				c.OutputDir = "model_checkpoints/my_SwR_qa_model"
			}), nil, nil},
		{"evaluation.rst: test_e2e.py", "the script's own names", &Eval{}, []string{
			"--qa_model_name_or_path", "lmsys/vicuna-7b-v1.5", "--embedding_model_name_or_path", "intfloat/e5-base-v2", "--document_path", "example/documents.pkl",
			"--index_path", "example/index", "--eval_data_path", "example/test_w_qa.jsonl", "--gen_gpt4eval", "false", "--output_dir", "example/e2e"},
			evaluated(func(c *Eval) { c.ModelNameOrPath = "lmsys/vicuna-7b-v1.5" }), nil, nil},
		{"fid: test_e2e.py", "which kind of model it is stands in its config.json", &Eval{}, []string{
			"--qa_model_name_or_path", "model", "--qa_is_fid", "true", "--embedding_model_name_or_path", "intfloat/e5-base-v2", "--document_path", "example/documents.pkl",
			"--index_path", "example/index", "--eval_data_path", "example/test_w_qa.jsonl", "--batch_size", "4", "--output_dir", "example/e2e"},
			evaluated(func(c *Eval) { c.ModelNameOrPath, c.PerDeviceEvalBatchSize = "model", 4 }), []string{"--qa_is_fid: "}, nil},
		{"databricks.rst: test_e2e.py", "a checkpoint with its wording", &Eval{}, slices.Concat(mistral, []string{
			"--qa_model_name_or_path", "example/sft/checkpoint-90", "--embedding_model_name_or_path", "intfloat/e5-base-v2", "--document_path", "example/documents.pkl",
			"--index_path", "example/index", "--eval_data_path", "example/test_w_qa.jsonl", "--output_dir", "example/e2e"}),
			evaluated(func(c *Eval) {
				c.ModelNameOrPath, c.AssistantPrefix, c.UserPrefix = "example/sft/checkpoint-90", new("[/INST]"), new("<s>[INST]")
				c.SepUser, c.SepSys = new(" "), new("</s>")
			}), nil, nil},
		{"databricks.rst: test_e2e.py with OpenAI's models", "models behind an endpoint are not evaluated here", &Eval{}, []string{
			"--qa_model_name_or_path", "gpt-4-1106-preview", "--embedding_model_name_or_path", "text-embedding-ada-002", "--document_path", "example/documents.pkl",
			"--index_path", "example/openai/index", "--eval_data_path", "example/test_w_qa.jsonl", "--output_dir", "example/openai/e2e"}, nil, nil, []string{
			"model_name_or_path: \"gpt-4-1106-preview\" found, a model behind OpenAI's endpoint", "eval_embedding_model: \"text-embedding-ada-002\" found, a model behind OpenAI's endpoint"}},
		{"acc_frameworks.rst: test_e2e.py", "nor are servers", &Eval{}, []string{
			"--qa_model_name_or_path", "sglang::http://localhost:3000/generate", "--embedding_model_name_or_path", "intfloat/e5-base-v2", "--document_path", "example/documents.pkl",
			"--index_path", "example/index", "--eval_data_path", "example/test_w_qa.jsonl", "--output_dir", "example/e2e"}, nil, nil, []string{
			"model_name_or_path: \"sglang::http://localhost:3000/generate\" found, a model behind a server"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			switch s := test.settings.(type) {
			case *Train:
				*s = DefaultTrain(s.Recipe)
			case *Eval:
				*s = DefaultEval()
			}
			notices, err := Parse(test.settings, test.args)
			matchProblems(t, err, test.problems)
			if test.problems != nil {
				return
			}
			if diff := cmp.Diff(test.want, test.settings); diff != "" {
				t.Errorf("%s: %s", test.why, diff)
			}
			if !slices.EqualFunc(notices, test.notices, strings.HasPrefix) {
				t.Errorf("%s: notices %q; %q expected", test.why, notices, test.notices)
			}
		})
	}
}

func TestDeepSpeed(t *testing.T) {
	dir := t.TempDir()
	write := func(content string) string {
		path := filepath.Join(dir, "ds.json")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		name, why string
		file      string // a path in testdata, or JSON
		args      []string
		want      func(*Train)
		notice    string
		problems  []string
	}{
		{"numbers", "what it asks for is taken over where no flag says it", "testdata/deepspeed/numbers.json", nil, func(c *Train) {
			c.PerDeviceTrainBatchSize, c.GradientAccumulationSteps, c.MaxGradNorm, c.WeightDecay = 2, 32, 0.5, 0.1
			c.LearningRate, c.AdamBeta1, c.AdamBeta2, c.AdamEpsilon, c.WarmupSteps, c.LRSchedulerType = 3e-5, 0.8, 0.95, 1e-6, 12, "cosine"
			c.ZeroStage = 2 // the most that there is
		}, `numbers.json: ZeRO stage 3, the optimiser offloaded to nvme, the weights offloaded to cpu; AdamW; its scheduler WarmupCosineLR as --lr_scheduler_type cosine, with a warm-up in a line where DeepSpeed's is logarithmic; taken over: per_device_train_batch_size 2, max_grad_norm 0.5, bf16 true, learning_rate 3e-05, adam_epsilon 1e-06, weight_decay 0.1, warmup_steps 12, adam_beta1 0.8, adam_beta2 0.95, gradient_accumulation_steps 32; ignored, since gorqa does not know it: ulysses (`, nil},
		{"devices", "the rows of a step are those of all its devices", `{"train_batch_size": 64}`, []string{"--per_device_train_batch_size", "4", "--gradient_accumulation_steps", "2"},
			func(c *Train) { c.PerDeviceTrainBatchSize, c.GradientAccumulationSteps = 4, 16 }, "taken over: gradient_accumulation_steps 16 (2 there, on 8 devices)", nil},
		{"scheduler given", "the flag wins, and that is said", "testdata/deepspeed/auto.json", []string{"--lr_scheduler_type", "polynomial"},
			func(c *Train) { c.LRSchedulerType, c.ZeroStage = "polynomial", 2 }, "--lr_scheduler_type polynomial in the place of its scheduler WarmupDecayLR", nil},
		{"JSON itself", "as transformers takes it", "{\"zero_optimization\": {\"stage\": 1}}", nil, func(c *Train) { c.ZeroStage = 1 }, "ZeRO stage 1; all else as the flags say", nil},
		{"equal", "both may say the same", `{"gradient_clipping": 1.0, "optimizer": {"type": "AdamW", "params": {"lr": 1e-5}}}`, []string{"--learning_rate", "1e-05", "--max_grad_norm", "1"}, func(*Train) {}, "AdamW", nil},
		{"conflicts", "all together, as transformers has them", `{"gradient_clipping": 2, "optimizer": {"type": "AdamW", "params": {"lr": 1e-4}}}`, []string{"--learning_rate", "1e-5", "--max_grad_norm", "1"}, nil, "", []string{
			"ds.json: gradient_clipping: 2 found with --max_grad_norm 1; the same expected, or \"auto\" in the file", "ds.json: optimizer.params.lr: 0.0001 found with --learning_rate 1e-05"}},
		{"not had", "each is named", `{"optimizer": {"type": "Lamb"}, "scheduler": {"type": "OneCycle"}, "fp16": {"enabled": true}, "sparse_attention": {"mode": "fixed"}, "train_micro_batch_size_per_gpu": "many"}`, nil, nil, "", []string{
			"ds.json: train_micro_batch_size_per_gpu: many found; a number or \"auto\" expected", "ds.json: fp16.enabled: true found; gorqa does not compute in float16", `ds.json: optimizer.type: "Lamb" found`,
			`ds.json: scheduler.type: "OneCycle" found; WarmupCosineLR, WarmupDecayLR or WarmupLR expected`, "ds.json: sparse_attention: found, which would change what is learnt"}},
		{"Adam with L2", "is not AdamW", `{"optimizer": {"type": "Adam", "params": {"adam_w_mode": false}}}`, nil, nil, "", []string{`ds.json: optimizer.type: "Adam" found; AdamW expected`}},
		{"odd batch", "no multiple", `{"train_batch_size": 7}`, []string{"--per_device_train_batch_size", "4"}, nil, "", []string{"ds.json: train_batch_size: 7 found with --per_device_train_batch_size 4; a multiple of it expected"}},
		{"broken", "with its line", "{\n\"bf16\": {\"enabled\": tru}}", nil, nil, "", []string{"ds.json:2: invalid character '}'"}},
		{"cut off", "as a copy that stopped", "{\n\"bf16\": {", nil, nil, "", []string{"ds.json:2: the end found; more JSON"}},
		{"no object", "a list", "[1]", nil, nil, "", []string{"ds.json:1: a list found; an object expected"}},
		{"two", "nothing is ignored", "{} {}", nil, nil, "", []string{"ds.json:1: more found after the closing }"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := test.file
			if !strings.HasPrefix(path, "testdata/") && test.name != "JSON itself" {
				path = write(test.file)
			}
			got := DefaultTrain(SFT)
			base := []string{"--model_name_or_path", "m", "--train_file", "t", "--do_eval", "false", "--output_dir", "o"}
			notices, err := Parse(&got, slices.Concat(base, []string{"--deepspeed", path}, test.args))
			if err != nil {
				err = trimmed{err, dir + string(filepath.Separator)}
			}
			matchProblems(t, err, test.problems)
			if test.problems != nil {
				return
			}
			want := DefaultTrain(SFT)
			want.ModelNameOrPath, want.TrainFile, want.DoEval, want.OutputDir = "m", "t", false, "o"
			test.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", test.why, diff)
			}
			if len(notices) != 1 || !strings.Contains(notices[0], test.notice) {
				t.Errorf("%s: notices %q; one with %q expected", test.why, notices, test.notice)
			}
			// What was taken over is what the run's settings file says.
			file := filepath.Join(dir, "all_args.json")
			if err := Write(file, &got); err != nil {
				t.Fatal(err)
			}
			again := DefaultTrain(SFT)
			if said, err := Parse(&again, []string{"--config", file}); err != nil || said != nil || !cmp.Equal(got, again) {
				t.Errorf("from its file: %v %v %s", said, err, cmp.Diff(got, again))
			}
		})
	}
}

// trimmed is an error without the name of the test's folder.
type trimmed struct {
	error
	dir string
}

func (e trimmed) Error() string { return strings.ReplaceAll(e.error.Error(), e.dir, "") }

func FuzzDeepSpeed(f *testing.F) {
	for _, seed := range []string{"{}", `{"optimizer": {"params": {"betas": [1]}}, "train_batch_size": 1e99}`, `{"bf16": 3, "scheduler": []}`, "null", "{\"a\"\n"} {
		f.Add([]byte(seed))
	}
	place := regexp.MustCompile(`^ds.json:`)
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := readDeepSpeed("ds.json", data)
		if err != nil {
			if !place.MatchString(err.Error()) {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		c := DefaultTrain(SFT)
		said, problems := d.apply(newSet(&c))
		if len(said) == 0 && len(problems) == 0 {
			t.Fatal("nothing said")
		}
	})
}
