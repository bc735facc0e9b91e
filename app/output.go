package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/config"
	"gorqa/files/lock"
	"gorqa/files/modelfile"
	"gorqa/files/weights"
	"gorqa/files/wheel"
	"gorqa/files/whole"
	"gorqa/report"
	"gorqa/tensor/train"
)

// takeFolder makes an output folder where it is missing, and takes it for this
// process alone. release gives it back; a folder that was made and stayed empty is
// removed.
func takeFolder(dir string) (release func() error, err error) {
	made := !modelfile.Exists(dir)
	if err := whole.CheckFolder(dir); err != nil {
		return nil, fmt.Errorf("output_dir: %w", err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("output_dir: %w", err)
	}
	unlock, err := lock.Folder(dir)
	if err != nil {
		return nil, fmt.Errorf("output_dir: %w", err)
	}
	return func() error {
		err := unlock()
		if made {
			_ = os.Remove(dir) // which does nothing where something lies in it
		}
		return err
	}, nil
}

// modelPatterns are the names of a model's or an adapter's files.
var modelPatterns = []string{
	"config.json", "adapter_config.json", "*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin", "adapter_model.bin", "*.gguf",
	"tokenizer.json", "tokenizer.model", "spiece.model",
}

// held is what lies in a folder that a command must not write over.
type held struct {
	checkpoints []string // folders
	model       []string // names of a model's files
	scores      []string // names of the files of a finished evaluation
	trained     bool     // a run of gorqa train lies there that came as far as a figure
}

func look(dir string) (h held, err error) {
	if h.checkpoints, err = train.Checkpoints(dir); err != nil {
		return h, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return h, err
	}
	for _, e := range entries {
		name := e.Name()
		of := func(pattern string) bool { ok, _ := filepath.Match(pattern, name); return ok }
		switch {
		case slices.ContainsFunc(modelPatterns, of):
			h.model = append(h.model, name)
		case name == scoreFile, name == predictionsName:
			h.scores = append(h.scores, name)
		case of("step-*-eval-predictions.jsonl"), name == beforeName:
			h.trained = true
		}
	}
	var args map[string]json.RawMessage
	if data, err := modelfile.Read(filepath.Join(dir, argsFile), maxArgs); err == nil && json.Unmarshal(data, &args) == nil {
		_, trains := args["do_train"] // which gorqa eval does not have
		figures, err := os.Stat(filepath.Join(dir, report.MetricsFile))
		h.trained = h.trained || trains && err == nil && figures.Size() > 0
	}
	return h, nil
}

// maxArgs bounds a run's settings.
const maxArgs = 1 << 20

// run says what of a run that is worth keeping a folder holds, "" for nothing.
func (h held) run() string {
	var what []string
	if n := len(h.checkpoints); n > 0 {
		what = append(what, "the checkpoints of another run, the last one "+filepath.Base(h.checkpoints[n-1]))
	}
	if len(h.model) > 0 {
		what = append(what, "a model ("+strings.Join(h.model[:min(3, len(h.model))], ", ")+")")
	}
	if len(h.scores) > 0 {
		what = append(what, "an evaluation ("+strings.Join(h.scores, ", ")+")")
	}
	return strings.Join(what, ", and ")
}

// guardEvaluation refuses to evaluate into a folder that holds a training run or a
// model: their files have the names of the evaluation's. An evaluation that lies
// there is replaced, as warning says.
func guardEvaluation(dir string) (warning string, err error) {
	h, err := look(dir)
	if err != nil {
		return "", err
	}
	switch what := h.run(); {
	case len(h.checkpoints) > 0 || len(h.model) > 0:
		return "", fmt.Errorf("output_dir: %s holds %s; a folder without a run or a model expected, since files would be written over; choose another folder, %s for instance", dir, what, filepath.Join(dir, "eval"))
	case h.trained:
		return "", fmt.Errorf("output_dir: %s holds a run of gorqa train, as its %s says; a folder without a run expected, since files would be written over; choose another folder, %s for instance", dir, argsFile, filepath.Join(dir, "eval"))
	case what != "":
		return fmt.Sprintf("%s holds %s; this one takes its place", dir, what), nil
	}
	return "", nil
}

// inputs are the folders of models on this disk that a run reads, by the setting
// that names them.
func inputs(ctx context.Context, c *config.Train) (folders [][2]string) {
	add := func(setting, name string) {
		if path := onDisk(name); path != "" {
			folders = append(folders, [2]string{setting, path})
			if weights.IsAdapter(path) {
				if lora, err := weights.ReadLoRA(ctx, path); err == nil && onDisk(lora.Base) != "" {
					folders = append(folders, [2]string{setting + "'s base model", onDisk(lora.Base)})
				}
			}
		}
	}
	add("model_name_or_path", c.ModelNameOrPath)
	add("adapter_name_or_path", c.AdapterNameOrPath)
	add("config_name", c.ConfigName)
	add("tokenizer_name", c.TokenizerName)
	add("embedding_model", c.EmbeddingModel)
	add("eval_embedding_model", c.EvalEmbeddingModel)
	add("reranker", c.Reranker)
	return folders
}

// onDisk is where a model lies that needs no hub: a path, or a name that fetch
// knows; "" for none.
func onDisk(name string) string {
	if name == "" {
		return ""
	}
	if modelfile.Exists(name) {
		return name
	}
	dir, err := wheel.Cache()
	if err != nil {
		return ""
	}
	for _, k := range wheel.Models() {
		if path := filepath.Join(dir, k.Path); k.Name == name && modelfile.Exists(path) {
			return path
		}
	}
	return ""
}

// guardInput refuses an output folder that is the folder of a model which the run
// reads, whatever overwrite_output_dir says: the weights would be replaced while
// they are needed, by the run itself or by the one that goes on from its
// checkpoints. Checkpoints come and go, so a model in one of the output folder's
// is refused, too.
func guardInput(dir, setting, model string) error {
	info, err := os.Stat(model)
	if err != nil {
		return nil // who reads it says what is wrong
	}
	if !info.IsDir() {
		model = filepath.Dir(model)
	}
	bad := ""
	if sameFile(dir, model) {
		bad = "is the folder of"
	} else if all, err := train.Checkpoints(dir); err == nil && slices.ContainsFunc(all, func(c string) bool { return sameFile(c, model) }) {
		bad = "has among its checkpoints"
	}
	if bad == "" {
		return nil
	}
	return fmt.Errorf("output_dir: %s %s %s (%s), which the run reads; it would be written over, with or without --overwrite_output_dir; choose another folder", dir, bad, model, setting)
}

// sameFile says whether two paths lead to one file or folder.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
