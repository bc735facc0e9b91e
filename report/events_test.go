package report

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The bytes are TensorBoard's own: parity/make_events.py.
func TestEventsAreTensorBoards(t *testing.T) {
	want, err := os.ReadFile("testdata/events.tfevents")
	if err != nil {
		t.Fatal(err)
	}
	at := func(seconds float64) time.Time { return time.UnixMicro(int64(seconds * 1e6)) }
	var got []byte
	for _, event := range [][]byte{
		versionEvent(at(1700000000.25)),
		startEvent(at(1700000000.25), 11),
		summaryEvent(at(1700000001.5), 300, []scalar{{"train/loss", 1.25}, {"train/learning_rate", 1e-4}, {"eval/gen/f1/avg_f1_ans", 0.41}}),
		summaryEvent(at(1700000002), 301, []scalar{{"test/loss", math.NaN()}}),
	} {
		got = append(got, record(event)...)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%d bytes differ from the %d expected:\n%q\n%q", len(got), len(want), got, want)
	}
}

func TestTagsAreTrainers(t *testing.T) {
	got := scalars([]field{{"step", 3}, {"time", "T"}, {"loss", 1.0}, {"eval_loss", 2.0}, {"eval_gen/f1/avg_f1_ans", 3.0}, {"test_loss", 4.0}, {"evaluations", 5.0}})
	want := []scalar{{"train/loss", 1}, {"eval/loss", 2}, {"eval/gen/f1/avg_f1_ans", 3}, {"test/loss", 4}, {"train/evaluations", 5}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(scalar{})); diff != "" {
		t.Error(diff)
	}
}

func TestEventFiles(t *testing.T) {
	dir := t.TempDir()
	events := filepath.Join(dir, EventsDir)
	count := func() int {
		entries, err := os.ReadDir(events)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), eventPrefix) {
				n++
			}
		}
		return n
	}
	c := newClock()
	run := func(opt Options) {
		opt.TensorBoard = true
		c.pass(time.Second)
		r, err := open(dir, opt, c.now)
		if err != nil {
			t.Fatal(err)
		}
		steps(t, r, 1, 2, 2)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	run(Options{})
	run(Options{Resume: true, ResumeStep: 1})
	if n := count(); n != 2 {
		t.Errorf("%d event files after resuming; 2 expected", n)
	}
	other := filepath.Join(events, "notes.txt")
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run(Options{})
	if n := count(); n != 1 {
		t.Errorf("%d event files after starting anew; 1 expected", n)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("another's file: %v", err)
	}
}
