package demodata

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/files/whole"
	"gorqa/text/dataset"
)

// Options says how large a data set becomes.
type Options struct {
	Train     int    // rows
	Eval      int    // rows
	Test      int    // rows
	Documents int    // passages in the database, those of all rows among them
	HardNegs  int    // at most so many passages of the same package a row
	Seed      uint64 // the same seed and Go release give the same data set
}

// DefaultOptions is what the demo trains on: small enough for two cores.
func DefaultOptions() Options {
	return Options{Train: 240, Eval: 24, Test: 40, Documents: 1500, HardNegs: 2, Seed: 1}
}

// Validate reports every option that makes no data set.
func (o Options) Validate() error {
	var errs []error
	for _, n := range []struct {
		name string
		got  int
		min  int
	}{{"train", o.Train, 1}, {"eval", o.Eval, 1}, {"test", o.Test, 1}, {"hard negatives", o.HardNegs, 0}} {
		if n.got < n.min {
			errs = append(errs, fmt.Errorf("%d for %s; expected at least %d; raise it", n.got, n.name, n.min))
		}
	}
	if rows := o.Train + o.Eval + o.Test; o.Documents < rows {
		errs = append(errs, fmt.Errorf("%d documents for %d rows; expected a document of its own for each row; raise the documents or lower the rows", o.Documents, rows))
	}
	return errors.Join(errs...)
}

// Set is a data set. No passage answers two rows, so none is in two splits.
type Set struct {
	GoVersion string             // of the Go release that was read, "" if unknown
	Documents []dataset.Document // by package and name
	Train     []dataset.Example
	Eval      []dataset.Example
	Test      []dataset.Example
}

// Goroot finds the Go installation: the variable GOROOT, else what the go
// command says.
func Goroot(ctx context.Context) (string, error) {
	if dir := os.Getenv("GOROOT"); dir != "" {
		return dir, nil
	}
	cmd := exec.CommandContext(ctx, "go", "env", "GOROOT")
	// A go.mod of this folder may name a toolchain, which go would download.
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GO111MODULE=off", "GOWORK=off")
	out, err := cmd.Output()
	if dir := strings.TrimSpace(string(out)); err == nil && dir != "" {
		return dir, nil
	}
	return "", fmt.Errorf("found no Go installation (%v); expected the variable GOROOT or the go command; install Go from https://go.dev/dl or set GOROOT", err)
}

// Build reads the standard library's documentation under goroot and makes a
// data set of it.
func Build(ctx context.Context, goroot string, opt Options) (*Set, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	entries, err := readStd(ctx, goroot)
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(opt.Seed, 0))
	picked, err := pick(entries, opt.Train+opt.Eval+opt.Test, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", goroot, err)
	}

	documents, others := choose(entries, picked, opt.Documents, r)
	rows := examples(picked, others, opt.HardNegs, r)
	set := &Set{
		GoVersion: goVersion(goroot),
		Train:     rows[:opt.Train:opt.Train],
		Eval:      rows[opt.Train : opt.Train+opt.Eval : opt.Train+opt.Eval],
		Test:      rows[opt.Train+opt.Eval:],
	}
	for _, e := range documents {
		set.Documents = append(set.Documents, e.document())
	}
	return set, nil
}

// choose returns n documents, in order: the passages that were picked, and others
// of the rest, chosen at random, which it returns alone too.
func choose(entries []*entry, picked []question, n int, r *rand.Rand) (documents, others []*entry) {
	gold := map[*entry]bool{}
	for _, q := range picked {
		gold[q.entry] = true
	}
	documents = make([]*entry, 0, n)
	for _, e := range entries {
		if gold[e] {
			documents = append(documents, e)
		} else {
			others = append(others, e)
		}
	}
	r.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	others = others[:min(len(others), n-len(documents))]
	documents = append(documents, others...)
	slices.SortFunc(documents, byName)
	return documents, others
}

// examples makes a row of each question, with up to n hard negatives: documents of
// the same package that answer no row of any split.
func examples(picked []question, others []*entry, n int, r *rand.Rand) []dataset.Example {
	negatives := map[string][]*entry{}
	for _, e := range others {
		negatives[e.path] = append(negatives[e.path], e)
	}
	rows := make([]dataset.Example, len(picked))
	for i, q := range picked {
		near := negatives[q.entry.path]
		rows[i] = dataset.Example{
			Question:   q.question,
			GoldDocs:   []dataset.Document{q.entry.document()},
			GoldAnswer: q.answer,
		}
		for _, at := range r.Perm(len(near))[:min(n, len(near))] {
			rows[i].HardNegDocs = append(rows[i].HardNegDocs, near[at].document())
		}
	}
	return rows
}

func byName(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.symbol, b.symbol))
}

// maxVersion bounds GOROOT/VERSION, which has two lines.
const maxVersion = 1 << 16

// goVersion reads the first line of GOROOT/VERSION.
func goVersion(goroot string) string {
	data, err := modelfile.Read(filepath.Join(goroot, "VERSION"), maxVersion)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line)
}

// The names of the files that Write makes.
const (
	TrainFile     = "train_w_qa.jsonl"
	EvalFile      = "eval_w_qa.jsonl"
	TestFile      = "test_w_qa.jsonl"
	DocumentsFile = "documents.jsonl"
)

// Write saves the data set in dir, which it makes. Each file appears whole or
// not at all, and none before all are written. Without overwrite nothing else that
// has one of the names is written over.
func (s *Set) Write(dir string, overwrite bool) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := []struct {
		name  string
		write func(io.Writer) error
	}{
		{TrainFile, func(w io.Writer) error { return dataset.WriteExamples(w, s.Train) }},
		{EvalFile, func(w io.Writer) error { return dataset.WriteExamples(w, s.Eval) }},
		{TestFile, func(w io.Writer) error { return dataset.WriteExamples(w, s.Test) }},
		{DocumentsFile, func(w io.Writer) error { return dataset.WriteDocuments(w, s.Documents) }},
	}
	temp, err := whole.NewTemp(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.Remove()) }()
	for _, file := range files {
		if err := whole.File(temp.Path(file.name), file.write); err != nil {
			return err
		}
	}
	var others []string
	for _, file := range files {
		same, err := holdsAs(filepath.Join(dir, file.name), temp.Path(file.name))
		if err != nil {
			return err
		}
		if !same {
			others = append(others, file.name)
		}
	}
	if len(others) > 0 && !overwrite {
		return fmt.Errorf("output_dir: %s holds %s of other content; a folder without them expected; choose another folder, or --overwrite_output_dir to write over them", dir, strings.Join(others, ", "))
	}
	for _, file := range files {
		if err := os.Rename(temp.Path(file.name), filepath.Join(dir, file.name)); err != nil {
			return err
		}
	}
	return whole.Sync(dir)
}

// holdsAs tells whether path holds what the file made does, or nothing.
func holdsAs(path, made string) (bool, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	want, err := os.Stat(made)
	if err != nil || want.Size() != info.Size() {
		return false, err
	}
	a, err := modelfile.Read(path, want.Size())
	if err != nil {
		return false, err
	}
	b, err := modelfile.Read(made, want.Size())
	return bytes.Equal(a, b), err
}
