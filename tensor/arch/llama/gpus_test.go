package llama

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gorqa/batch"
	"gorqa/engine/nccl"
	"gorqa/engine/world"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/internal/worldtest"
	"gorqa/tensor/tape"
	"gorqa/tensor/train"
	"gorqa/tensor/train/schedule"
)

// gpuLibrary is the NCCL of a process that TestGPUs starts.
const gpuLibrary = "GORQA_LLAMA_TEST_NCCL"

// tenSteps are the losses, norms and weights of ten steps.
type tenSteps struct {
	losses, norms []float32
	weights       []float32
	sent          int64
}

// steps trains the tiny model for ten steps from the weights at first, each process on rows of
// its own.
func steps(t *testing.T, m *Model, r *tape.Runner, first [][]float32, w *world.World, gpus *nccl.Comm) tenSteps {
	t.Helper()
	for i, p := range r.Params.All() {
		if err := r.Params.SetHost(p, first[i]); err != nil {
			t.Fatal(err)
		}
	}
	b := rows(t, golden.Load(t, filepath.Join("testdata", "llama")), 80)
	for i := range b.Tokens {
		b.Tokens[i] = (b.Tokens[i] + int32(w.Rank())) % int32(m.Config.Vocabulary)
	}
	work := train.Work{Batches: train.MicroBatches(m.Loss, []*batch.Decoder{b, b}), Terms: 2 * b.Terms * w.Size()}
	var out tenSteps
	loop := train.Loop{
		Runner: r, Job: &enginetest.Job{Of: work, Each: func(s train.Step) {
			out.losses, out.norms, out.sent = append(out.losses, float32(s.Loss)), append(out.norms, float32(s.GradNorm)), s.Sent
		}},
		Adam: train.DefaultAdam(), Schedule: schedule.Schedule{Kind: "constant", Peak: 1e-2, Steps: 10}, World: w, GPUs: gpus,
	}
	if err := loop.Run(context.Background(), ""); err != nil {
		t.Fatal(err)
	}
	out.weights = slices.Concat(weightsOf(t, r)...)
	return out
}

func weightsOf(t *testing.T, r *tape.Runner) (all [][]float32) {
	t.Helper()
	for _, p := range r.Params.All() {
		values, err := r.Params.Host(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, values)
	}
	return all
}

// TestRank is what the processes of TestGPUs do: ten steps whose gradients go by the host, and
// twice ten whose gradients go by NCCL.
func TestRank(t *testing.T) {
	path := os.Getenv(gpuLibrary)
	if path == "" {
		t.Skip("a process of TestGPUs")
	}
	w, err := world.Open(world.Options{Console: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	err = compared(t, w, path)
	code, reason := 0, ""
	if err != nil || t.Failed() {
		code, reason = 3, fmt.Sprint(err)
		fmt.Fprintln(os.Stderr, "failed:", err)
	}
	os.Exit(w.Close(code, reason))
}

func compared(t *testing.T, w *world.World, path string) error {
	gpus, err := nccl.Open(w, enginetest.Open(t), path)
	if err != nil {
		return err
	}
	m, r := load(t, "llama")
	first := weightsOf(t, r)
	run := func(gpus *nccl.Comm) tenSteps { return steps(t, m, r, first, w, gpus) }
	byHost, one, two := run(nil), run(gpus), run(gpus)
	if !slices.Equal(one.weights, two.weights) || !slices.Equal(one.losses, two.losses) {
		return errors.New("two runs differ")
	}
	if one.sent != byHost.sent || one.sent == 0 {
		return fmt.Errorf("%d bytes sent in a step, %d by the host", one.sent, byHost.sent)
	}
	for what, pair := range map[string][2][]float32{"loss": {byHost.losses, one.losses}, "norm": {byHost.norms, one.norms}, "weight": {byHost.weights, one.weights}} {
		for i, x := range pair[0] {
			if y := pair[1][i]; !(math.Abs(float64(x-y)) <= 1e-5*max(1, math.Abs(float64(x)))) {
				return fmt.Errorf("%s %d: %v by the host, %v by NCCL", what, i, x, y)
			}
		}
	}
	return nil
}

// Gradients that GPUs sum among themselves train as those that go by the host, and every run
// gives the same. The GPU and NCCL are stand-ins.
func TestGPUs(t *testing.T) {
	m := worldtest.OpenMPI(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := m.Command(ctx, 2, m.Build(t, ".", true), "-test.run", "^TestRank$")
	cmd.Env = append(cmd.Env, gpuLibrary+"="+enginetest.NCCL(t), "GORQA_TEST_ENGINE="+enginetest.StandIn)
	said, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(said), "failed:") {
		t.Errorf("%v:\n%s", err, said)
	}
}
