package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gorqa/files/weights"
	"gorqa/internal/worldtest"
	"gorqa/text/demodata"
)

// tinyT5 is the configuration of an encoder-decoder with SmolLM2's tokenizer.
const tinyT5 = `{"model_type": "t5", "vocab_size": 49152, "d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_decoder_layers": 1, "num_heads": 2,
 "relative_attention_num_buckets": 8, "relative_attention_max_distance": 16, "feed_forward_proj": "gated-gelu", "dropout_rate": 0.0,
 "tie_word_embeddings": false, "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 2}`

// worldRun is a training of ten steps that processes share.
type worldRun struct {
	name, why string
	args      []string
	file      string // what it leaves
}

func worldRuns(dir string) []worldRun {
	data := []string{"--train_file", filepath.Join(dir, demodata.TrainFile), "--do_eval", "false", "--load_best_model_at_end", "false",
		"--adam_epsilon", "1e-5", // weights with next to no gradient would move by what rounding makes of it
		"--max_steps", "10", "--learning_rate", "1e-2", "--save_steps", "5", "--save_total_limit", "0", "--logging_steps", "1", "--weight_decay", "0.1", "--bf16", "false"}
	sft := append([]string{"train", "sft", "--model_name_or_path", filepath.Join(dir, "model"), "--sep_sys", "<|im_end|>"}, data...)
	return []worldRun{
		{"full", "every weight of a decoder", sft, "model.safetensors"},
		{"LoRA", "an adapter alone", append(sft, "--use_peft", "true", "--lora_r", "4", "--lora_dropout", "0"), "adapter_model.safetensors"},
		{"FiD", "rows of passages", append([]string{"train", "fid", "--config_name", filepath.Join(dir, "t5.json"), "--tokenizer_name", filepath.Join(dir, "model")}, data...), "model.safetensors"},
	}
}

// worldData makes the model and the rows that worldRuns train on.
func worldData(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := smallModel(t.Context(), filepath.Join(dir, "model")); err != nil {
		t.Fatal(err)
	}
	smallData(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "t5.json"), []byte(tinyT5), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Several processes train as one does, stop together, and are refused or killed together.
func TestProcesses(t *testing.T) {
	dir := worldData(t)
	worldtest.Each(t, func(t *testing.T, m worldtest.MPI) {
		program := m.Build(t, ".", false)
		for _, run := range worldRuns(dir) {
			if run.name == "full" || m.Name == "openmpi" { // the rest is ours, whatever moves the bytes
				t.Run(run.name, func(t *testing.T) { asOne(t, m, program, run) })
			}
		}
		if m.Name != "openmpi" {
			return
		}
		for name, test := range map[string]func(*testing.T, worldtest.MPI, string, string){"stop and go on": stopAndGoOn, "differ": differ, "divided": divided, "searched": searched, "kill": kill, "index killed": indexKilled} {
			t.Run(name, func(t *testing.T) { test(t, m, program, dir) })
		}
	})
}

// asOne holds two and three processes against one: losses, gradient norms and weights.
func asOne(t *testing.T, m worldtest.MPI, program string, run worldRun) {
	train := func(name string, processes, rows int, more ...string) string {
		out := filepath.Join(t.TempDir(), name)
		m.Run(t, processes, program, slices.Concat(run.args, []string{"--output_dir", out, "--per_device_train_batch_size", fmt.Sprint(rows)}, more)...)
		return out
	}
	one, two := train("one", 1, 6), train("two", 2, 3)
	sameRun(t, run, one, two)
	sends(t, run, two)
	// What is divided makes no difference, to the bit, where a process has one micro-batch a
	// step and nothing is clipped. Three rows of FiD are several.
	whole, err := os.ReadFile(filepath.Join(train("unclipped", 2, 1, "--max_grad_norm", "0"), run.file))
	parts, errP := os.ReadFile(filepath.Join(train("divided, unclipped", 2, 1, "--max_grad_norm", "0", "--zero_stage", "2"), run.file))
	if err != nil || errP != nil || !bytes.Equal(whole, parts) {
		t.Errorf("stages 0 and 2 differ: %v %v: %s", err, errP, run.why)
	}
	if run.name != "full" || m.Name != "openmpi" {
		return
	}
	sameRun(t, run, one, train("three", 3, 2))
	a, errA := os.ReadFile(filepath.Join(two, run.file))
	b, errB := os.ReadFile(filepath.Join(train("again", 2, 3), run.file))
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("two runs of two processes differ: %v %v", errA, errB)
	}
	// What ZeRO divides is the same, and so are its checkpoints.
	divided := train("divided", 2, 3, "--zero_stage", "1")
	sameRun(t, run, one, divided)
	sameRun(t, run, one, train("gradients divided", 2, 3, "--zero_stage", "2", "--resume_from_checkpoint", filepath.Join(divided, "checkpoint-5")))
	sameRun(t, run, one, train("one again", 1, 6, "--resume_from_checkpoint", filepath.Join(divided, "checkpoint-5")))
}

// sends holds what a process of two sends in a step against the size of its weights: what is
// not its part of the gradients, and its part of their sum.
func sends(t *testing.T, run worldRun, out string) {
	t.Helper()
	f, err := weights.ReadSafetensors(filepath.Join(out, run.file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := 0.0
	for _, name := range f.Names() {
		values, err := f.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		want += 4 * float64(len(values))
	}
	for _, step := range stepsOf(t, out) {
		if got := step["comm_sent_gb"] * 1e9; math.Abs(got-want) > 0.5 {
			t.Errorf("%v bytes sent in a step; %v expected: %s", got, want, run.why)
		}
		if wait, all := step["comm_wait_seconds"], step["comm_seconds"]; all <= 0 || wait < 0 {
			t.Errorf("sums took %v s, of which the step waited %v: %s", all, wait, run.why)
		}
	}
}

// sameRun holds steps and weights of two runs against each other.
func sameRun(t *testing.T, run worldRun, a, b string) {
	t.Helper()
	near := func(what string, x, y float64) {
		if !(math.Abs(x-y) <= 1e-5*max(1, math.Abs(x))) {
			t.Errorf("%s: %s: %v and %v: %s", filepath.Base(b), what, x, y, run.why)
		}
	}
	x, y := stepsOf(t, a), stepsOf(t, b)
	if len(x) != 10 || len(y) != 10 && len(y) != 5 {
		t.Fatalf("%d and %d steps; 10 expected, or 5 of a run that went on", len(x), len(y))
	}
	x = x[10-len(y):]
	for i := range x {
		for _, key := range []string{"loss", "grad_norm", "learning_rate"} {
			near(fmt.Sprintf("step %d, %s", i+1, key), x[i][key], y[i][key])
		}
	}
	f, err := weights.ReadSafetensors(filepath.Join(a, run.file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := weights.ReadSafetensors(filepath.Join(b, run.file))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	for _, name := range f.Names() {
		v, errV := f.Float32(name)
		w, errW := g.Float32(name)
		if errV != nil || errW != nil || len(v) != len(w) {
			t.Fatalf("%s: %v %v", name, errV, errW)
		}
		worst := 0
		for i := range v {
			if math.Abs(float64(v[i]-w[i])) > math.Abs(float64(v[worst]-w[worst])) {
				worst = i
			}
		}
		near(name, float64(v[worst]), float64(w[worst]))
	}
}

// stepsOf reads the steps that a run left in metrics.jsonl.
func stepsOf(t *testing.T, out string) (steps []map[string]float64) {
	t.Helper()
	f, err := os.Open(filepath.Join(out, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var all map[string]any
		if err := json.Unmarshal(lines.Bytes(), &all); err != nil {
			t.Fatal(err)
		}
		step := map[string]float64{}
		for key, v := range all {
			if n, ok := v.(float64); ok {
				step[key] = n
			}
		}
		if _, ok := step["loss"]; ok {
			steps = append(steps, step)
		}
	}
	return steps
}
