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
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gorqa/files/weights"
	"gorqa/files/wheel"
	"gorqa/qa"
	"gorqa/tensor/arch/llama"
	"gorqa/text/demodata"
)

// smallModel writes a llama of two narrow layers with random weights and
// SmolLM2's tokenizer.
func smallModel(ctx context.Context, dir string) (err error) {
	path, err := wheel.Model(ctx, "SmolLM2-135M-Instruct", wheel.Options{})
	if err != nil {
		return err
	}
	source, err := qa.OpenModel(ctx, path)
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
	goroot, err := demodata.Goroot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opt := demodata.DefaultOptions()
	opt.Train, opt.Eval, opt.Test, opt.Documents = 60, 1, 1, 100
	set, err := demodata.Build(t.Context(), goroot, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Write(dir, false); err != nil {
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
		"--train_file", filepath.Join(dir, demodata.TrainFile), "--do_eval", "false", "--load_best_model_at_end", "false",
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

// TestRunsThatAreStopped stops runs from outside, and lets their console go.
func TestRunsThatAreStopped(t *testing.T) {
	dir := t.TempDir()
	if err := smallModel(t.Context(), filepath.Join(dir, "model")); err != nil {
		t.Fatal(err)
	}
	smallData(t, dir)
	for _, test := range []struct {
		name, why string
		nohup     bool
		deaf      bool // the console's reader goes away
		signals   []syscall.Signal
		codes     []int // any of them is right
	}{
		{"ctrl-c", "the step is finished and saved", false, false, []syscall.Signal{syscall.SIGINT}, []int{130}},
		{"sigterm", "so stop batch systems", false, false, []syscall.Signal{syscall.SIGTERM}, []int{143}},
		{"sighup", "so stop terminals that are closed, and often twice", false, false, []syscall.Signal{syscall.SIGHUP, syscall.SIGHUP}, []int{129}},
		// Two signals that wait at once are delivered in any order (POSIX, signal concepts).
		{"end of a session", "each of its signals asks once", false, true, []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM}, []int{129, 143}},
		{"nohup", "is there to be deaf to it", true, false, []syscall.Signal{syscall.SIGHUP}, []int{0}},
		{"closed pipe", "train 2>&1 | head", false, true, nil, []int{0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := strings.ReplaceAll(test.name, " ", "-")
			more := []string{"--num_train_epochs", "30", "--save_total_limit", "1", "--max_steps", "100000"}
			whole := test.codes[0] == 0
			if whole {
				more = []string{"--max_steps", "20"}
			}
			cmd := trainCommand(t, dir, out, more...)
			if test.nohup {
				cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh"}, append([]string{"gorqa"}, cmd.Args[1:]...)...)
				sh, err := exec.LookPath("sh")
				if err != nil {
					t.Skip(err)
				}
				cmd.Path = sh
			}
			console, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
			var said bytes.Buffer
			lines := bufio.NewScanner(io.TeeReader(console, &said))
			for lines.Scan() && !strings.HasPrefix(lines.Text(), "step 3/") {
			}
			if test.deaf {
				if err := console.Close(); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range test.signals {
				if err := cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			_, _ = io.Copy(&said, console)
			err = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); !slices.Contains(test.codes, code) {
				t.Fatalf("%v, exit code %d; want one of %d: %s\n%s", err, code, test.codes, test.why, said.String())
			}
			data, err := os.ReadFile(filepath.Join(dir, out, "train.log"))
			if err != nil {
				t.Fatal(err)
			}
			log := string(data)
			if whole {
				if !strings.Contains(log, "step 20/20") || !strings.Contains(log, "Model saved in") {
					t.Errorf("%s: the log does not have the whole run:\n%s", test.why, log)
				}
				hash(t, dir, out)
				return
			}
			_, rest, found := strings.Cut(log, "its checkpoint is ")
			checkpoint, _, _ := strings.Cut(rest, ";")
			if _, err := os.Stat(filepath.Join(checkpoint, "trainer_state.json")); !found || err != nil {
				t.Errorf("%s: the log names no checkpoint that is there: %v\n%s", test.why, err, log)
			}
			if left, err := filepath.Glob(filepath.Join(dir, out, ".gorqa*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

// One process at a time trains in a folder; the second one leaves all as it is.
func TestOneRunInAFolder(t *testing.T) {
	dir := t.TempDir()
	if err := smallModel(t.Context(), filepath.Join(dir, "model")); err != nil {
		t.Fatal(err)
	}
	smallData(t, dir)
	first := trainCommand(t, dir, "out", "--max_steps", "100000")
	console, err := first.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(2*time.Minute, func() { _ = first.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(console)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "step 1/") {
	}
	for _, args := range [][]string{{"--overwrite_output_dir"}, {"--resume_from_checkpoint", "true"}} {
		said, err := trainCommand(t, dir, "out", args...).CombinedOutput()
		want := fmt.Sprintf("another process (process %d on ", first.Process.Pid)
		if err == nil || !strings.Contains(string(said), want) {
			t.Errorf("%v: %v; an error with %q expected:\n%s", args, err, want, said)
		}
	}
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, console)
	if _ = first.Wait(); first.ProcessState.ExitCode() != 130 {
		t.Errorf("the first one ended with %d", first.ProcessState.ExitCode())
	}
}
