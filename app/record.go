package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"gorqa/files/modelfile"
	"gorqa/files/whole"
	"gorqa/qa"
	"gorqa/text/dataset"
)

// recordFile says of a run what neither its settings nor its figures do.
const recordFile = "run.json"

// record is what recordFile holds.
type record struct {
	Command string      `json:"command"`
	Began   time.Time   `json:"began"`
	Ended   *time.Time  `json:"ended"` // nil while it runs, and of a run that was killed
	Seconds float64     `json:"seconds"`
	Error   string      `json:"error,omitempty"` // why it ended before its time
	Model   modelRecord `json:"model"`
	Data    []data      `json:"data"`
	Machine machine     `json:"machine"`

	path    string
	from    time.Time // this part of the run
	earlier float64   // seconds of the parts before it
}

type modelRecord struct {
	Name       string `json:"name"`
	Parameters int    `json:"parameters"`
	Trained    int    `json:"trained_parameters"`
	DType      string `json:"dtype"`
}

// data is a file of rows.
type data struct {
	Setting string `json:"setting"`
	Path    string `json:"path"`
	Rows    int    `json:"rows"`
	Skipped int    `json:"skipped"`
	Hash    string `json:"sha256"` // of the rows that are taken
}

// begin makes the record of a run in a folder; one that goes on there keeps its beginning
// and adds to its time.
func begin(command, dir string, resumes bool, files []data) (*record, error) {
	now := time.Now().UTC()
	r := &record{Command: command, Began: now, from: now, Data: files, path: filepath.Join(dir, recordFile)}
	if resumes {
		before, err := readRecord(dir)
		if err != nil {
			return nil, err
		}
		if before != nil {
			r.Began, r.earlier = before.Began, before.Seconds
		}
	}
	return r, nil
}

// opened adds what is known once the model is on its device, and writes the record.
func (r *record) opened(d qa.Device, g qa.Generator, name string, bits int) error {
	r.Model = modelRecord{Name: name, DType: "float32"}
	params := g.Loaded().Params
	if params.BF16() {
		r.Model.DType = "bfloat16"
	}
	if bits > 0 {
		r.Model.DType += fmt.Sprintf(", untrained weights in %d bits", bits)
	}
	for _, p := range params.All() {
		r.Model.Parameters += p.Size()
		if p.Trained {
			r.Model.Trained += p.Size()
		}
	}
	r.Machine = thisMachine()
	r.Machine.Engine = engineName(d.Engine.Describe())
	return r.write()
}

// end writes how long the run took and, where it ended before its time, why.
func (r *record) end(err error) error {
	if r == nil || r.Model.Parameters == 0 { // nothing was opened
		return nil
	}
	now := time.Now().UTC()
	r.Ended = &now
	if err != nil {
		r.Error = err.Error()
	}
	return r.write()
}

func (r *record) write() error {
	r.Seconds = r.earlier + time.Since(r.from).Seconds()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return whole.Bytes(r.path, append(text, '\n'))
}

// readRecord reads the record of a run; nil where there is none.
func readRecord(dir string) (*record, error) {
	path := filepath.Join(dir, recordFile)
	text, err := modelfile.Read(path, maxArgs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r record
	if err := modelfile.JSON(path, text, &r); err != nil {
		return nil, fmt.Errorf("%w; what gorqa train and gorqa eval wrote expected; remove the file to go on without it", err)
	}
	return &r, nil
}

// dataOf are the files of rows that a training takes.
func (r *run) dataOf() (files []data, err error) {
	for _, f := range []struct {
		setting, path string
		rows          []dataset.Example
	}{
		{"train_file", r.c.TrainFile, r.training}, {"eval_file", r.c.EvalFile, r.eval}, {"test_file", r.c.TestFile, r.testing},
	} {
		if len(f.rows) == 0 {
			continue
		}
		one, err := dataFile(f.setting, f.path, f.rows, r.skipped[f.path])
		if err != nil {
			return nil, err
		}
		files = append(files, one)
	}
	return files, nil
}

func dataFile(setting, path string, rows []dataset.Example, skipped int) (data, error) {
	fact, err := rowsFact(rows, path)
	return data{Setting: setting, Path: path, Rows: len(rows), Skipped: skipped, Hash: fact.Hash}, err
}

// beginRecord makes the record of a training.
func (r *run) beginRecord(resumes bool) error {
	files, err := r.dataOf()
	if err != nil {
		return err
	}
	r.record, err = begin("train "+r.c.Recipe, r.c.OutputDir, resumes, files)
	return err
}
