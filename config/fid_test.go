package config

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// originalFiD is the command line of LocalRQA's documentation of its
// train_w_gt_fid.py, with its own two lengths.
var originalFiD = []string{
	"--per_device_train_batch_size", "4", "--per_device_eval_batch_size", "4",
	"--model_name_or_path", "lmsys/fastchat-t5-3b-v1.0", "--embedding_model", "intfloat/e5-base-v2",
	"--embedding_max_num_to_retrieve", "3", "--max_encoder_seq_length", "512", "--max_decoder_seq_length", "256",
	"--output_dir", "model_checkpoints/my_FiD_qa_model", "--train_file", "train_w_qa.jsonl", "--eval_file", "eval_w_qa.jsonl",
	"--test_file", "test_w_qa.jsonl", "--full_dataset_file_path", "documents.pkl", "--full_dataset_index_path", "index",
}

func TestFiD(t *testing.T) {
	tests := []struct {
		name, why string
		args      []string
		want      func(*Train)
		problems  []string
	}{
		{name: "the original's", why: "embedding_model retrieves for training and for evaluation", want: func(*Train) {}},
		{name: "gold alone", why: "without embedding_model it trains on the gold passages", args: []string{"--embedding_model", "", "--eval_embedding_model", "e"},
			want: func(c *Train) { c.EmbeddingModel, c.EvalEmbeddingModel = "", "e" }},
		{name: "by words", why: "no embedding model is needed", args: []string{"--embedding_model=", "--retriever", "bm25", "--eval_contexts", "gold,shuffled"},
			want: func(c *Train) {
				c.EmbeddingModel, c.EvalEmbeddingModel, c.Retriever, c.EvalRetriever, c.EvalContexts = "", "", BM25, BM25, []string{Gold, Shuffled}
			}},
		{name: "passages without a retriever", why: "what was asked for would not be done", args: []string{"--embedding_model=", "--eval_embedding_model", "e", "--gold_dropout", "0.5"},
			problems: []string{"embedding_model: missing"}},
		{name: "beams", why: "transformers' name", args: []string{"--num_beams", "4"}, want: func(c *Train) { c.NumBeams = 4 }},
		{name: "beams that draw", why: "are another search", args: []string{"--num_beams", "4", "--do_sample"}, problems: []string{"num_beams: 4 found with do_sample"}},
		{name: "random weights", why: "transformers' names for them; they word no question anew", args: []string{"--model_name_or_path=", "--config_name", "t5.json", "--tokenizer_name", "m"},
			want: func(c *Train) { c.ModelNameOrPath, c.ConfigName, c.TokenizerName, c.History = "", "t5.json", "m", Bare }},
		{name: "random weights and a model", why: "contradict each other", args: []string{"--config_name", "t5.json"}, problems: []string{`config_name: "t5.json" found beside model_name_or_path`}},
		{name: "another's tokenizer", why: "a model has its own", args: []string{"--tokenizer_name", "m"}, problems: []string{`tokenizer_name: "m" found without config_name`}},
		{name: "no length", why: "nothing would fit", args: []string{"--max_encoder_seq_length", "0"}, problems: []string{"--max_encoder_seq_length: 0 found; 1 or more expected"}},
		{name: "a decoder's", why: "named as another command's", args: []string{"--max_seq_length", "9", "--loss_on", "all"}, problems: []string{
			"--max_seq_length: a setting of another command", "--loss_on: a setting of another command"}},
		{name: "dropout", why: "refused with the reason", args: []string{"--dropout", "0.1"}, problems: []string{"--dropout: T5's is --dropout_rate"}},
		{name: "dropout rate", why: "is T5's own name", args: []string{"--dropout_rate", "0.1"}, want: func(c *Train) { c.DropoutRate = 0.1 }},
		{name: "everything dropped", why: "would leave nothing", args: []string{"--dropout_rate", "1"}, problems: []string{"dropout_rate: 1 found"}},
		{name: "dropout off", why: "is what happens", args: []string{"--dropout", "0.0"}, want: func(*Train) {}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := DefaultTrain(FiD)
			_, err := Parse(&got, append(slices.Clone(originalFiD), test.args...))
			matchProblems(t, err, test.problems)
			if test.problems != nil {
				return
			}
			want := DefaultTrain(FiD)
			want.PerDeviceTrainBatchSize, want.PerDeviceEvalBatchSize = 4, 4
			want.ModelNameOrPath, want.EmbeddingModel, want.EvalEmbeddingModel = "lmsys/fastchat-t5-3b-v1.0", "intfloat/e5-base-v2", "intfloat/e5-base-v2"
			want.MaxEncoderSeqLength, want.MaxDecoderSeqLength = 512, 256
			want.OutputDir = "model_checkpoints/my_FiD_qa_model"
			want.TrainFile, want.EvalFile, want.TestFile = "train_w_qa.jsonl", "eval_w_qa.jsonl", "test_w_qa.jsonl"
			want.FullDatasetFilePath, want.FullDatasetIndexPath = "documents.pkl", "index"
			test.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", test.why, diff)
			}
			if augments := want.EmbeddingModel != "" || want.Retriever == BM25; got.Augments() != augments {
				t.Errorf("%s: Augments %v", test.why, got.Augments())
			}
			// What the run leaves gives it again.
			file := filepath.Join(t.TempDir(), "all_args.json")
			if err := Write(file, &got); err != nil {
				t.Fatal(err)
			}
			again := DefaultTrain(FiD)
			if notices, err := Parse(&again, []string{file}); err != nil || notices != nil {
				t.Fatalf("notices %q, error %v", notices, err)
			}
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("read back: %s", diff)
			}
		})
	}
}

// Lengths and passages that are not given are left to the model's fid.json.
func TestFiDLeavesToTheModel(t *testing.T) {
	eval, ask := DefaultEval(), DefaultAsk()
	args := []string{"--model_name_or_path", "m", "--full_dataset_file_path", "d", "--eval_embedding_model", "e"}
	_, err := Parse(&ask, args)
	if err != nil {
		t.Error(err)
	}
	if _, err := Parse(&eval, append(args, "--test_file", "t", "--output_dir", "o")); err != nil {
		t.Error(err)
	}
	if eval.EvalK != 0 || eval.MaxEncoderSeqLength != 0 || ask.EvalK != 0 || ask.MaxEncoderSeqLength != 0 {
		t.Errorf("%+v\n%+v", eval, ask)
	}
	if _, err = Parse(&ask, append(args, "--eval_k", "2", "--max_encoder_seq_length", "9")); err != nil || ask.EvalK != 2 || ask.MaxEncoderSeqLength != 9 {
		t.Errorf("%+v, error %v", ask, err)
	}
}
