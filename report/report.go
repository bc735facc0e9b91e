package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"gorqa/files/modelfile"
	"gorqa/files/whole"
)

// Files of a run in its output folder.
const (
	LogFile     = "train.log"     // every line the console showed, with its time
	MetricsFile = "metrics.jsonl" // one JSON object an event
	PageFile    = "report.html"   // what of the run is to be looked at; made by Close
	EventsDir   = "runs"          // TensorBoard event files
)

// Options say what a run shows and where.
type Options struct {
	Console     io.Writer // nil = nothing is shown
	Plain       bool      // lines instead of progress bars, on a terminal too
	TensorBoard bool      // write event files
	// Track is told every figure, for another program; its errors are warnings. May be nil.
	Track    func(at time.Time, step int, figures map[string]float64) error
	LogEvery int // steps from one line of training to the next; 0 = 1

	// Page gives what PageFile shows, at the end; nil leaves none.
	Page func() (Page, error)

	// Resume goes on in the files of an earlier run, from which events beyond
	// ResumeStep are dropped. Without it the files are started anew.
	Resume     bool
	ResumeStep int
}

// Run is the report of one run. Its methods may be called from several
// goroutines.
type Run struct {
	mu      sync.Mutex
	opt     Options
	dir     string
	now     func() time.Time
	screen  *screen
	log     *appendFile
	metrics *appendFile
	events  *eventFile
	silent  bool  // the console could not be written
	err     error // the first thing that could not be reported at all

	training *Task
	window   window
	pace     pace
	epoch    float64
}

// window sums the steps since the last line of training.
type window struct {
	steps, tokens, rows int
	loss                float64
	elapsed             time.Duration
}

// pace is the mean time of a step, the first one (which compiles) left out
// once there are others.
type pace struct {
	first, rest time.Duration
	steps       int
}

func (p *pace) add(d time.Duration) {
	if p.steps == 0 {
		p.first = d
	} else {
		p.rest += d
	}
	p.steps++
}

func (p *pace) mean() time.Duration {
	if p.steps < 2 {
		return p.first
	}
	return p.rest / time.Duration(p.steps-1)
}

// Open starts a report in dir, which is made if it is not there. An empty dir
// leaves no files.
func Open(dir string, opt Options) (*Run, error) {
	return open(dir, opt, time.Now)
}

func open(dir string, opt Options, now func() time.Time) (*Run, error) {
	if opt.LogEvery < 1 {
		opt.LogEvery = 1
	}
	r := &Run{opt: opt, dir: dir, now: now, screen: newScreen(opt.Console, opt.Plain, now)}
	if dir == "" {
		return r, nil
	}
	if err := r.openFiles(); err != nil {
		return nil, errors.Join(err, r.closeFiles())
	}
	return r, nil
}

func (r *Run) openFiles() error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	if r.opt.Resume {
		if err := keepEvents(filepath.Join(r.dir, MetricsFile), r.opt.ResumeStep); err != nil {
			return err
		}
	}
	var err error
	if r.log, err = r.openFile(LogFile); err != nil {
		return err
	}
	if r.metrics, err = r.openFile(MetricsFile); err != nil {
		return err
	}
	if !r.opt.TensorBoard {
		return nil
	}
	events := filepath.Join(r.dir, EventsDir)
	if !r.opt.Resume {
		if err := removeEvents(events); err != nil {
			return err
		}
	}
	purge := -1
	if r.opt.Resume {
		purge = r.opt.ResumeStep + 1
	}
	r.events, err = createEvents(events, r.now(), purge)
	return err
}

// openFile opens a file to go on in, or a new one in place of what has its name. A
// link or a pipe is replaced, not followed or waited for.
func (r *Run) openFile(name string) (*appendFile, error) {
	path := filepath.Join(r.dir, name)
	info, err := os.Lstat(path)
	if err == nil && (!r.opt.Resume || !info.Mode().IsRegular()) {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return openAppend(name, path)
}

// keepEvents rewrites a metrics file without the events beyond step and
// without a last line that was cut off.
func keepEvents(path string, step int) error {
	f, _, err := modelfile.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return whole.File(path, func(w io.Writer) error {
		return eachLine(f, func(line line) error {
			var event struct{ Step *int }
			if json.Unmarshal(line.text, &event) != nil || event.Step == nil || *event.Step > step {
				return nil
			}
			_, err := w.Write(append(line.text, '\n'))
			return err
		})
	})
}

// maxLine bounds a line of metrics.jsonl; a longer one was not written here,
// and its beginning alone is read.
const maxLine = 1 << 20

// line is one of a file's.
type line struct {
	number int
	text   []byte // without white space around it
	ended  bool   // not cut off
}

// eachLine goes over the lines that are not empty.
func eachLine(r io.Reader, do func(line line) error) error {
	in := bufio.NewReader(r)
	at := line{number: 1}
	for {
		part, err := in.ReadSlice('\n')
		at.text = append(at.text, part[:min(len(part), maxLine-len(at.text))]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		at.ended = err == nil
		if text := bytes.TrimSpace(at.text); len(text) > 0 {
			if err := do(line{at.number, text, at.ended}); err != nil {
				return err
			}
		}
		at.text = at.text[:0]
		at.number++
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// A Step is one step of the optimiser that was done.
type Step struct {
	Step, Steps  int     // from 1; of so many
	Epoch        float64 // how often the rows were gone over by now
	Loss         float64 // nats a label token of this step
	LearningRate float64
	GradNorm     float64       // before clipping
	Tokens, Rows int           // in this step
	Elapsed      time.Duration // of this step
	Memory       int64         // bytes at the peak by now; 0 = unknown
	Sums         Sums          // over processes
}

// Sums are those of a step's gradients over processes; the zero value is one process.
type Sums struct {
	Waited, Took time.Duration // what the step waited for them, and what they took
	Sent         int64         // bytes to other processes
}

// Step shows a step. Every LogEvery steps, and at the first and the last, it
// is written as an event, the loss being the mean of the steps since the last
// such step that was a multiple of LogEvery.
func (r *Run) Step(s Step) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.training == nil {
		r.training = r.screen.begin("Training", s.Steps, s.Step-1)
	}
	r.epoch = s.Epoch
	r.pace.add(s.Elapsed)
	w := &r.window
	w.steps++
	w.tokens += s.Tokens
	w.rows += s.Rows
	w.loss += s.Loss
	w.elapsed += s.Elapsed
	seconds := max(w.elapsed.Seconds(), 1e-9)
	loss, tokens, rows := w.loss/float64(w.steps), float64(w.tokens)/seconds, float64(w.rows)/seconds
	left := time.Duration(max(0, s.Steps-s.Step)) * r.pace.mean()
	r.training.at = s.Step
	r.training.total = s.Steps
	r.training.note = fmt.Sprintf("loss %.3f  lr %.2e  %.0f tokens/s  %s left", loss, s.LearningRate, tokens, short(left))
	r.screen.draw(false)

	full := s.Step%r.opt.LogEvery == 0
	if !full && s.Step != 1 && s.Step != s.Steps {
		return r.err
	}
	line := fmt.Sprintf("step %d/%d  epoch %.2f  loss %.4f  lr %.3e  grad %.3f  %.0f tokens/s  %.2f rows/s  %s left",
		s.Step, s.Steps, s.Epoch, loss, s.LearningRate, s.GradNorm, tokens, rows, short(left))
	event := []field{
		{"step", s.Step}, {"epoch", s.Epoch}, {"time", r.stamp()},
		{"loss", loss}, {"learning_rate", s.LearningRate}, {"grad_norm", s.GradNorm},
		{"tokens_per_second", tokens}, {"rows_per_second", rows},
	}
	if s.Memory > 0 {
		gigabytes := float64(s.Memory) / 1e9
		event = append(event, field{"memory_gb", gigabytes})
		line += fmt.Sprintf("  %.1f GB", gigabytes)
	}
	if s.Sums.Sent > 0 {
		event = append(event, field{"comm_wait_seconds", s.Sums.Waited.Seconds()}, field{"comm_seconds", s.Sums.Took.Seconds()}, field{"comm_sent_gb", float64(s.Sums.Sent) / 1e9})
	}
	if full {
		r.window = window{}
	}
	r.line(line, r.screen.bars)
	r.event(s.Step, event)
	if s.Step >= s.Steps {
		r.screen.end(r.training)
	}
	return r.err
}

// Scores writes the figures of an evaluation at a step as one event, each
// under its key. It shows nothing: that is for Table.
func (r *Run) Scores(step int, scores map[string]float64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	event := []field{{"step", step}, {"epoch", r.epoch}, {"time", r.stamp()}}
	for _, key := range sorted(scores) {
		event = append(event, field{key, scores[key]})
	}
	r.event(step, event)
	return r.err
}

// Table shows a table; it is written to the log only.
func (r *Run) Table(title string, head []string, rows [][]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table(title, head, rows)
}

// Compare shows scores side by side, one column each: before and after, say.
// Keys that stand in no score are left out; an empty list of keys means all.
func (r *Run) Compare(title string, columns []string, scores []map[string]float64, keys []string) {
	if len(keys) == 0 {
		all := map[string]float64{}
		for _, s := range scores {
			for k := range s {
				all[k] = 0
			}
		}
		keys = sorted(all)
	}
	var rows [][]string
	for _, key := range keys {
		row, any := []string{key}, false
		for _, s := range scores {
			v, ok := s[key]
			cell := "-"
			if ok {
				cell, any = number(v), true
			}
			row = append(row, cell)
		}
		if any {
			rows = append(rows, row)
		}
	}
	r.Table(title, append([]string{"metric"}, columns...), rows)
}

// Say shows a line.
func (r *Run) Say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line(fmt.Sprintf(format, args...), false)
}

// Warn shows a line that the user should not miss.
func (r *Run) Warn(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line(warningMark+fmt.Sprintf(format, args...), false)
}

// warningMark begins the lines of warnings.
const warningMark = "warning: "

// LogEvery changes Options.LogEvery, where it depends on how long the run is.
func (r *Run) LogEvery(steps int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opt.LogEvery = max(1, steps)
}

// Log writes a line to LogFile alone.
func (r *Run) Log(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line(fmt.Sprintf(format, args...), true)
}

// Close ends what is still shown, makes PageFile, and says what the files lack.
func (r *Run) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.screen.close()
	err := r.pageInto()
	return errors.Join(r.err, err, r.closeFiles())
}

func (r *Run) closeFiles() error {
	var errs []error
	for _, f := range []*appendFile{r.log, r.metrics} {
		if f != nil {
			errs = append(errs, f.close())
		}
	}
	if r.events != nil {
		errs = append(errs, r.events.close())
	}
	r.log, r.metrics, r.events = nil, nil, nil
	return errors.Join(errs...)
}

// fail keeps the first error that no waiting mends.
func (r *Run) fail(err error) {
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("report: %w", err)
	}
}

func (r *Run) stamp() string { return r.now().UTC().Format(time.RFC3339) }

// line writes to the log and, unless a bar says it already, to the console. A
// console that is gone or full stops nothing: the log has it all.
func (r *Run) line(text string, logOnly bool) {
	text = Clean(text)
	if !logOnly {
		if err := r.screen.print(text); err != nil && !r.silent {
			r.silent = true
			r.line(fmt.Sprintf("warning: the console cannot be written: %v; the run goes on, and all that it says stands here", err), true)
		}
	}
	if r.log == nil {
		return
	}
	var out strings.Builder
	for line := range strings.Lines(text + "\n") {
		out.WriteString(r.stamp() + " " + line)
	}
	r.waits(r.log.add([]byte(out.String())))
}

// waits says on the console that lines of a file wait for room.
func (r *Run) waits(err error) {
	if err != nil {
		_ = r.screen.print(fmt.Sprintf("warning: %v; the run goes on, and its lines are written when they can be", err))
	}
}

func (r *Run) table(title string, head []string, rows [][]string) {
	r.line("\n"+title+"\n"+strings.TrimSuffix(Format(head, rows), "\n"), false)
}

// A field is one name and figure of an event; the order is kept.
type field struct {
	name  string
	value any
}

// event writes one line of metrics.jsonl and one summary for TensorBoard.
func (r *Run) event(step int, fields []field) {
	if r.metrics != nil {
		line, err := encode(fields)
		r.fail(err)
		r.waits(r.metrics.add(line))
	}
	if r.events != nil {
		r.waits(r.events.scalars(step, r.now(), scalars(fields)))
	}
	if r.opt.Track != nil {
		figures := map[string]float64{}
		for _, f := range fields {
			if value, ok := f.value.(float64); ok {
				figures[f.name] = value
			}
		}
		r.waits(r.opt.Track(r.now(), step, figures))
	}
}

// encode gives the fields as one line of JSON, written at once so that a kill
// leaves whole lines. A figure that is no number is null.
func encode(fields []field) ([]byte, error) {
	var out bytes.Buffer
	for i, f := range fields {
		if i == 0 {
			out.WriteByte('{')
		} else {
			out.WriteByte(',')
		}
		if x, ok := f.value.(float64); ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
			f.value = nil
		}
		name, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteString("}\n")
	return out.Bytes(), nil
}

func sorted(m map[string]float64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
