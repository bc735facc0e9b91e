package nccl_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute/dtypes/bfloat16"

	"gorqa/engine/nccl"
	"gorqa/engine/world"
	"gorqa/engine/xla"
	"gorqa/files/wheel"
	"gorqa/internal/enginetest"
	"gorqa/internal/worldtest"
)

// library is the NCCL of a process that the tests start.
const library = "GORQA_NCCL_TEST_LIBRARY"

// TestRank is what those processes do.
func TestRank(t *testing.T) {
	path := os.Getenv(library)
	if path == "" {
		t.Skip("a process of TestComm or TestLibrary")
	}
	w, err := world.Open(world.Options{Console: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	code, reason := 0, ""
	c, err := nccl.Open(w, enginetest.Open(t), path)
	if err == nil {
		err = exchange(w, enginetest.Open(t), c)
	}
	if err != nil {
		code, reason = 3, err.Error()
		if w.Rank() == 0 {
			fmt.Fprintln(os.Stderr, "failed:", err)
		}
	}
	os.Exit(w.Close(code, reason))
}

// exchange holds the calls against what they should give, on tensors larger than a message.
func exchange(w *world.World, e *xla.Engine, c *nccl.Comm) error {
	const n = 300_000
	x := make([]float32, n)
	half := make([]bfloat16.BFloat16, 6)
	for i := range x {
		x[i] = float32(w.Rank()+1) / float32(i+1)
	}
	for i := range half {
		half[i] = bfloat16.FromFloat32(float32(10*w.Rank() + i))
	}
	a, errA := xla.FromHost(e, x, 3, n/3)
	b, errB := xla.FromHost(e, x[:2], 2)
	h, errH := xla.FromHost(e, half, 6)
	if err := errors.Join(errA, errB, errH); err != nil {
		return err
	}
	sums, err := c.AllReduce(a, b)
	if err != nil {
		return err
	}
	all, err := c.AllGather(h)
	if err != nil {
		return err
	}
	got, errA := xla.ToHost[float32](sums[0])
	two, errB := xla.ToHost[float32](sums[1])
	gathered, errH := xla.ToHost[bfloat16.BFloat16](all)
	if err := errors.Join(errA, errB, errH, w.Barrier()); err != nil {
		return err
	}
	for i, v := range got {
		var want float32
		for r := range w.Size() {
			want += float32(r+1) / float32(i+1)
		}
		if v-want > 1e-6 || want-v > 1e-6 || i < 2 && two[i] != v {
			return fmt.Errorf("sum %d is %v; %v expected", i, v, want)
		}
	}
	for i, v := range gathered {
		if want := float32(10*(i/6) + i%6); v.Float32() != want {
			return fmt.Errorf("gathered value %d is %v; %v expected", i, v, want)
		}
	}
	others := float64(w.Size()-1) / float64(w.Size())
	if want := int64(2*others*4*n) + int64(2*others*4*2) + 12*int64(w.Size()-1); c.Sent() != want {
		return fmt.Errorf("%d bytes sent; %d expected", c.Sent(), want)
	}
	return later(c)
}

// later sees that what fails on its way is told, where the stand-in is to fail so.
func later(c *nccl.Comm) error {
	if os.Getenv("GORQA_STANDIN_NCCL") != "later" {
		return nil
	}
	for range 50 {
		time.Sleep(100 * time.Millisecond)
		if err := c.Err(); err != nil {
			return err
		}
	}
	return errors.New("no failure is told of")
}

// GPUs exchange what they hold over a stand-in for NCCL, on a GPU's way on the CPU's plugin;
// what fails in one process is told by all.
func TestComm(t *testing.T) {
	m := worldtest.OpenMPI(t)
	program, standIn := m.Build(t, ".", true), enginetest.NCCL(t)
	for _, test := range []struct {
		name, why string
		processes int
		library   string
		fails     string   // what is to fail
		env       []string // of the last process
		want      string   // of the message, "" for success
	}{
		{"two", "every call gives what it says", 2, standIn, "", nil, ""},
		{"three", "parts are not equal", 3, standIn, "", nil, ""},
		{"no library", "the loader's words say which", 2, "/nowhere/libnccl.so.2", "", nil, "rank 0 (process "},
		{"no id", "NCCL's own words", 2, standIn, "id", nil, "ncclGetUniqueId: unhandled system error (stand-in)"},
		{"one cannot join", "the others do not wait for it", 3, standIn, "join", nil, "ncclCommInitRank: unhandled system error (stand-in): this one was told to fail"},
		{"later", "a link breaks between calls", 2, standIn, "later", nil, "NCCL: unhandled system error (stand-in)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := m.Command(ctx, test.processes, program, "-test.run", "^TestRank$")
			cmd.Env = append(cmd.Env, library+"="+test.library, "GORQA_TEST_ENGINE="+enginetest.StandIn, "GORQA_STANDIN_NCCL="+test.fails)
			said, err := cmd.CombinedOutput()
			if (err == nil) != (test.want == "") || !strings.Contains(string(said), test.want) {
				t.Errorf("%v; %q expected: %s:\n%s", err, test.want, test.why, said)
			}
		})
	}
}

// The real library loads and makes an id, and without a GPU says what it lacks. It is 200 MB,
// so that it is only looked for where it may lie already.
func TestLibrary(t *testing.T) {
	path := os.Getenv("GORQA_TEST_NCCL")
	if cache, err := wheel.Cache(); err == nil && path == "" {
		found, _ := filepath.Glob(filepath.Join(cache, "engine", "cuda13-*", "nvidia", "nccl", "lib", "libnccl.so.2"))
		if len(found) > 0 {
			path = found[0]
		}
	}
	if path == "" {
		t.Skip("no libnccl.so.2: `gorqa fetch engine cuda13 --force` brings it, or GORQA_TEST_NCCL names it")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestRank$")
	cmd.Env = append(os.Environ(), library+"="+path, "GORQA_TEST_ENGINE="+enginetest.StandIn)
	said, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(said), "ncclCommInitRank: unhandled cuda error") {
		t.Errorf("%v; an error of ncclCommInitRank expected, after an id was made:\n%s", err, said)
	}
	t.Logf("%s", said)
}
