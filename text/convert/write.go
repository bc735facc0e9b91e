package convert

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gorqa/files/whole"
	"gorqa/text/dataset"
)

// The files of a data set.
const (
	TrainFile     = "train_w_qa.jsonl"
	EvalFile      = "eval_w_qa.jsonl"
	TestFile      = "test_w_qa.jsonl"
	DocumentsFile = "documents.jsonl"
)

// SplitOf is the file of the split that a file's name tells, the training's where it
// tells none.
func SplitOf(path string) string {
	name := strings.ToLower(filepath.Base(path))
	for _, split := range []struct {
		file  string
		words []string
	}{{TestFile, []string{"test"}}, {EvalFile, []string{"dev", "valid", "eval"}}} {
		for _, word := range split.words {
			if strings.Contains(name, word) {
				return split.file
			}
		}
	}
	return TrainFile
}

// Held are the files of a data set in a folder, and an error where there are some and
// they must not be written over.
func Held(dir string, overwrite bool) (there []string, err error) {
	for _, name := range []string{TrainFile, EvalFile, TestFile, DocumentsFile} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			there = append(there, name)
		}
	}
	if len(there) > 0 && !overwrite {
		return nil, fmt.Errorf("output: %s holds %s; a folder without them expected; choose another folder, or --overwrite_output_dir to write over them", dir, strings.Join(there, ", "))
	}
	return there, nil
}

// Write writes rows by their files and documents into a folder: all or nothing.
func Write(dir string, rows map[string][]dataset.Example, docs []dataset.Document, overwrite bool) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var files []string
	writers := map[string]func(io.Writer) error{}
	for _, name := range []string{TrainFile, EvalFile, TestFile} {
		if len(rows[name]) > 0 {
			files = append(files, name)
			writers[name] = func(w io.Writer) error { return dataset.WriteExamples(w, rows[name]) }
		}
	}
	if len(docs) > 0 {
		files = append(files, DocumentsFile)
		writers[DocumentsFile] = func(w io.Writer) error { return dataset.WriteDocuments(w, docs) }
	}
	there, err := Held(dir, overwrite)
	if err != nil {
		return err
	}
	temp, err := whole.NewTemp(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.Remove()) }()
	for _, name := range files {
		if err := whole.File(temp.Path(name), writers[name]); err != nil {
			return err
		}
	}
	for _, name := range there { // those of another data set do not stay beside this one's
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for _, name := range files {
		if err := os.Rename(temp.Path(name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return whole.Sync(dir)
}
