package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gorqa/internal/worldtest"
	"gorqa/text/demodata"
)

// worldTraining is a run of two processes in dir/out; ranks finds its processes.
func worldTraining(t *testing.T, m worldtest.MPI, program, dir, out string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	run := worldRuns(dir)[0]
	return m.Command(ctx, 2, program, append(append(run.args, "--output_dir", filepath.Join(dir, out), "--per_device_train_batch_size", "3"), args...)...)
}

// ranks are the processes of a program that work in a folder.
func ranks(program, out string) (ids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		args := strings.Split(string(line), "\x00")
		if err == nil && args[0] == program && slices.Contains(args, out) {
			id, _ := strconv.Atoi(filepath.Base(dir))
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// until reads a run's lines up to one that begins so; said has all that it says.
func until(t *testing.T, cmd *exec.Cmd, line string) (said *bytes.Buffer, rest func()) {
	t.Helper()
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said = &bytes.Buffer{}
	lines := bufio.NewScanner(io.TeeReader(pipe, said))
	for lines.Scan() && !strings.HasPrefix(lines.Text(), line) {
	}
	return said, func() { _, _ = io.Copy(said, pipe) }
}

// stopAndGoOn: a signal to any process stops all of them after one step, with one checkpoint, from which
// one process goes on, and then two again, to what an undisturbed run comes to.
func stopAndGoOn(t *testing.T, m worldtest.MPI, program, dir string) {
	out := filepath.Join(dir, "out")
	cmd := worldTraining(t, m, program, dir, "out", "--max_steps", "60", "--save_steps", "1000", "--zero_stage", "1")
	said, rest := until(t, cmd, "step 3/")
	found := ranks(program, out)
	if len(found) != 2 {
		t.Fatalf("processes %v; 2 expected:\n%s", found, said)
	}
	if err := syscall.Kill(found[1], syscall.SIGTERM); err != nil { // not rank 0, most likely
		t.Fatal(err)
	}
	rest()
	_ = cmd.Wait()
	if n := strings.Count(said.String(), "its checkpoint is "); n != 1 {
		t.Fatalf("%d checkpoints told of; 1 expected:\n%s", n, said)
	}
	checkpoints, _ := filepath.Glob(filepath.Join(out, "checkpoint-*"))
	if len(checkpoints) != 1 {
		t.Fatalf("%v; one checkpoint expected", checkpoints)
	}
	// Whoever goes on from it comes to the same.
	var ends []string
	for _, processes := range []int{1, 2} {
		end := filepath.Join(dir, fmt.Sprint("end-", processes))
		m.Run(t, processes, program, append(worldRuns(dir)[0].args, "--max_steps", "60", "--save_steps", "1000", "--output_dir", end,
			"--per_device_train_batch_size", fmt.Sprint(6/processes), "--resume_from_checkpoint", checkpoints[0])...)
		ends = append(ends, end)
	}
	x, y := stepsOf(t, ends[0]), stepsOf(t, ends[1])
	if len(x) == 0 || len(x) != len(y) {
		t.Fatalf("%d and %d steps", len(x), len(y))
	}
	for i := range x {
		if !(math.Abs(x[i]["loss"]-y[i]["loss"]) < 1e-3) {
			t.Errorf("step %v: losses %v and %v", x[i]["step"], x[i]["loss"], y[i]["loss"])
			break
		}
	}
}

// differ: processes that are given different settings or rows stop with both names.
func differ(t *testing.T, m worldtest.MPI, program, dir string) {
	cmd := worldTraining(t, m, program, dir, "other")
	at := slices.Index(cmd.Args, program)
	other := slices.Concat([]string{":", "-n", "1"}, cmd.Args[at:], []string{"--learning_rate", "2e-2"})
	cmd.Args = append(cmd.Args, other...)
	cmd.Args[at-1] = "1"
	said, err := cmd.CombinedOutput()
	for _, want := range []string{"learning_rate: 0.01 at rank 0 (process ", "0.02 at rank 1 (process "} {
		if err == nil || strings.Count(string(said), want) != 1 {
			t.Errorf("%v; an error with %q once expected:\n%s", err, want, said)
		}
	}
}

// kill kills a random process of a run at random moments, in steps and in evaluations: each time all end
// within 30 s, and the run that goes on comes to the weights of an undisturbed one, bit for
// bit; nothing of the killed ones is left then. GORQA_TEST_KILLS says how often.
func kill(t *testing.T, m worldtest.MPI, program, dir string) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	args := []string{"--max_steps", "40", "--save_steps", "2", "--save_total_limit", "2",
		"--do_eval", "true", "--eval_file", filepath.Join(dir, demodata.TestFile), "--eval_steps", "8", "--eval_contexts", "gold", "--eval_max_new_tokens", "8"}
	if said, err := worldTraining(t, m, program, dir, "whole", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	want := hash(t, dir, "whole")
	kills := 2
	if n, err := strconv.Atoi(os.Getenv("GORQA_TEST_KILLS")); err == nil {
		kills = n
	}
	random := rand.New(rand.NewPCG(5, 6))
	out := filepath.Join(dir, "killed")
	var longest time.Duration
	for done := 0; done < kills; {
		cmd := worldTraining(t, m, program, dir, "killed", append(args, "--resume_from_checkpoint", "true")...)
		line := "step "
		if random.IntN(5) == 0 {
			line = "Model " // before the first step
		}
		said, rest := until(t, cmd, line)
		time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
		found := ranks(program, out)
		if len(found) == 2 {
			_ = syscall.Kill(found[random.IntN(2)], syscall.SIGKILL)
		}
		began := time.Now()
		rest()
		err := cmd.Wait()
		longest = max(longest, time.Since(began))
		if _, there := os.Stat(filepath.Join(out, "model.safetensors")); there == nil { // done before the blow
			if err := os.RemoveAll(out); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err == nil || !strings.Contains(said.String(), "signal 9") {
			t.Fatalf("kill %d: %v:\n%s", done+1, err, said)
		}
		if left := ranks(program, out); len(left) > 0 || time.Since(began) > 30*time.Second {
			t.Fatalf("kill %d: %v are left after %v", done+1, left, time.Since(began))
		}
		done++
	}
	if said, err := worldTraining(t, m, program, dir, "killed", append(args, "--resume_from_checkpoint", "true")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if left, _ := filepath.Glob(filepath.Join(temporary, "*gorqa*")); len(left) > 0 {
		t.Errorf("%v left by killed processes after a run that went on", left)
	}
	if got := hash(t, dir, "killed"); got != want {
		t.Errorf("after %d kills the weights differ from those of a run left alone", kills)
	}
	t.Logf("%d kills, all processes ended within %v", kills, longest.Round(time.Millisecond))
}
