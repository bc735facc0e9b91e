package report

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a time that moves when it is told to.
type clock struct{ at time.Time }

func newClock() *clock                  { return &clock{time.Unix(1_700_000_000, 0)} }
func (c *clock) now() time.Time         { return c.at }
func (c *clock) pass(d time.Duration)   { c.at = c.at.Add(d) }
func (c *clock) stamps(s string) string { return strings.ReplaceAll(s, "2023-11-14T22:13:20Z", "T") }

func steps(t *testing.T, r *Run, from, to, of int) {
	t.Helper()
	for i := from; i <= to; i++ {
		err := r.Step(Step{
			Step: i, Steps: of, Epoch: float64(i) / float64(of), Loss: float64(i), LearningRate: 1e-4, GradNorm: 0.5,
			Tokens: 1000, Rows: 8, Elapsed: 2 * time.Second, Memory: 5_100_000_000,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPipe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	var console bytes.Buffer
	c := newClock()
	r, err := open(dir, Options{Console: &console}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	r.LogEvery(2)
	r.Say("%d rows", 40)
	r.Warn("%d rows stand in two splits", 3)
	steps(t, r, 1, 5, 5)
	if err := r.Scores(5, map[string]float64{"eval_loss": 1.5, "eval_gen/f1/avg_f1_ans": 0.25, "eval_n": 73}); err != nil {
		t.Fatal(err)
	}
	r.Compare("Test set", []string{"before", "after"}, []map[string]float64{{"f1": 0.1666666}, {"f1": 0.41, "new": 2}}, nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	want := `40 rows
warning: 3 rows stand in two splits
step 1/5  epoch 0.20  loss 1.0000  lr 1.000e-04  grad 0.500  500 tokens/s  4.00 rows/s  8s left  5.1 GB
step 2/5  epoch 0.40  loss 1.5000  lr 1.000e-04  grad 0.500  500 tokens/s  4.00 rows/s  6s left  5.1 GB
step 4/5  epoch 0.80  loss 3.5000  lr 1.000e-04  grad 0.500  500 tokens/s  4.00 rows/s  2s left  5.1 GB
step 5/5  epoch 1.00  loss 5.0000  lr 1.000e-04  grad 0.500  500 tokens/s  4.00 rows/s  0ms left  5.1 GB

Test set
metric  before   after
----------------------
f1      0.1667  0.4100
new          -       2
`
	if diff := cmp.Diff(want, console.String()); diff != "" {
		t.Error(diff)
	}
	// The log holds the same lines, each with its time.
	var log strings.Builder
	for line := range strings.Lines(c.stamps(read(t, dir, LogFile))) {
		text, ok := strings.CutPrefix(line, "T ")
		if !ok {
			t.Errorf("line without a time: %q", line)
		}
		log.WriteString(text)
	}
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Error(diff)
	}
	wantEvents := `{"step":1,"epoch":0.2,"time":"T","loss":1,"learning_rate":0.0001,"grad_norm":0.5,"tokens_per_second":500,"rows_per_second":4,"memory_gb":5.1}
{"step":2,"epoch":0.4,"time":"T","loss":1.5,"learning_rate":0.0001,"grad_norm":0.5,"tokens_per_second":500,"rows_per_second":4,"memory_gb":5.1}
{"step":4,"epoch":0.8,"time":"T","loss":3.5,"learning_rate":0.0001,"grad_norm":0.5,"tokens_per_second":500,"rows_per_second":4,"memory_gb":5.1}
{"step":5,"epoch":1,"time":"T","loss":5,"learning_rate":0.0001,"grad_norm":0.5,"tokens_per_second":500,"rows_per_second":4,"memory_gb":5.1}
{"step":5,"epoch":1,"time":"T","eval_gen/f1/avg_f1_ans":0.25,"eval_loss":1.5,"eval_n":73}
`
	if diff := cmp.Diff(wantEvents, c.stamps(read(t, dir, MetricsFile))); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, EventsDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("event files without being asked for: %v", err)
	}
}

func TestResume(t *testing.T) {
	tests := []struct {
		name, why string
		opt       Options
		torn      string
		want      []int // steps of metrics.jsonl
		lines     int   // of train.log
	}{
		{"anew", "an earlier run leaves nothing", Options{}, "", []int{4, 5}, 2},
		{"resumed", "steps beyond the checkpoint are done again", Options{Resume: true, ResumeStep: 3}, "", []int{1, 2, 3, 4, 5}, 8},
		{"torn line", "a kill may cut the last line", Options{Resume: true, ResumeStep: 3}, `{"step":2,"lo`, []int{1, 2, 3, 4, 5}, 8},
		{"line of another", "what is no event is dropped", Options{Resume: true, ResumeStep: 9}, "null\n[]\n{}\n", []int{1, 2, 3, 4, 5, 6, 4, 5}, 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			r, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			steps(t, r, 1, 6, 9)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(filepath.Join(dir, MetricsFile), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(test.torn); err != nil {
				t.Fatal(err)
			}
			f.Close()
			if r, err = Open(dir, test.opt); err != nil {
				t.Fatal(err)
			}
			steps(t, r, 4, 5, 9)
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			var got []int
			for line := range strings.Lines(read(t, dir, MetricsFile)) {
				var event struct{ Step int }
				if err := json.Unmarshal([]byte(line), &event); err != nil {
					t.Errorf("%q: %v", line, err)
				}
				got = append(got, event.Step)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s: %s", test.why, diff)
			}
			if n := strings.Count(read(t, dir, LogFile), "\n"); n != test.lines {
				t.Errorf("%s: %d lines in the log, %d expected", test.why, n, test.lines)
			}
		})
	}
	// Resuming where nothing is: a checkpoint may have been copied alone.
	r, err := Open(t.TempDir(), Options{Resume: true, ResumeStep: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// onTerminal makes the console of r look like a terminal of some width.
func onTerminal(r *Run, width int) {
	r.screen.bars = true
	r.screen.width = func() int { return width }
}

func TestTerminal(t *testing.T) {
	var console bytes.Buffer
	c := newClock()
	r, err := open("", Options{Console: &console}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	onTerminal(r, 80)
	task := r.Task("Embedding", 100)
	c.pass(time.Second)
	task.Advance(25)
	c.pass(time.Millisecond)
	task.Advance(25) // too soon to draw
	r.Say("a line")
	task.Done()
	task.Done()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	want := "\rEmbedding [                    ] 0/100\x1b[K" +
		"\rEmbedding [=====               ] 25/100  25/s  3s left\x1b[K" +
		"\r\x1b[Ka line\n" +
		"\rEmbedding [==========          ] 50/100  50/s  1s left\x1b[K" +
		"\r\x1b[KEmbedding: 50 of 100 in 1s (50/s)\n"
	if diff := cmp.Diff(want, console.String()); diff != "" {
		t.Error(diff)
	}
}

// Work that turns out to be done shows nothing; another title is another task.
func TestProgressBeginsWhenToldOf(t *testing.T) {
	var console bytes.Buffer
	c := newClock()
	r, err := open("", Options{Console: &console}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	p := r.Progress()
	p.End()
	p.Set("One", 0, 4)
	p.Set("One", 1, 4)
	p.Set("One", 4, 4)
	p.Set("Two", 2, 8)
	p.End()
	p.End()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("One: 4 in 0ms\nTwo: 2 of 8 in 0ms\n", console.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTerminalTrains(t *testing.T) {
	for _, width := range []int{200, 60, 20, 1} {
		var console bytes.Buffer
		r, err := Open("", Options{Console: &console})
		if err != nil {
			t.Fatal(err)
		}
		onTerminal(r, width)
		steps(t, r, 1, 1, 2)
		inner := r.Task("Answering", 0)
		inner.Advance(3)
		inner.Done()
		steps(t, r, 2, 2, 2)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(console.String(), "step 1/2") {
			t.Error("the bar says it already")
		}
		for _, drawn := range strings.Split(console.String(), "\r") {
			drawn, _, _ = strings.Cut(drawn, "\x1b")
			if n := len([]rune(drawn)); n > max(width-1, 0) && !strings.HasSuffix(drawn, "\n") {
				t.Errorf("%d columns of %d: %q", n, width, drawn)
			}
		}
		if width == 200 && !strings.Contains(console.String(), "Training [==========          ] 1/2  loss 1.000  lr 1.00e-04  500 tokens/s  2s left") {
			t.Errorf("%q", console.String())
		}
	}
}

func TestTaskInAPipe(t *testing.T) {
	var console bytes.Buffer
	c := newClock()
	r, err := open("", Options{Console: &console}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	task := r.Task("Answering", 40)
	for range 40 {
		c.pass(time.Second)
		task.Advance(1)
	}
	task.Done()
	want := "Answering: 15/40  1.00/s  25s left\nAnswering: 30/40  1.00/s  10s left\nAnswering: 40 in 40s (1.00/s)\n"
	if diff := cmp.Diff(want, console.String()); diff != "" {
		t.Error(diff)
	}
}

func TestNotANumber(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(dir, Options{TensorBoard: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Step(Step{Step: 1, Steps: 1, Loss: math.NaN(), GradNorm: math.Inf(1)}); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if got := read(t, dir, MetricsFile); !json.Valid([]byte(got)) || !strings.Contains(got, `"loss":null`) {
		t.Errorf("%s", got)
	}
}

func TestErrorsAreReturned(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, Options{}); err == nil {
		t.Error("Open: no error for a folder that is a file")
	}
}

// The page is one file that reaches no network, its tables are there without a script,
// its curves and rows in its data; what looks like HTML is text.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	var page Page
	r, err := Open(dir, Options{Page: func() (Page, error) { return page, nil }})
	if err != nil {
		t.Fatal(err)
	}
	steps(t, r, 1, 3, 3)
	r.Warn("3 rows are <left> out")
	r.Warn("3 rows are <left> out")
	if err := r.Scores(3, map[string]float64{"eval_loss": 2}); err != nil {
		t.Fatal(err)
	}
	metrics, err := ReadMetrics(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]Point{"loss": {{1, 1}, {2, 2}, {3, 3}}, "eval_loss": {{3, 2}}}, map[string][]Point{"loss": metrics["loss"], "eval_loss": metrics["eval_loss"]}); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	warnings, err := ReadWarnings(dir)
	if diff := cmp.Diff([]string{"3 rows are <left> out"}, warnings); err != nil || diff != "" {
		t.Errorf("warnings: %v (-want +got):\n%s", err, diff)
	}
	rogue := "<script>alert(1)</script>"
	page = Page{
		Title:  rogue,
		Facts:  []Table{{Title: "Model", Rows: [][]string{{"name", rogue}}}},
		Scores: []Table{{Title: "Test", Head: []string{"metric", "before"}, Rows: [][]string{{"F1", "0.5"}}, Note: "a note"}},
		Curves: []Curve{{Title: "Loss", Lines: []Line{{Name: "train", Points: metrics["loss"]}}}},
		Rows:   Rows{Answers: []string{"after"}, Passages: []Passage{{rogue, rogue}}, Rows: []Row{{Question: rogue, Answers: []Answer{NewAnswer(rogue, []int{0}, map[string]float64{"f1": 1. / 3}, "")}}}},
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	text := read(t, dir, PageFile)
	for _, want := range []string{"<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>", `<th scope="row">F1</th><td>0.5</td>`, "a note", "Content-Security-Policy", "default-src &#39;none&#39;"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, not := range []string{rogue, "ZgotmplZ", "NaN", " src=", "<link rel=\"stylesheet"} {
		if strings.Contains(text, not) {
			t.Errorf("%s found: the page must be whole without a network, and texts be texts", not)
		}
	}
	want := `{"curves":[{"title":"Loss","lines":[{"name":"train","run":0,"dashed":false,"points":[[1,1],[2,2],[3,3]]}]}],` +
		`"rows":{"answers":["after"],"scores":null,"passages":[{"title":"` + rogue + `","text":"` + rogue + `"}],"rows":[{"group":"","question":"` + rogue + `","gold":"","answers":[{"text":"` + rogue + `","passages":[0],"scores":{"f1":0.3333}}]}],"all":0}}`
	if diff := cmp.Diff(want, unpacked(t, text)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
}

// A page that cannot be made is a warning: the run is done.
func TestPageThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(dir, Options{Page: func() (Page, error) { return Page{}, errors.New("damaged") }})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if log := read(t, dir, LogFile); !strings.Contains(log, "warning: report.html cannot be made: damaged") {
		t.Errorf("%q lacks the warning", log)
	}
}

// unpacked is the data of a page.
func unpacked(t *testing.T, page string) string {
	t.Helper()
	_, rest, _ := strings.Cut(page, `id="data">"`)
	data, _, _ := strings.Cut(rest, `"</script>`)
	zip, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// A long run has as many points as a drawing has room for, each the mean of its steps.
func TestLongRunsAreThinned(t *testing.T) {
	points := make([]Point, 3*mostPoints)
	for i := range points {
		points[i] = Point{i + 1, float64(i % 3)}
	}
	out := thinned(points)
	if len(out) != mostPoints || out[0] != (Point{3, 1}) || out[mostPoints-1] != (Point{3 * mostPoints, 1}) {
		t.Errorf("%d points from %v to %v; %d from {3 1} to {%d 1} expected", len(out), out[0], out[len(out)-1], mostPoints, 3*mostPoints)
	}
}

func TestShortDurations(t *testing.T) {
	tests := map[time.Duration]string{
		0: "0ms", 850 * time.Millisecond: "850ms", 1250 * time.Millisecond: "1.3s", 12 * time.Second: "12s",
		185 * time.Second: "3m05s", 130 * time.Minute: "2h10m",
	}
	for d, want := range tests {
		if got := short(d); got != want {
			t.Errorf("%v: %s; %s expected", d, got, want)
		}
	}
}

func TestFormatIsCalm(t *testing.T) {
	got := Format([]string{"a", "bb"}, [][]string{{"ä", "1", "over"}, {}, {"long name"}})
	want := "a          bb\n-------------\nä           1\n\nlong name\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	Format(nil, nil)
}

func FuzzKeepEvents(f *testing.F) {
	f.Add([]byte("{\"step\":1}\n{\"step\":9}\n{\"st"), 3)
	f.Add([]byte("\xff\n\n{\"step\":1.5}"), 0)
	f.Add([]byte("{\"step\":1e3,\"loss\":1e999}"), 2)
	f.Add([]byte("{\"step\":-1,\"loss\":1e308}\n{\"step\":0,\"loss\":-1e308}"), 2)
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		dir := t.TempDir()
		path := filepath.Join(dir, MetricsFile)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := keepEvents(path, step); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(read(t, path)) {
			var event struct{ Step *int }
			if err := json.Unmarshal([]byte(line), &event); err != nil || event.Step == nil || *event.Step > step {
				t.Errorf("%q kept: %v", line, err)
			}
		}
		if _, err := ReadMetrics(dir); err != nil {
			t.Error(err) // of what is kept, no line is damaged
		}
	})
}

func TestReadMetricsSaysWhichLineIsNone(t *testing.T) {
	good := `{"step": 1, "loss": 2}` + "\n"
	for _, test := range []struct{ name, why, text, want string }{
		{"empty", "a run that has just begun", "", ""},
		{"under way", "the last line is being written", good + `{"step": 2, "lo`, ""},
		{"whole without its end", "as far as the step goes", good + `{"step": 2}`, ""},
		{"garbage", "no page is made of it", "garbage\n", ":1: invalid character 'g' looking for beginning of value; JSON expected; remove the line"},
		{"garbage without an end", "no event is cut off so", "\x00\x01", ":1: invalid character"},
		{"garbage in the middle", "a kill cuts off the last line alone", good + "{\"step\n" + good, ":2: "},
		{"list", "JSON, and no event", good + "[1]\n", ":2: a list found; an object expected"},
		{"another object", "a file of other lines", "\n" + `{"question": "q"}`, ":2: no step found; a number expected"},
		{"long", "its beginning alone is read", `{"step": 1, "a": "` + strings.Repeat("x", maxLine) + "\"}\n" + good, ":1: the end found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, MetricsFile), []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			series, err := ReadMetrics(dir)
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), MetricsFile+test.want) {
					t.Errorf("%v; expected %s (%s)", err, test.want, test.why)
				}
			} else if err != nil || test.text != "" && len(series["loss"]) != 1 {
				t.Errorf("%v, %v (%s)", series, err, test.why)
			}
		})
	}
}

func ExampleRun() {
	r, err := Open("", Options{Console: os.Stdout, LogEvery: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Say("575 rows, 71 steps")
	if err := r.Step(Step{Step: 1, Steps: 71, Loss: 2.5, LearningRate: 1e-5, Tokens: 2888, Rows: 8, Elapsed: 4 * time.Second}); err != nil {
		fmt.Println(err)
	}
	r.Compare("Test set", []string{"before", "after"}, []map[string]float64{{"F1": 0.166}, {"F1": 0.410}}, nil)
	if err := r.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 575 rows, 71 steps
	// step 1/71  epoch 0.00  loss 2.5000  lr 1.000e-05  grad 0.000  722 tokens/s  2.00 rows/s  4m40s left
	//
	// Test set
	// metric  before   after
	// ----------------------
	// F1      0.1660  0.4100
}
