package dataset

import (
	"fmt"
	"strings"
)

// maxProblems is how many problems of one file are kept and shown.
const maxProblems = 50

// Problem is one thing that is wrong in a data file.
type Problem struct {
	File     string
	Line     int    // from 1; 0 where the problem is the file's
	Found    string // what is there
	Expected string // what should be
	Do       string // what to do about it
}

// Error formats the problem as "file:line: found; expected …; do".
func (p Problem) Error() string {
	place := p.File
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s: %s; expected %s; %s", place, p.Found, p.Expected, p.Do)
}

// BadData is everything that is wrong in one data file.
type BadData struct {
	Problems []Problem // the first 50, in the file's order
	Count    int       // how many there are
	BadRows  int       // how many rows they are in
}

// Error lists the problems, one a line.
func (e *BadData) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.Error())
	}
	if more := e.Count - len(e.Problems); more > 0 {
		fmt.Fprintf(&b, "\n%s: and %d more of the kind, in %d rows altogether", e.Problems[0].File, more, e.BadRows)
	}
	return b.String()
}

// Unwrap gives the problems one by one to errors.As.
func (e *BadData) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		errs[i] = p
	}
	return errs
}

// problems gathers what is wrong in one file.
type problems struct {
	file string
	bad  BadData
	last int // the line of the latest problem
}

func (p *problems) add(line int, found, expected, do string) {
	p.bad.Count++
	if line > 0 && line != p.last {
		p.bad.BadRows++
		p.last = line
	}
	if len(p.bad.Problems) < maxProblems {
		p.bad.Problems = append(p.bad.Problems, Problem{File: p.file, Line: line, Found: found, Expected: expected, Do: do})
	}
}

// err is nil where nothing is wrong.
func (p *problems) err() error {
	if p.bad.Count == 0 {
		return nil
	}
	return &p.bad
}

// Add puts a problem behind the others. Those beyond the first 50 are only counted.
func (e *BadData) Add(p Problem) {
	e.Count++
	if n := len(e.Problems); n == 0 || e.Problems[n-1].Line != p.Line {
		e.BadRows++
	}
	if len(e.Problems) < maxProblems {
		e.Problems = append(e.Problems, p)
	}
}
