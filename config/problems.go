package config

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// problems gathers what Validate finds.
type problems struct {
	found   []error
	partial bool // settings may be missing
}

func (p *problems) that(ok bool, format string, args ...any) {
	if !ok {
		p.found = append(p.found, fmt.Errorf(format, args...))
	}
}

func (p *problems) needed(value, name, what string) {
	p.that(p.partial || strings.TrimSpace(value) != "", "%s: missing; expected: %s (--%s)", name, what, name)
}

// local reports models that LocalRQA would ask over the network.
func (p *problems) local(model, name string) {
	_, missing := os.Stat(model)
	openAI := slices.ContainsFunc([]string{"gpt-3", "gpt-4", "gpt-5", "text-embedding-"}, func(begin string) bool { return strings.HasPrefix(model, begin) })
	p.that(missing == nil || !openAI || strings.Contains(model, "/"), "%s: %q found, a model behind OpenAI's endpoint; a model that gorqa computes expected: a folder, a .gguf file or a hub id", name, model)
	framework, url, found := strings.Cut(model, "::")
	p.that(!found || !strings.HasPrefix(url, "http"), "%s: %q found, a model behind a server of %s; a model that gorqa computes expected: a folder, a .gguf file or a hub id", name, model, framework)
}

func (p *problems) atLeast(value, least int, name string) {
	p.that(value >= least, "%s: %d found; %d or more expected", name, value, least)
}

// Bounds of what settings may ask for, far beyond what any machine has, so that
// products of them stay numbers.
const (
	MostRows   = 1 << 20 // of a batch, passes of a step, passages of a row
	MostTokens = 1 << 24 // of a row, an answer
)

func (p *problems) between(value, least, most int, name string) {
	p.atLeast(value, least, name)
	p.that(value <= most, "%s: %d found; expected at most %d", name, value, most)
}

// single looks whether a number is one that a computation in float32 can take.
func (p *problems) single(value float64, name string) {
	p.that(math.Abs(value) <= math.MaxFloat32 && (value == 0 || math.Abs(value) >= 0x1p-126), "%s: %v found; expected a number that float32 can hold", name, value)
}

func (p *problems) wholeOrPart(value float64, zero bool, name string) {
	ok := value > 0 && (value < 1 || value == math.Trunc(value)) && value < math.MaxInt32
	p.that(ok || zero && value == 0, "%s: %v found; a whole number of steps, or a part of all steps between 0 and 1, expected", name, value)
}

// differ reports two of the named paths that are one file.
func (p *problems) differ(named ...[2]string) {
	for i, a := range named {
		for _, b := range named[:i] {
			same := a[1] != "" && b[1] != "" && filepath.Clean(a[1]) == filepath.Clean(b[1])
			p.that(!same, "%s: %q found, which is %s too; another file expected", a[0], a[1], b[0])
		}
	}
}

func (p *problems) join() error { return errors.Join(p.found...) }
