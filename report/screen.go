package report

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// screen is the console: lines, and below them, on a terminal, the bar of the
// task begun last.
type screen struct {
	out   io.Writer
	now   func() time.Time
	bars  bool
	width func() int
	tasks []*Task
	drawn time.Time // when the bar was drawn last
	shown bool      // a bar stands in the last line
}

// How often a bar is drawn, and a task without a bar says how far it is.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 15 * time.Second
)

func newScreen(out io.Writer, plain bool, now func() time.Time) *screen {
	s := &screen{out: out, now: now}
	if f, ok := out.(*os.File); ok && !plain && term.IsTerminal(int(f.Fd())) {
		s.bars = true
		s.width = func() int {
			w, _, err := term.GetSize(int(f.Fd()))
			if err != nil || w < 20 {
				return 80
			}
			return w
		}
	}
	return s
}

// A Task is work of a known length whose progress is shown.
type Task struct {
	run       *Run
	title     string
	at, total int
	from      int // where it stood when it began
	note      string
	began     time.Time
	said      time.Time
	done      bool
}

// Task begins a task of so many parts. Tasks begun later are shown first.
func (r *Run) Task(title string, total int) *Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.screen.begin(title, total, 0)
	t.run = r
	return t
}

// Progress is a task that begins when something is first told of it, and another one under
// another title. It is for work that may turn out to be done already.
type Progress struct {
	run  *Run
	task *Task
	done int
}

// Progress shows nothing yet.
func (r *Run) Progress() *Progress { return &Progress{run: r} }

// Set tells that so many of all parts of the task of that title are done.
func (p *Progress) Set(title string, done, total int) {
	if p.task == nil || p.task.title != title {
		p.End()
		p.task, p.done = p.run.Task(title, total), 0
	}
	p.task.Advance(done - p.done)
	p.done = done
}

// End ends the task, where one has begun.
func (p *Progress) End() {
	if p.task != nil {
		p.task.Done()
	}
	p.task = nil
}

// Advance tells that n more parts are done.
func (t *Task) Advance(n int) {
	r := t.run
	r.mu.Lock()
	defer r.mu.Unlock()
	t.at += n
	now := r.now()
	r.screen.draw(false)
	if !r.screen.bars && !t.done && now.Sub(t.said) >= lineEvery {
		t.said = now
		r.line(t.progress(now), false)
	}
}

// Done ends the task and says how long it took. A second call does nothing.
func (t *Task) Done() {
	r := t.run
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.done {
		return
	}
	r.screen.end(t)
	took := r.now().Sub(t.began)
	line := fmt.Sprintf("%s: %d in %s", t.title, t.at, short(took))
	if t.at < t.total {
		line = fmt.Sprintf("%s: %d of %d in %s", t.title, t.at, t.total, short(took))
	}
	if s := took.Seconds(); s > 0.1 && t.at > 0 {
		line += fmt.Sprintf(" (%s/s)", rate(float64(t.at)/s))
	}
	r.line(line, false)
}

// progress is one line: how far, how fast, how long yet.
func (t *Task) progress(now time.Time) string {
	line := fmt.Sprintf("%s: %d", t.title, t.at)
	if t.total > 0 {
		line += fmt.Sprintf("/%d", t.total)
	}
	if t.note != "" {
		return line + "  " + t.note
	}
	took, done := now.Sub(t.began), t.at-t.from
	if done > 0 && took > 0 {
		perSecond := float64(done) / took.Seconds()
		line += fmt.Sprintf("  %s/s", rate(perSecond))
		if t.total > t.at {
			line += fmt.Sprintf("  %s left", short(time.Duration(float64(t.total-t.at)/perSecond*float64(time.Second))))
		}
	}
	return line
}

func (s *screen) begin(title string, total, at int) *Task {
	now := s.now()
	t := &Task{title: title, total: total, at: at, from: at, began: now, said: now}
	s.tasks = append(s.tasks, t)
	s.draw(true)
	return t
}

func (s *screen) end(t *Task) {
	t.done = true
	kept := s.tasks[:0]
	for _, other := range s.tasks {
		if other != t {
			kept = append(kept, other)
		}
	}
	s.tasks = kept
	s.erase()
	s.draw(true)
}

// print writes whole lines above the bar.
func (s *screen) print(text string) error {
	if s.out == nil {
		return nil
	}
	s.erase()
	if _, err := io.WriteString(s.out, text+"\n"); err != nil {
		return err
	}
	s.draw(true)
	return nil
}

func (s *screen) erase() {
	if s.shown {
		io.WriteString(s.out, "\r\x1b[K")
		s.shown = false
	}
}

// draw shows the bar of the last task, not too often unless it must.
func (s *screen) draw(must bool) {
	now := s.now()
	if !s.bars || len(s.tasks) == 0 || !must && now.Sub(s.drawn) < barEvery {
		return
	}
	s.drawn, s.shown = now, true
	t := s.tasks[len(s.tasks)-1]
	io.WriteString(s.out, "\r"+t.bar(now, s.width()-1)+"\x1b[K")
}

// bar is the task in at most width columns.
func (t *Task) bar(now time.Time, width int) string {
	text := Clean(t.progress(now))
	const length = 20
	if t.total > 0 && width >= utf8.RuneCountInString(text)+length+3 {
		full := min(length, max(0, length*t.at/t.total))
		title, rest, _ := strings.Cut(text, ": ")
		text = title + " [" + strings.Repeat("=", full) + strings.Repeat(" ", length-full) + "] " + rest
	}
	if runes := []rune(text); len(runes) > width {
		text = string(runes[:max(0, width)])
	}
	return text
}

func (s *screen) close() {
	s.erase()
	s.tasks = nil
}

// short writes a time as people say it: 850ms, 12s, 3m05s, 2h10m.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', -1, 64) + "s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

func rate(x float64) string {
	if x >= 10 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

// number writes a figure with four significant places after the point.
func number(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1e9 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	if a := math.Abs(x); a < 0.001 || a >= 1e6 {
		return strconv.FormatFloat(x, 'g', 4, 64)
	}
	return strconv.FormatFloat(x, 'f', 4, 64)
}

// Format lays a table out in columns: the first to the left, the others to
// the right, a rule under the head.
func Format(head []string, rows [][]string) string {
	width := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row[:min(len(row), len(head))] {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	write := func(row []string) {
		var line strings.Builder
		for i := range head {
			cell := ""
			if i < len(row) {
				cell = row[i]
			}
			space := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString(cell + space)
			} else {
				line.WriteString("  " + space + cell)
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	write(head)
	total := 0
	for _, w := range width {
		total += w + 2
	}
	out.WriteString(strings.Repeat("-", max(0, total-2)) + "\n")
	for _, row := range rows {
		write(row)
	}
	return out.String()
}
