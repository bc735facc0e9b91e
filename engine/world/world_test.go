package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/worldtest"
)

func TestMain(m *testing.M) {
	if act := os.Getenv("GORQA_WORLD_ACT"); act != "" {
		os.Exit(play(act))
	}
	os.Exit(m.Run())
}

// play is one of the processes that the tests start.
func play(act string) int {
	w, err := Open(Options{Console: os.Stderr, patience: patience{beat: 100 * time.Millisecond, silence: 6 * time.Second, grace: 2 * time.Second}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if act == "late" || act == "patient" {
		w.Bound(time.Second)
	}
	err = acts()[act](w)
	code, reason := 0, ""
	if err != nil {
		code, reason = 3, err.Error()
		if w.Rank() == 0 {
			fmt.Fprintf(os.Stderr, "gorqa: %v\n", err)
		}
	}
	return w.Close(code, reason)
}

func acts() map[string]func(*World) error {
	return map[string]func(*World) error{
		"collectives": collectives,
		"nodes": func(w *World) error { // ranks 0 and 1 on the first of two hosts of one name
			local, size := []int{0, 1, 0}[w.Rank()], []int{2, 2, 1}[w.Rank()]
			if w.Local() != local || w.LocalSize() != size || w.Member(0).Host != w.Member(2).Host {
				return fmt.Errorf("rank %d: local rank %d of %d, %d of %d expected: %v", w.Rank(), w.Local(), w.LocalSize(), local, size, w.members)
			}
			return w.Barrier()
		},
		"error": func(w *World) error {
			if w.Rank() == 1 {
				return errors.New("the disk is full")
			}
			return w.Barrier()
		},
		"everywhere": func(w *World) error { return errors.New("no such file") },
		"after the others": func(w *World) error {
			if w.Rank() == 1 {
				time.Sleep(time.Second)
				return errors.New("the disk is full")
			}
			return nil
		},
		"killed": func(w *World) error {
			if w.Rank() == 1 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			}
			return w.Barrier()
		},
		"stopped": func(w *World) error {
			if w.Rank() == 1 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			}
			return w.Barrier()
		},
		"late": func(w *World) error {
			if w.Rank() == 1 {
				time.Sleep(time.Minute)
			}
			return w.Barrier()
		},
		"patient": func(w *World) error {
			found, err := Decide(w, func() (string, error) {
				time.Sleep(2 * time.Second)
				return "yes", nil
			})
			if err == nil && found != "yes" {
				err = fmt.Errorf("%q found", found)
			}
			return err
		},
		"crew":         divide,
		"a part fails": divide,
		"busy": func(w *World) error { // rank 0 computes while another one fails
			if w.Rank() == 1 {
				return errors.New("the disk is full")
			}
			time.Sleep(time.Minute)
			return nil
		},
	}
}

// collectives holds every call against what it should give.
func collectives(w *World) error {
	n, rank := w.Size(), w.Rank()
	values := func(rank, length int) []float32 {
		random := rand.New(rand.NewPCG(uint64(rank), uint64(length)))
		x := make([]float32, length)
		for i := range x {
			x[i] = random.Float32()
		}
		return x
	}
	for _, length := range []int{0, 1, 15, 16, 17, 1000, BlockValues + 5} {
		x, want := values(rank, length), values(0, length)
		for r := 1; r < n; r++ {
			for i, v := range values(r, length) {
				want[i] += v
			}
		}
		if err := w.AllReduce(x); err != nil {
			return err
		}
		for i := range x {
			if x[i] != want[i] { // to the bit: the order of the sum is that of ranks
				return fmt.Errorf("sum of %d values: value %d is %v; %v expected", length, i, x[i], want[i])
			}
		}
	}
	for _, length := range []int{0, 1, mostBytes + 3} {
		data := bytes.Repeat([]byte{byte(rank + 1)}, length+rank)
		all, err := w.Gather(data)
		if err != nil {
			return err
		}
		for r, got := range all {
			if !bytes.Equal(got, bytes.Repeat([]byte{byte(r + 1)}, length+r)) {
				return fmt.Errorf("gathered %d bytes of rank %d that are not its", len(got), r)
			}
		}
		got, err := w.Broadcast(data, n-1)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, all[n-1]) {
			return fmt.Errorf("broadcast gave %d bytes; those of rank %d expected", len(got), n-1)
		}
	}
	sum, err := w.Sum(float64(rank))
	if err != nil || sum != float64(n*(n-1)/2) {
		return fmt.Errorf("sum of ranks %v, %v", sum, err)
	}
	any, err := w.Any(rank == n-1)
	if err != nil || !any {
		return fmt.Errorf("any: %v, %v", any, err)
	}
	if w.Local() != rank || w.LocalSize() != n || w.Member(rank).PID != os.Getpid() {
		return fmt.Errorf("local rank %d of %d, %v", w.Local(), w.LocalSize(), w.Member(rank))
	}
	return w.Barrier()
}

// divide has all processes do parts of what rank 0 comes upon, one of which may fail.
func divide(w *World) error {
	c := w.Crew()
	ranks := NewTask(c, "ranks", func(_ context.Context, times int) (int, error) {
		if os.Getenv("GORQA_WORLD_ACT") == "a part fails" && w.Rank() == 1 {
			return 0, errors.New("the disk is full")
		}
		return times * w.Rank(), nil
	})
	found, err := Lead(context.Background(), c, func() (found [][]int, err error) {
		for times := range 3 {
			each, err := ranks.Do(context.Background(), times)
			if err != nil {
				return nil, err
			}
			found = append(found, each)
		}
		return found, nil
	})
	if err != nil {
		return err
	}
	for times, each := range found {
		for rank, made := range each {
			if made != times*rank || len(found) != 3 || len(each) != w.Size() {
				return fmt.Errorf("parts %v", found)
			}
		}
	}
	return w.Barrier()
}

// A process dies, hangs or fails: all end soon, and one message says which, where and why.
func TestWorld(t *testing.T) {
	worldtest.Each(t, func(t *testing.T, m worldtest.MPI) {
		t.Parallel()
		program := m.Build(t, ".", true)
		for _, test := range []struct {
			name, why string
			processes int
			says      string // of gorqa, but for process and host; "" for nothing
			once      bool   // with one MPI: what waits long is the same with any
		}{
			{"collectives", "every call gives what it says", 2, "", false},
			{"collectives", "parts are not equal", 3, "", false},
			{"crew", "parts come in the order of ranks, and all have what rank 0 made of them", 3, "", true},
			{"a part fails", "rank 0, who waits for it, is told", 3, "rank 1: the disk is full", false},
			{"error", "those who wait are told", 3, "rank 1: the disk is full", false},
			{"everywhere", "what all find is said once", 3, "no such file", false},
			{"after the others", "those at their end wait for the rest", 2, "rank 1: the disk is full", false},
			{"killed", "the launcher ends the others, and says whom it was", 3, "-", true},
			{"late", "a process that is alive but does not come", 3, "rank 1: all others wait", true},
			{"patient", "rank 0 may take its time", 2, "", true},
			{"stopped", "it says nothing any more", 3, "rank 1: has not been heard of", true},
			{"busy", "a rank 0 that computes is ended", 2, "rank 1: the disk is full", false},
		} {
			if test.once && m.Name != "openmpi" {
				continue
			}
			t.Run(fmt.Sprintf("%s, %d", test.name, test.processes), func(t *testing.T) {
				t.Parallel()
				check(t, m, program, test.name, test.processes, test.says)
			})
		}
		if m.Name == "mpich" { // whose launcher takes two names of this machine for two hosts
			t.Run("nodes, 3", func(t *testing.T) {
				t.Parallel()
				check(t, m, program, "nodes", 3, "", "-launcher", "fork", "-hosts", "localhost:2,127.0.0.1:1")
			})
		}
	})
}

// check starts processes of the test's program, with more flags of the launcher, and looks at
// what they say and whether they end in time.
func check(t *testing.T, m worldtest.MPI, program, act string, processes int, says string, flags ...string) {
	t.Helper()
	within := 30 * time.Second // as the docs say of what ends
	if says == "" {
		within = 2 * time.Minute // it works, which a busy machine has little time for
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := m.Command(ctx, processes, program)
	cmd.Args = slices.Insert(cmd.Args, 1, flags...)
	cmd.Env = append(cmd.Env, "GORQA_WORLD_ACT="+act)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	err := cmd.Run()
	t.Logf("%v, %v", time.Since(began).Round(time.Millisecond), err)
	if ctx.Err() != nil {
		t.Fatalf("not ended after %v:\n%s", within, said.String())
	}
	if (err == nil) != (says == "") {
		t.Errorf("%v:\n%s", err, said.String())
	}
	var lines []string
	for line := range strings.Lines(said.String()) {
		if strings.HasPrefix(line, "gorqa: ") {
			lines = append(lines, line)
		}
	}
	if says == "-" {
		return
	}
	want := 0
	if says != "" {
		want = 1
	}
	if len(lines) != want {
		t.Fatalf("%d messages; %d expected:\n%s", len(lines), want, said.String())
	}
	rank, reason, named := strings.Cut(says, ":")
	if want == 1 && (!strings.HasPrefix(lines[0], "gorqa: "+rank) || named && !strings.Contains(lines[0], reason)) {
		t.Errorf("%q; %q expected", lines[0], says)
	}
}

func TestLaunched(t *testing.T) {
	for _, test := range []struct {
		name, why string
		env       map[string]string
		want      launch
		fails     bool
	}{
		{"nobody", "one process, as ever", nil, launch{}, false},
		{"Open MPI", "its own variables", map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}, launch{"OMPI_COMM_WORLD_SIZE", 4, 3}, false},
		{"Hydra", "MPICH's and Intel's", map[string]string{"PMI_SIZE": "2", "PMI_RANK": "0"}, launch{"PMI_SIZE", 2, 0}, false},
		{"srun", "with or without PMIx", map[string]string{"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "7", "PMIX_RANK": "7"}, launch{"SLURM_STEP_NUM_TASKS", 8, 7}, false},
		{"sbatch", "the script itself is no step", map[string]string{"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, launch{}, false},
		{"PMIx", "it does not say how many there are", map[string]string{"PMIX_RANK": "1"}, launch{"PMIX_RANK", 0, 1}, false},
		{"nonsense", "rather stop than train twice", map[string]string{"PMI_SIZE": "two", "PMI_RANK": "0"}, launch{}, true},
	} {
		got, err := launched(func(name string) string { return test.env[name] })
		if (err != nil) != test.fails {
			t.Errorf("%s: %v: %s", test.name, err, test.why)
			continue
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(launch{})); diff != "" && !test.fails {
			t.Errorf("%s: %s:\n%s", test.name, test.why, diff)
		}
	}
}

// A world of one gives back what it is given.
func TestAlone(t *testing.T) {
	var w *World
	x := []float32{1, 2}
	if err := errors.Join(w.AllReduce(x), w.Barrier()); err != nil || x[0] != 1 || w.Size() != 1 || w.Rank() != 0 || w.Close(5, "") != 5 {
		t.Errorf("%v %v", x, err)
	}
	if n := testing.AllocsPerRun(100, func() { _ = w.AllReduce(x) }); n > 0 {
		t.Errorf("a sum over one process makes %v allocations", n)
	}
}
