package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorqa/arch/llama"
	"gorqa/fetch"
	"gorqa/godoc"
	"gorqa/weights"
)

// smallModel writes a llama of two narrow layers with random weights and
// SmolLM2's tokenizer.
func smallModel(ctx context.Context, dir string) (err error) {
	path, err := fetch.Model(ctx, "SmolLM2-135M-Instruct", fetch.Options{})
	if err != nil {
		return err
	}
	source, err := weights.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	var config map[string]any
	if err := json.Unmarshal(source.Config(), &config); err != nil {
		return err
	}
	for key, v := range map[string]int{
		"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
		"head_dim": 8, "intermediate_size": 32,
	} {
		config[key] = v
	}
	data, err := json.Marshal(config)
	if err != nil {
		return err
	}
	c, err := llama.ParseConfig(data)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	s := weights.Saved{Config: data, DType: weights.F32, Files: source.Files()}
	if s.Files["tokenizer.json"], err = source.Tokenizer(); err != nil {
		return err
	}
	for _, w := range c.Weights() {
		n := 1
		for _, d := range w.Dims {
			n *= d
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = float32(random.NormFloat64() * 0.1)
		}
		s.Tensors = append(s.Tensors, weights.Tensor{
			Name: w.Name, DType: weights.F32, Shape: w.Dims, Data: func() (any, error) { return values, nil },
		})
	}
	return weights.Save(ctx, dir, s)
}

// smallData writes a data set of some pages of Go's documentation.
func smallData(t *testing.T, dir string) {
	t.Helper()
	goroot, err := godoc.Goroot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opt := godoc.DefaultOptions()
	opt.Train, opt.Eval, opt.Test, opt.Documents = 60, 1, 1, 100
	set, err := godoc.Build(t.Context(), goroot, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Write(dir); err != nil {
		t.Fatal(err)
	}
}

// trainCommand is gorqa train sft in a process of its own, this test binary
// acting as gorqa.
func trainCommand(t *testing.T, dir, out string, more ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{
		"train", "sft", "--model_name_or_path", filepath.Join(dir, "model"),
		"--train_file", filepath.Join(dir, godoc.TrainFile), "--do_eval", "false", "--load_best_model_at_end", "false",
		"--output_dir", filepath.Join(dir, out), "--sep_sys", "<|im_end|>", "--num_train_epochs", "2",
		"--per_device_train_batch_size", "2", "--learning_rate", "1e-2", "--save_steps", "2", "--save_total_limit", "2",
		"--logging_steps", "1", "--weight_decay", "0.1",
	}, more...)...)
	cmd.Args[0] = "gorqa" // testscript.Main runs main by this name
	return cmd
}

// hash is the content of a run's trained model.
func hash(t *testing.T, dir, out string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, out, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// TestKilledRunsGoOn kills a training run with SIGKILL at twenty random
// moments, each time resumes it, and expects the weights of a run that was
// left alone, bit for bit.
func TestKilledRunsGoOn(t *testing.T) {
	dir := t.TempDir()
	if err := smallModel(t.Context(), filepath.Join(dir, "model")); err != nil {
		t.Fatal(err)
	}
	smallData(t, dir)
	if out, err := trainCommand(t, dir, "whole").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := hash(t, dir, "whole")

	random := rand.New(rand.NewPCG(3, 4))
	kills := 0
	for try := 0; ; try++ {
		cmd := trainCommand(t, dir, "killed", "--resume_from_checkpoint", "true")
		if kills == 20 {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			break
		}
		if killed, said := killAfter(t, cmd, random); killed {
			kills++
		} else if _, err := os.Stat(filepath.Join(dir, "killed", "model.safetensors")); err != nil {
			t.Fatalf("try %d ended by itself without a model:\n%s", try, said)
		} else if err := os.RemoveAll(filepath.Join(dir, "killed")); err != nil { // done before the blow: once more from the start
			t.Fatal(err)
		}
	}
	if got := hash(t, dir, "killed"); got != want {
		t.Errorf("after %d kills the weights differ from those of a run left alone", kills)
	}
	left, err := filepath.Glob(filepath.Join(dir, "killed", ".gorqa*"))
	if err != nil || len(left) > 0 {
		t.Errorf("half-made checkpoints are left: %v %v", left, err)
	}
}

// killAfter starts a run, waits for its first step or less, then a random
// moment, and kills it. killed is false where the run was done before.
func killAfter(t *testing.T, cmd *exec.Cmd, random *rand.Rand) (killed bool, said string) {
	t.Helper()
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	lines := bufio.NewScanner(io.TeeReader(pipe, &log))
	early := random.IntN(5) == 0 // now and then before the first step
	for lines.Scan() && !early && !strings.HasPrefix(lines.Text(), "step ") {
	}
	time.Sleep(time.Duration(random.IntN(700)) * time.Millisecond)
	killErr := cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, pipe) // the rest of what it said
	err = cmd.Wait()
	return killErr == nil && err != nil && fmt.Sprint(err) == "signal: killed", log.String()
}
