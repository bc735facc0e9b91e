// Package worldtest builds programs with MPI and starts them on several processes, for
// tests. It takes the Open MPI that is installed, and the MPICH in the folder that
// GORQA_TEST_MPICH names (.ci/mpi makes both); where one is not there the test is
// skipped, and says so.
package worldtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// MPI is an implementation that programs can be built with.
type MPI struct {
	Name   string
	cflags string
	libs   string
	run    string   // mpirun
	flags  []string // of it
	env    []string
	temp   string // folder for those of Open MPI's launchers, "" for none
}

// Each runs a test with each implementation that is there.
func Each(t *testing.T, test func(t *testing.T, m MPI)) {
	t.Helper()
	t.Run("Open MPI", func(t *testing.T) { test(t, OpenMPI(t)) })
	t.Run("MPICH", func(t *testing.T) { test(t, mpich(t)) })
}

// OpenMPI is the one that is installed.
func OpenMPI(t *testing.T) MPI {
	t.Helper()
	show := func(what string) string {
		out, err := exec.Command("mpicc", "--showme:"+what).Output()
		if err != nil {
			t.Skipf("no Open MPI found (mpicc --showme: %v); .ci/mpi installs it, or apt-get install libopenmpi-dev openmpi-bin", err)
		}
		return strings.TrimSpace(string(out))
	}
	return MPI{
		temp: t.TempDir(),
		Name: "openmpi", cflags: show("compile"), libs: show("link"), run: "mpirun",
		// Containers run tests as root, on fewer cores than processes.
		flags: []string{"--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca", "btl_base_warn_component_unused", "0"},
	}
}

// mpich is the one in a folder.
func mpich(t *testing.T) MPI {
	t.Helper()
	root := os.Getenv("GORQA_TEST_MPICH")
	if root == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skip(err)
		}
		root = filepath.Join(cache, "gorqa", "mpich")
	}
	runs := filepath.Join(root, "usr/bin/mpiexec.hydra")
	libs, _ := filepath.Glob(filepath.Join(root, "usr/lib/*/libmpich.so"))
	includes, _ := filepath.Glob(filepath.Join(root, "usr/include/*/mpich"))
	if _, err := os.Stat(runs); err != nil || len(libs) == 0 || len(includes) == 0 {
		t.Skipf("no MPICH found in %s; .ci/mpi puts it there", root)
	}
	dir := filepath.Dir(libs[0])
	return MPI{
		Name: "mpich", cflags: "-I" + includes[0], libs: "-L" + dir + " -lmpich", run: runs,
		env: []string{
			"LD_LIBRARY_PATH=" + dir + ":" + filepath.Join(dir, "slurm-wlm") + ":" + os.Getenv("LD_LIBRARY_PATH"),
			"PATH=" + filepath.Dir(runs) + ":" + os.Getenv("PATH"),
		},
	}
}

// Build builds a package's program, or with test its tests, with MPI, and gives its path.
func (m MPI) Build(t *testing.T, pkg string, test bool) string {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	// As .ci/mpi-flags does.
	flags, overlay, out := filepath.Join(dir, "flags.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "program")
	source := fmt.Sprintf("//go:build mpi && cgo\n\npackage world\n\n// #cgo CFLAGS: %s\n// #cgo LDFLAGS: %s\nimport \"C\"\n", m.cflags, m.libs)
	replace := fmt.Sprintf(`{"Replace": {%q: %q}}`, filepath.Join(strings.TrimSpace(string(root)), "engine", "world", "flags.go"), flags)
	for path, text := range map[string]string{flags: source, overlay: replace} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"build", "-overlay", overlay, "-tags", "mpi", "-o", out, pkg}
	if test {
		args = []string{"test", "-c", "-overlay", overlay, "-tags", "mpi", "-o", out, pkg}
	}
	if said, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, said)
	}
	return out
}

// Command is a program on so many processes.
func (m MPI) Command(ctx context.Context, processes int, program string, args ...string) *exec.Cmd {
	all := append([]string{}, m.flags...)
	if m.temp != "" {
		// Two launchers of Open MPI 4.1 that begin at once make the same folder, and one
		// ends because it is there.
		if dir, err := os.MkdirTemp(m.temp, ""); err == nil {
			all = append(all, "--mca", "orte_tmpdir_base", dir)
		}
	}
	all = append(all, "-n", strconv.Itoa(processes), program)
	cmd := exec.CommandContext(ctx, m.run, append(all, args...)...)
	cmd.Env = append(os.Environ(), m.env...)
	cmd.WaitDelay = 5 * time.Second
	// Where it does not end in time, the launcher ends its processes.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	return cmd
}

// Run runs a program on so many processes and gives what they said; it fails the test
// where they do not end well within two minutes.
func (m MPI) Run(t *testing.T, processes int, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := m.Command(ctx, processes, program, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%d processes of %s: %v\n%s", processes, strings.Join(args, " "), err, said.String())
	}
	return said.String()
}
