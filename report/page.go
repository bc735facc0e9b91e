package report

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"

	"gorqa/files/modelfile"
	"gorqa/files/webpage"
	"gorqa/files/whole"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// Page is what report.html shows, from the top down: tables, curves, and rows to look
// through.
type Page struct {
	Title  string
	Facts  []Table // what was run, where, on what
	Scores []Table
	Folded []Table // shown on demand
	Curves []Curve
	Rows   Rows
}

// Table is a table with its head, which may be left out.
type Table struct {
	Title, Note string
	Head        []string
	Rows        [][]string
}

// Curve is lines over the same steps, in one drawing.
type Curve struct {
	Title string `json:"title"`
	Exact bool   `json:"exact,omitempty"` // never smoothed: nothing in it is chance
	Lines []Line `json:"lines"`
}

// Line is one figure over the steps.
type Line struct {
	Name   string  `json:"name"`
	Run    int     `json:"run"` // the colour
	Dashed bool    `json:"dashed"`
	Points []Point `json:"points"`
}

// Point is a figure at a step; its JSON is [step, value].
type Point struct {
	Step  int
	Value float64
}

// MarshalJSON writes six digits, which is more than a drawing shows.
func (p Point) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{p.Step, digits(p.Value, 6)})
}

// digits is a figure in so many digits.
func digits(x float64, n int) json.Number {
	return json.Number(strconv.FormatFloat(x, 'g', n, 64))
}

// Rows are questions with what was answered.
type Rows struct {
	Answers  []string  `json:"answers"` // the names of each row's answers: before and after, or of the runs
	Scores   []Score   `json:"scores"`  // of each answer
	Passages []Passage `json:"passages"`
	Rows     []Row     `json:"rows"`
	All      int       `json:"all"` // how many rows there are, of which Rows may be the first ones
}

// Score is the key of a score and what people call it.
type Score struct {
	Key  string `json:"key"`
	Name string `json:"name"`
}

// Passage is a text with what it is called.
type Passage struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Row is a question.
type Row struct {
	Group    string   `json:"group"` // rows of one group can be shown alone
	Question string   `json:"question"`
	History  []string `json:"history,omitempty"`
	Gold     string   `json:"gold"`
	GoldDocs []int    `json:"gold_docs,omitempty"` // places in Passages
	Answers  []Answer `json:"answers"`             // as many as names; one without text where there is none
}

// Answer is what was answered, from which passages.
type Answer struct {
	Text     string                 `json:"text"`
	Missing  bool                   `json:"missing,omitempty"`
	Passages []int                  `json:"passages,omitempty"`
	Scores   map[string]json.Number `json:"scores,omitempty"`
	Note     string                 `json:"note,omitempty"` // what a judge said, say
}

// NewAnswer rounds scores, which need no more digits here.
func NewAnswer(text string, passages []int, scores map[string]float64, note string) Answer {
	a := Answer{Text: text, Passages: passages, Note: note, Scores: map[string]json.Number{}}
	for key, v := range scores {
		a.Scores[key] = digits(v, 4)
	}
	return a
}

// WritePage writes the page as one file, which needs no network: the data that its
// script draws is in it, compressed.
func WritePage(path string, p Page) error {
	data, err := packed(map[string]any{"curves": p.Curves, "rows": p.Rows})
	if err != nil {
		return err
	}
	page := webpage.Page{Text: pageText, Style: pageStyle, Script: pageScript}
	return whole.File(path, func(w io.Writer) error {
		return page.Write(w, map[string]any{"Page": p, "Data": data})
	})
}

// packed is JSON, compressed, as base64.
func packed(data any) (string, error) {
	var out bytes.Buffer
	text := base64.NewEncoder(base64.StdEncoding, &out)
	zip, err := gzip.NewWriterLevel(text, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	encoder := json.NewEncoder(zip)
	encoder.SetEscapeHTML(false) // no browser reads it before the script has unpacked it
	if err := errors.Join(encoder.Encode(data), zip.Close(), text.Close()); err != nil {
		return "", err
	}
	return out.String(), nil
}

// ReadMetrics gives the figures of a run's MetricsFile over the steps, by name; none
// where there is no such file. A last line that is being written, or that a kill cut
// off, is left out.
func ReadMetrics(dir string) (map[string][]Point, error) {
	path := filepath.Join(dir, MetricsFile)
	f, _, err := modelfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	series := map[string][]Point{}
	err = eachLine(f, func(line line) error {
		var event map[string]any
		err := modelfile.JSONPart(line.text, &event)
		step, ok := event["step"].(float64)
		switch {
		case err != nil && !line.ended && line.text[0] == '{':
			return nil
		case err == nil && !ok:
			err = errors.New("no step found; a number expected")
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w; remove the line, which gorqa did not write, or the file", path, line.number, err)
		}
		for name, value := range event {
			if x, ok := value.(float64); ok && name != "step" && name != "epoch" {
				series[name] = append(series[name], Point{int(step), x})
			}
		}
		return nil
	})
	for name, points := range series {
		series[name] = thinned(points)
	}
	return series, err
}

// mostPoints is as many as a drawing has room for.
const mostPoints = 2000

// thinned gives means of points that follow each other, where there are too many.
func thinned(points []Point) []Point {
	if len(points) <= mostPoints {
		return points
	}
	out := make([]Point, mostPoints)
	for i := range out {
		from, to := i*len(points)/mostPoints, (i+1)*len(points)/mostPoints
		sum := 0.0
		for _, p := range points[from:to] {
			sum += p.Value
		}
		out[i] = Point{points[to-1].Step, sum / float64(to-from)}
	}
	return out
}

// ReadWarnings gives the warnings of a run's LogFile, each once.
func ReadWarnings(dir string) (warnings []string, err error) {
	f, _, err := modelfile.Open(filepath.Join(dir, LogFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	seen := map[string]bool{}
	return warnings, eachLine(f, func(line line) error {
		_, text, _ := bytes.Cut(line.text, []byte(" ")) // behind the time
		if what, ok := bytes.CutPrefix(text, []byte(warningMark)); ok && !seen[string(what)] {
			seen[string(what)] = true
			warnings = append(warnings, string(what))
		}
		return nil
	})
}

// pageInto makes the page of a run that is over. Where there is nothing to make it of,
// that is a warning: the run is done.
func (r *Run) pageInto() error {
	if r.dir == "" || r.opt.Page == nil {
		return nil
	}
	page, err := r.opt.Page()
	if err != nil {
		r.line(warningMark+fmt.Sprintf("%s cannot be made: %v", PageFile, err), false)
		return nil
	}
	return WritePage(filepath.Join(r.dir, PageFile), page)
}
