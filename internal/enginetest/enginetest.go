// Package enginetest opens the engine for tests, fetching the plugin into the
// cache folder where it is not there yet, runs forward and backward passes on tapes
// and takes optimiser steps. Only tests import it.
package enginetest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gorqa/engine/xla"
	"gorqa/files/modelfile"
	"gorqa/files/weights"
	"gorqa/files/wheel"
	"gorqa/internal/golden"
	"gorqa/tensor/tape"
	"gorqa/tensor/train"
	"gorqa/tensor/train/schedule"
)

var open = sync.OnceValues(func() (*xla.Engine, error) {
	variant := Name()
	if variant == StandIn {
		return standIn()
	}
	path, err := wheel.Engine(context.Background(), wheel.Options{Variant: variant})
	if err != nil {
		return nil, err
	}
	return xla.Open(variant, path)
})

// StandIn is the CPU's plugin in the place of CUDA's, which takes a GPU's way.
const StandIn = "standin"

// Name is the engine that GORQA_TEST_ENGINE names, or the CPU's.
func Name() string { return cmp.Or(os.Getenv("GORQA_TEST_ENGINE"), "cpu") }

// Program names the file in which the stand-in leaves the last program that calls
// cuDNN of those that it compiles, while it is set.
const Program = "GORQA_STANDIN_PROGRAM"

// standIn opens StandIn. Its graphs are compiled without LLVM's optimiser, which takes
// longer than all that runs, and kept beside it as the CPU's are.
func standIn() (*xla.Engine, error) {
	cpu, err := wheel.Engine(context.Background(), wheel.Options{Variant: "cpu"})
	if err != nil {
		return nil, err
	}
	plugin, err := buildStandIn(filepath.Dir(cpu))
	if err != nil {
		return nil, err
	}
	flags := strings.TrimSpace(os.Getenv("XLA_FLAGS") + " --xla_backend_optimization_level=0")
	if err := errors.Join(os.Setenv("GORQA_STANDIN_FOR", cpu), os.Setenv("XLA_FLAGS", flags)); err != nil {
		return nil, err
	}
	return xla.Open("cuda13", plugin)
}

// buildStandIn compiles the stand-in's source into a folder beside the CPU's plugin, named
// by what it is compiled of and so that go-xla takes it for CUDA's, unless it is there.
func buildStandIn(beside string) (plugin string, err error) {
	dir, err := here()
	if err != nil {
		return "", err
	}
	source := filepath.Join(dir, "testdata", "standin.c")
	sum := sha256.New()
	for _, name := range []string{source, filepath.Join(dir, "../../engine/cpu/ffi.h"), filepath.Join(dir, "../../engine/xla/pjrt.h")} {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	folder := filepath.Join(beside, fmt.Sprintf("cuda-standin-%.8x", sum.Sum(nil)))
	if plugin = filepath.Join(folder, "plugin.so"); modelfile.Exists(plugin) {
		return plugin, nil
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(folder, "part-")
	if err != nil {
		return "", err
	}
	made := filepath.Join(part, "plugin.so")
	if err := compile(source, made, "-ldl", "-lm"); err != nil {
		return "", err
	}
	return plugin, errors.Join(os.Rename(made, plugin), os.RemoveAll(part))
}

// NCCL compiles a library that stands in for NCCL between the processes of this machine,
// over the memory of the stand-in's engines, and gives its path.
func NCCL(t testing.TB) string {
	t.Helper()
	dir, err := here()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "libnccl-standin.so")
	if err := compile(filepath.Join(dir, "testdata", "nccl.c"), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// here is the folder of this package's source.
func here() (string, error) {
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "gorqa/internal/enginetest").Output()
	if err != nil {
		return "", fmt.Errorf("finding the sources of the stand-ins: %w", err)
	}
	return strings.TrimSpace(string(dir)), nil
}

// compile makes a shared library of a file.
func compile(source, library string, flags ...string) error {
	args := append([]string{"-O2", "-shared", "-fPIC", "-o", library, source}, flags...)
	if said, err := exec.Command(cmp.Or(os.Getenv("CC"), "cc"), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s: %w\n%s", source, err, said)
	}
	return nil
}

// Open gives the process's one engine, by Name. It stays open until the process
// ends: the plugin holds state of the whole process.
func Open(t testing.TB) *xla.Engine {
	t.Helper()
	e, err := open()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Files opens the folder of a tiny model until the test ends.
func Files(t testing.TB, folder string) *weights.Model {
	t.Helper()
	m, err := weights.Open(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// Load puts a tiny model on the device, and fails the test where its files and the
// weights that the architecture lists are not the same.
func Load(t testing.TB, m *weights.Model, ws []tape.Weight, bf16, trained bool) *tape.Runner {
	t.Helper()
	e := Open(t)
	p := tape.NewParams(e, bf16)
	t.Cleanup(func() {
		if err := p.Free(); err != nil {
			t.Error(err)
		}
	})
	if err := p.Load(t.Context(), ws, m, trained, nil); err != nil {
		t.Fatal(err)
	}
	unlisted := m.Unused(func(name string) bool {
		return slices.ContainsFunc(ws, func(w tape.Weight) bool { return w.Name == name })
	})
	for _, n := range unlisted {
		t.Errorf("the model has a weight that is not listed: %s", n)
	}
	return tape.NewRunner(e, p)
}

// Walk gives the loss of a micro-batch on a new tape, which it frees; with
// backward it adds the gradients to those of the trained weights.
func Walk[B any](t testing.TB, tp *tape.Tape, loss func(*tape.Tape, B) ([]*tape.Value, error), b B, backward bool) float64 {
	t.Helper()
	losses, err := loss(tp, b)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := tape.Sum(losses)
	if err != nil {
		t.Fatal(err)
	}
	if backward {
		if err := tp.Backward(losses...); err != nil {
			t.Fatal(err)
		}
	}
	if err := tp.Free(); err != nil {
		t.Fatal(err)
	}
	return sum
}

// Optimise takes the schedule's steps, each on all of the micro-batches, which
// have so many label tokens.
func Optimise[B any](t testing.TB, r *tape.Runner, loss func(*tape.Tape, B) ([]*tape.Value, error), batches []B, terms int, adam train.Adam, schedule schedule.Schedule) (losses, norms []float32) {
	t.Helper()
	job := &Job{Of: train.Work{Batches: train.MicroBatches(loss, batches), Terms: terms}, Each: func(s train.Step) {
		losses, norms = append(losses, float32(s.Loss)), append(norms, float32(s.GradNorm))
	}}
	loop := train.Loop{Runner: r, Job: job, Adam: adam, Schedule: schedule}
	if err := loop.Run(context.Background(), ""); err != nil {
		t.Fatal(err)
	}
	return losses, norms
}

// Job is the same work in every step, neither scored nor saved.
type Job struct {
	train.Job
	Of   train.Work
	Each func(train.Step) // is told of each step
}

// Work implements train.Job.
func (j *Job) Work(int) (train.Work, error) { return j.Of, nil }

// Done implements train.Job.
func (j *Job) Done(s train.Step) error {
	j.Each(s)
	return nil
}

// TenSteps is the last rung of the parity ladder: ten AdamW steps with clipping
// give torch's losses, gradient norms and final weights. AdamW divides a
// gradient by its own size, so one that is little but rounding error, which
// processors differ in, moves its weight by a good part of the rate: one weight
// in 500 may be off by half of it.
func TenSteps[B any](t testing.TB, g *golden.Golden, r *tape.Runner, loss func(*tape.Tape, B) ([]*tape.Value, error), batches []B, terms int) {
	t.Helper()
	var values struct {
		Optimiser struct {
			LR          float64 `json:"lr"`
			WeightDecay float64 `json:"weight_decay"`
			Steps       int     `json:"steps"`
		} `json:"optimiser"`
	}
	g.Decode(t, &values)
	adam := train.DefaultAdam()
	adam.WeightDecay = values.Optimiser.WeightDecay
	losses, norms := Optimise(t, r, loss, batches, terms, adam, schedule.Schedule{Kind: "constant", Peak: values.Optimiser.LR, Steps: values.Optimiser.Steps})
	g.Compare(t, "losses", losses)
	g.Compare(t, "grad_norms", norms)
	for _, p := range r.Params.All() {
		if !p.Trained {
			continue
		}
		final, err := r.Params.Host(p)
		if err != nil {
			t.Fatal(err)
		}
		name := "final." + p.Name
		worst, err := golden.Diff(final, g.Floats(t, name), g.ToleranceOf(t, name))
		if err != nil && (worst.Beyond > 1+len(final)/500 || !(math.Abs(float64(worst.Got-worst.Want)) <= values.Optimiser.LR/2)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
