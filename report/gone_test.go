package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A console that is gone or full ends nothing, and the log has all.
func TestConsoleThatIsGoneEndsNothing(t *testing.T) {
	for _, test := range []struct {
		name, why string
		open      func(t *testing.T) *os.File
		want      error
	}{
		{"pipe", "its reader has gone: gorqa train 2>&1 | head", closedPipe, unix.EPIPE},
		{"terminal", "its window was closed", closedTerminal, unix.EIO},
		{"disk", "it leads to a file on a full disk", fullDisk, unix.ENOSPC},
		{"closed", "it is no file any more", func(t *testing.T) *os.File {
			f := fullDisk(t)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			return f
		}, os.ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			console := test.open(t)
			if _, err := console.WriteString("x"); !errors.Is(err, test.want) {
				t.Fatalf("writing gives %v; a console with %v is to be tried", err, test.want)
			}
			dir := t.TempDir()
			r, err := Open(dir, Options{Console: console})
			if err != nil {
				t.Fatal(err)
			}
			r.Say("before")
			task := r.Task("Work", 2)
			task.Advance(2)
			task.Done()
			for n := 1; n <= 3; n++ {
				if err := r.Step(Step{Step: n, Steps: 3, Loss: 1}); err != nil {
					t.Errorf("step %d: %v: %s", n, err, test.why)
				}
			}
			r.Log("ended: %v", "for a reason")
			if err := r.Close(); err != nil {
				t.Errorf("%v: %s", err, test.why)
			}
			log := read(t, dir, LogFile)
			for _, want := range []string{"before", "Work: 2", "step 1/3", "step 2/3", "step 3/3", "ended: for a reason", "the console cannot be written: "} {
				if strings.Count(log, want) != 1 {
					t.Errorf("%q is not once in the log:\n%s", want, log)
				}
			}
		})
	}
}

func closedPipe(t *testing.T) *os.File {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

// closedTerminal is the inner end of a pseudoterminal whose outer end is closed.
func closedTerminal(t *testing.T) *os.File {
	outer, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudoterminals: %v", err)
	}
	number, err := unix.IoctlGetInt(int(outer.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(outer.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	inner, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudoterminals: %v", err)
	}
	t.Cleanup(func() { _ = inner.Close() })
	if err := outer.Close(); err != nil {
		t.Fatal(err)
	}
	return inner
}

func fullDisk(t *testing.T) *os.File {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// disk is a file on a disk with so much room.
type disk struct {
	text string
	room int
}

func (d *disk) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.text, d.room = d.text+string(p[:n]), d.room-n
	if n < len(p) {
		return n, unix.ENOSPC
	}
	return n, nil
}

func (d *disk) Truncate(size int64) error {
	d.room += len(d.text) - int(size)
	d.text = d.text[:size]
	return nil
}

func (d *disk) Close() error { return nil }

// Lines that find no room wait for it, and none is written by half.
func TestLinesWaitForRoomAndAreNotCut(t *testing.T) {
	d := &disk{room: 8}
	a := &appendFile{name: "log", f: d}
	add := func(line string, begins bool) {
		t.Helper()
		if err := a.add([]byte(line)); begins != (err != nil) || begins && (!errors.Is(err, unix.ENOSPC) || !strings.HasPrefix(err.Error(), "log: ")) {
			t.Errorf("%q: error %v; one that lines begin to wait: %v", line, err, begins)
		}
	}
	add("first\n", false)
	add("second\n", true)
	add("third\n", false) // said once
	if diff := cmp.Diff("first\n", d.text); diff != "" {
		t.Errorf("on the full disk (-want +got):\n%s", diff)
	}
	d.room = 100
	add("fourth\n", false)
	if diff := cmp.Diff("first\nsecond\nthird\nfourth\n", d.text); diff != "" {
		t.Errorf("with room again (-want +got):\n%s", diff)
	}
	d.room = 0
	add("fifth\n", true)
	d.room = 100
	if err := a.close(); err != nil || !strings.HasSuffix(d.text, "fourth\nfifth\n") {
		t.Errorf("%v, %q: the last lines are written at the end", err, d.text)
	}

	a = &appendFile{name: "log", f: &disk{}}
	add("only\n", true)
	if err := a.close(); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "log lacks its last lines") {
		t.Errorf("error %v; want one that names the file and why", err)
	}
}

// A run's files are new ones: a link in their place leads to a file that is not its.
func TestLinksAreReplaced(t *testing.T) {
	for _, resume := range []bool{false, true} {
		dir, elsewhere := t.TempDir(), t.TempDir()
		for _, name := range []string{LogFile, MetricsFile, PageFile} {
			precious := filepath.Join(elsewhere, name)
			if err := os.WriteFile(precious, []byte("{\"step\":1}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(precious, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(elsewhere, filepath.Join(dir, EventsDir)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(elsewhere, eventPrefix+"old"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := Open(dir, Options{Resume: resume, ResumeStep: 1, TensorBoard: !resume, Page: func() (Page, error) { return Page{}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		r.Say("x")
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		left, err := os.ReadDir(elsewhere)
		if err != nil || len(left) != 4 {
			t.Errorf("resume %v: %v %v where the links lead; the four files alone expected", resume, left, err)
		}
		for _, name := range []string{LogFile, MetricsFile, PageFile} {
			if got := read(t, elsewhere, name); got != "{\"step\":1}\n" {
				t.Errorf("resume %v: %s, which a link led to, has %q", resume, name, got)
			}
		}
	}
}
