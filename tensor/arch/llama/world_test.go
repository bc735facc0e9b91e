package llama

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gorqa/batch"
	"gorqa/engine/nccl"
	"gorqa/engine/world"
	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/internal/worldtest"
	"gorqa/tensor/tape"
	"gorqa/tensor/train"
	"gorqa/tensor/train/schedule"
)

// What a process that TestWorld starts does, with which NCCL and which folder.
const (
	worldAct     = "GORQA_LLAMA_WORLD_ACT"
	worldLibrary = "GORQA_LLAMA_WORLD_NCCL"
	worldFolder  = "GORQA_LLAMA_WORLD_FOLDER"
)

// TestWorld shows what two processes train together. GPUs and their NCCL are stand-ins.
func TestWorld(t *testing.T) {
	if enginetest.Name() == enginetest.StandIn {
		t.Skip("it chooses its engines itself, and runs with the CPU's tests")
	}
	m := worldtest.OpenMPI(t)
	program, library := m.Build(t, ".", true), enginetest.NCCL(t)
	for _, test := range []struct{ act, why, engine string }{
		{"gpus", "sums that GPUs take among themselves are those by the host, and every run gives the same", enginetest.StandIn},
		{"overlap", "sums while the backward pass runs are those after it, to the bit", "cpu"},
		{"stop", "a stop waits in all for the checkpoint that rank 0 writes", "cpu"},
	} {
		t.Run(test.act, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := m.Command(ctx, 2, program, "-test.run", "^TestRank$")
			cmd.Env = append(cmd.Env, worldAct+"="+test.act, worldLibrary+"="+library, worldFolder+"="+t.TempDir(), "GORQA_TEST_ENGINE="+test.engine)
			said, err := cmd.CombinedOutput()
			if err != nil || strings.Contains(string(said), "failed:") {
				t.Errorf("%s: %v:\n%s", test.why, err, said)
			}
		})
	}
}

// TestRank is what the processes of TestWorld do.
func TestRank(t *testing.T) {
	act, there := map[string]func(*testing.T, *world.World) error{"gpus": gpus, "overlap": overlap, "stop": stop}[os.Getenv(worldAct)]
	if !there {
		t.Skip("a process of TestWorld")
	}
	w, err := world.Open(world.Options{Console: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	code, reason := 0, ""
	if err := act(t, w); err != nil {
		code, reason = 3, err.Error()
		fmt.Fprintln(os.Stderr, "failed:", err)
	}
	os.Exit(w.Close(code, reason))
}

// together is a model that processes train, each on rows of its own.
type together struct {
	*testing.T
	model  *Model
	runner *tape.Runner
	world  *world.World
	first  [][]float32 // weights
	work   train.Work
}

func newTogether(t *testing.T, w *world.World, m *Model, r *tape.Runner) together {
	x := together{T: t, model: m, runner: r, world: w}
	x.first = x.weights()
	b := rows(t, golden.Load(t, filepath.Join("testdata", "llama")), 80)
	for i := range b.Tokens {
		b.Tokens[i] = (b.Tokens[i] + int32(w.Rank())) % int32(m.Config.Vocabulary)
	}
	x.work = train.Work{Batches: train.MicroBatches(m.Loss, []*batch.Decoder{b, b}), Terms: 2 * b.Terms * w.Size()}
	return x
}

func (x together) weights() (all [][]float32) {
	x.Helper()
	for _, p := range x.runner.Params.All() {
		values, err := x.runner.Params.Host(p)
		if err != nil {
			x.Fatal(err)
		}
		all = append(all, values)
	}
	return all
}

// restart sets the weights to the first ones.
func (x together) restart() {
	x.Helper()
	for i, p := range x.runner.Params.All() {
		if err := x.runner.Params.SetHost(p, x.first[i]); err != nil {
			x.Fatal(err)
		}
	}
}

// rate is that of every step.
const rate = 1e-2

func (x together) loop(steps int, each func(train.Step)) train.Loop {
	return train.Loop{
		Runner: x.runner, World: x.world, Job: &enginetest.Job{Of: x.work, Each: each},
		Adam: train.DefaultAdam(), Schedule: schedule.Schedule{Kind: "constant", Peak: rate, Steps: steps},
	}
}

// run is what some steps come to.
type run struct {
	losses, norms, weights []float32
	exact                  []float64 // norms
	sent                   int64
}

func (x together) run(steps int, by *nccl.Comm) (out run, err error) {
	x.restart()
	loop := x.loop(steps, func(s train.Step) {
		out.exact = append(out.exact, s.GradNorm)
		out.losses, out.norms, out.sent = append(out.losses, float32(s.Loss)), append(out.norms, float32(s.GradNorm)), s.Sent
	})
	loop.GPUs = by
	err = loop.Run(context.Background(), "")
	out.weights = slices.Concat(x.weights()...)
	return out, err
}

// gpus holds ten steps whose gradients go by NCCL against ten by the host, and two such runs
// against each other.
func gpus(t *testing.T, w *world.World) error {
	m, r := load(t, "llama")
	x := newTogether(t, w, m, r)
	by, err := nccl.Open(w, r.Engine, os.Getenv(worldLibrary))
	if err != nil {
		return err
	}
	host, errHost := x.run(10, nil)
	one, errOne := x.run(10, by)
	two, errTwo := x.run(10, by)
	if err := errors.Join(errHost, errOne, errTwo); err != nil {
		return err
	}
	if !slices.Equal(one.weights, two.weights) || !slices.Equal(one.losses, two.losses) {
		return errors.New("two runs differ")
	}
	if one.sent != host.sent || one.sent == 0 {
		return fmt.Errorf("%d bytes sent in a step, %d by the host", one.sent, host.sent)
	}
	for what, pair := range map[string][2][]float32{"loss": {host.losses, one.losses}, "norm": {host.norms, one.norms}, "weight": {host.weights, one.weights}} {
		for i, x := range pair[0] {
			if y := pair[1][i]; !(math.Abs(float64(x-y)) <= 1e-5*max(1, math.Abs(float64(x)))) {
				return fmt.Errorf("%s %d: %v by the host, %v by NCCL", what, i, x, y)
			}
		}
	}
	return nil
}

// overlap holds the training loop, on a model of several blocks, against gradients that are
// summed after the backward passes, weight by weight.
func overlap(t *testing.T, w *world.World) error {
	const steps = 3
	m, r := wide(t)
	x := newTogether(t, w, m, r)
	got, err := x.run(steps, nil)
	if err != nil {
		return err
	}
	if len(got.weights) < 2*world.BlockValues {
		return fmt.Errorf("%d weights; more than two blocks expected", len(got.weights))
	}
	x.restart()
	o, err := train.NewOptimiser(train.DefaultAdam(), r)
	if err != nil {
		return err
	}
	for step := range steps {
		for _, b := range x.work.Batches {
			enginetest.Walk(t, r.New(true), func(tp *tape.Tape, b train.MicroBatch) ([]*tape.Value, error) { return b.Loss(tp) }, b, true)
		}
		for _, p := range r.Params.All() {
			values, err := xla.Memory[float32](p.Grad)
			if err := errors.Join(err, w.AllReduce(values)); err != nil {
				return err
			}
		}
		norm, err := o.Norm(x.work.Terms)
		if exact := got.exact[step]; !(math.Abs(norm/exact-1) < 1e-6) {
			return fmt.Errorf("step %d: norm %v of the loop, from squares of parts; %v expected", step+1, exact, norm)
		}
		// That of the loop, to the bit.
		if err := errors.Join(err, o.Update(rate, got.exact[step], x.work.Terms)); err != nil {
			return err
		}
	}
	if !slices.Equal(got.weights, slices.Concat(x.weights()...)) {
		return errors.New("sums while the backward pass runs give other weights than sums after it")
	}
	return o.Free()
}

// wide is a model like the tiny one whose gradients are several blocks.
func wide(t *testing.T) (*Model, *tape.Runner) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "llama", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	fields["hidden_size"], fields["intermediate_size"], fields["num_hidden_layers"] = 512, 1024, 4
	fields["num_attention_heads"], fields["num_key_value_heads"], fields["head_dim"] = 8, 8, 64
	if data, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	e := enginetest.Open(t)
	p := tape.NewParams(e, false)
	t.Cleanup(func() { _ = p.Free() })
	random := rand.New(rand.NewPCG(1, 2))
	for _, weight := range c.Weights() {
		values := make([]float32, weight.Size())
		for i := range values {
			values[i] = 0.02 * float32(random.NormFloat64())
		}
		if err := p.Add(weight, values, true); err != nil {
			t.Fatal(err)
		}
	}
	return New(c, false), tape.NewRunner(e, p)
}

// slow writes a checkpoint slowly.
type slow struct{ *enginetest.Job }

// Save implements train.Job.
func (slow) Save(_ context.Context, dir string) error {
	time.Sleep(500 * time.Millisecond)
	return os.MkdirAll(dir, 0o755)
}

// stop has rank 1 alone asked to stop, and looks for rank 0's checkpoint where a process ends.
func stop(t *testing.T, w *world.World) error {
	m, r := load(t, "llama")
	x := newTogether(t, w, m, r)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	loop := x.loop(9, func(s train.Step) {
		if s.Number == 2 && w.Rank() == 1 {
			cancel()
		}
	})
	loop.Job = slow{loop.Job.(*enginetest.Job)}
	loop.Saves.Dir = os.Getenv(worldFolder)
	err := loop.Run(ctx, "")
	var stopped *train.Interrupted
	if !errors.As(err, &stopped) || stopped.Step != 2 {
		return fmt.Errorf("%v; a stop after step 2 expected", err)
	}
	if _, err := os.Stat(filepath.Join(stopped.Checkpoint, "trainer_state.json")); err != nil {
		return fmt.Errorf("rank %d ended before rank 0 had written: %w", w.Rank(), err)
	}
	return w.Barrier()
}
