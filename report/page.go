package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/files/whole"
)

//go:embed page.html
var pageText string

// A curve is one figure over the steps, drawn as SVG: the page needs no
// script, no network and no library.
type curve struct {
	Name   string
	Last   string
	Line   string // points of the polyline
	Points []point
	Grid   []tick
	First  int // step at the left
	End    int // step at the right
}

type point struct {
	X, Y string
	Text string
}

type tick struct{ Y, Text string }

// The drawing area of a curve in the units of its view box, 400 by 180.
const (
	left, right = 56.0, 392.0
	top, bottom = 12.0, 156.0
)

type sample struct {
	step  int
	value float64
}

// writePage draws every figure of MetricsFile.
func writePage(dir string) error {
	f, _, err := modelfile.Open(filepath.Join(dir, MetricsFile))
	if err != nil {
		return err
	}
	defer f.Close()
	series := map[string][]sample{}
	err = eachLine(f, func(line []byte) error {
		var event map[string]any
		if json.Unmarshal(line, &event) != nil {
			return nil // cut off by a kill
		}
		step, _ := event["step"].(float64)
		for name, value := range event {
			if x, ok := value.(float64); ok && name != "step" && name != "epoch" {
				series[name] = append(series[name], sample{int(step), x})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var groups [3]struct {
		Title  string
		Curves []curve
	}
	groups[0].Title, groups[1].Title, groups[2].Title = "Training", "Evaluation", "Test"
	names := make([]string, 0, len(series))
	for name := range series {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		g := 0
		if strings.HasPrefix(name, "eval_") {
			g = 1
		} else if strings.HasPrefix(name, "test_") {
			g = 2
		}
		groups[g].Curves = append(groups[g].Curves, draw(name, series[name]))
	}
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	where, err := filepath.Abs(dir)
	if err != nil {
		where = dir
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{"Title": filepath.Base(where), "Groups": groups[:]})
	if err != nil {
		return err
	}
	return whole.Bytes(filepath.Join(dir, PageFile), out.Bytes())
}

// draw scales the samples into the drawing area.
func draw(name string, samples []sample) curve {
	c := curve{Name: name, Last: number(samples[len(samples)-1].value), First: samples[0].step, End: samples[0].step}
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range samples {
		c.First, c.End = min(c.First, s.step), max(c.End, s.step)
		low, high = min(low, s.value), max(high, s.value)
	}
	if high-low < 1e-12*max(1, math.Abs(high)) { // flat
		low, high = low-0.5*max(1e-9, math.Abs(low)), high+0.5*max(1e-9, math.Abs(high))
	}
	y := func(v float64) float64 { return bottom - (v-low)/(high-low)*(bottom-top) }
	for i := range 4 {
		v := low + (high-low)*float64(i)/3
		c.Grid = append(c.Grid, tick{fmt.Sprintf("%.1f", y(v)), fmt.Sprintf("%.3g", v)})
	}
	var line strings.Builder
	for _, s := range samples {
		x := (left + right) / 2
		if c.End > c.First {
			x = left + (right-left)*float64(s.step-c.First)/float64(c.End-c.First)
		}
		p := point{fmt.Sprintf("%.1f", x), fmt.Sprintf("%.1f", y(s.value)), fmt.Sprintf("step %d: %s", s.step, number(s.value))}
		c.Points = append(c.Points, p)
		line.WriteString(p.X + "," + p.Y + " ")
	}
	c.Line = strings.TrimSpace(line.String())
	return c
}
