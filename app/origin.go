package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/config"
	"gorqa/files/modelfile"
	"gorqa/qa"
	"gorqa/tensor/train"
	"gorqa/text/dataset"
)

// freeSettings do not decide what a run's weights become, or their content does
// and not their text: where things lie, what is shown, saved and evaluated when,
// how the same is computed. Every other setting must stay when a run goes on.
var freeSettings = []string{
	"model_name_or_path", "model_revision", "adapter_name_or_path", "config_name", "tokenizer_name", "embedding_model",
	"train_file", "eval_file", "test_file", "on_bad_rows", "on_overflow", "full_dataset_file_path", "full_dataset_index_path", "eval_embedding_model",
	"cache_dir", "offline", "backend", "gradient_checkpointing", "optim",
	"per_device_train_batch_size", "gradient_accumulation_steps", // their product with the processes stays
	"per_device_eval_batch_size", "prompt_lookup_num_tokens", "do_train", "do_eval", "eval_strategy", "eval_steps", "eval_on_start", "test_on_start",
	"output_dir", "overwrite_output_dir", "resume_from_checkpoint", "save_strategy", "save_steps", "save_total_limit", "load_best_model_at_end",
	"logging_steps", "log_all_ranks", "ddp_timeout", "zero_stage", "report_to", "disable_tqdm", "write_predictions", "gen_gpt4eval", "judge_model",
}

// scoreSettings decide what an evaluation's scores are, and not the weights.
var scoreSettings = []string{
	"metric_for_best_model", "greater_is_better", "eval_contexts", "eval_retriever", "eval_k", "eval_max_new_tokens", "do_sample", "temperature", "top_p", "top_k", "num_beams",
}

// originOf is what a run is made of, as far as it is known before anything is
// loaded: settings, rows, documents and the models that lie on this disk.
func originOf(ctx context.Context, c *config.Train, processes int, training, eval []dataset.Example) (train.Origin, error) {
	o := train.Origin{Training: train.Facts{}, Scoring: train.Facts{}}
	data, err := config.Resolved(c)
	if err != nil {
		return o, err
	}
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(data, &settings); err != nil {
		return o, err
	}
	byLoss := c.BestMetric() == "eval_loss"
	for name, value := range settings {
		fact := train.Fact{Value: string(value)}
		switch {
		case slices.Contains(freeSettings, name), strings.HasPrefix(name, "lora_") && !c.UsePEFT:
		case !slices.Contains(scoreSettings, name):
			o.Training[name] = fact
		case !byLoss:
			o.Scoring[name] = fact
		}
	}
	o.Training["recipe"] = train.Fact{Value: c.Recipe}
	o.Training["rows of a step (per_device_train_batch_size × gradient_accumulation_steps × processes)"] = train.Fact{Value: fmt.Sprint(c.RowsPerStep() * processes)}
	o.Scoring["metric_for_best_model"] = train.Fact{Value: c.BestMetric()}
	o.Scoring["greater_is_better"] = train.Fact{Value: fmt.Sprint(c.HigherWins())}
	var errs [2]error
	o.Training["train_file"], errs[0] = rowsFact(training, c.TrainFile)
	o.Scoring["eval_file"], errs[1] = rowsFact(eval, c.EvalFile)
	if err := errors.Join(errs[:]...); err != nil {
		return o, err
	}
	return o, addContents(ctx, o, c)
}

// rowsFact is what a file's rows hold.
func rowsFact(examples []dataset.Example, path string) (train.Fact, error) {
	h := sha256.New()
	err := dataset.WriteExamples(h, examples)
	return train.Fact{Value: fmt.Sprintf("%d rows of %s", len(examples), path), Hash: hex.EncodeToString(h.Sum(nil))}, err
}

// addContents adds what of files and folders a run reads, to what it trains by or
// scores by.
func addContents(ctx context.Context, o train.Origin, c *config.Train) (err error) {
	byLoss := c.BestMetric() == "eval_loss"
	if c.FullDatasetFilePath != "" && (c.Augments() && c.RetrievalPool != config.Gold || c.Retrieves() && !byLoss) {
		fact, err := contentOf(ctx, c.FullDatasetFilePath, math.MaxInt64)
		if err != nil {
			return err
		}
		if o.Scoring["full_dataset_file_path"] = fact; c.Augments() {
			o.Training["full_dataset_file_path"] = fact
		}
	}
	for _, in := range inputs(ctx, c) {
		facts := o.Training
		switch setting := in[0]; {
		case setting == "embedding_model" && !c.Augments():
			continue
		case setting == "eval_embedding_model":
			if facts = o.Scoring; byLoss || !c.Retrieves() {
				continue
			}
		}
		if facts[in[0]], err = contentOf(ctx, in[1], sampledBytes); err != nil {
			return err
		}
	}
	return nil
}

// readParts are the files of a model's folder that a run reads.
var readParts = append([]string{
	"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json", "chat_template.jinja", "gorqa_prompt.json", "fid.json",
	"modules.json", "config_sentence_transformers.json", "sentence_bert_config.json", "vocab.txt",
}, modelPatterns...)

// contentOf says what a file holds, or what of a model's folder a run reads; of
// files above so many bytes, a sample.
func contentOf(ctx context.Context, path string, most int64) (train.Fact, error) {
	fact := train.Fact{Value: path}
	h := sha256.New()
	info, err := os.Stat(path)
	if err != nil {
		return fact, err
	}
	files := []string{path}
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return fact, err
		}
		files = nil
		for _, e := range entries {
			of := func(pattern string) bool { ok, _ := filepath.Match(pattern, e.Name()); return ok }
			if slices.ContainsFunc(readParts, of) {
				files = append(files, filepath.Join(path, e.Name()))
			}
		}
	}
	for _, file := range files {
		if info.IsDir() {
			fmt.Fprintf(h, "%s\n", filepath.Base(file))
		}
		if err := hashFile(ctx, h, file, most); err != nil {
			return fact, err
		}
	}
	fact.Hash = hex.EncodeToString(h.Sum(nil))
	return fact, nil
}

// The sample of a model's file above sampledBytes is so many pieces of so many
// bytes, evenly spread: models that differ do so all over, and seventy gigabytes
// need not be read for that before every run.
const (
	sampledBytes = 64 << 20
	pieces       = 256
	pieceBytes   = 64 << 10
)

// hashFile adds the length and the content of a file to a hash; above most bytes,
// a sample.
func hashFile(ctx context.Context, h io.Writer, path string, most int64) error {
	f, size, err := modelfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintf(h, "%d\n", size)
	if size <= most {
		_, err := io.Copy(h, f)
		return err
	}
	piece := make([]byte, pieceBytes)
	for i := range int64(pieces) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := f.ReadAt(piece, (size-pieceBytes)/(pieces-1)*i); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if _, err := h.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// tokensOf is the rows as they are trained: whatever changed in tokenizer,
// prompt or passages shows here.
func tokensOf(r qa.Rows) train.Fact {
	return train.Fact{Value: fmt.Sprintf("%d rows", len(r.Index)), Hash: r.Hash}
}
