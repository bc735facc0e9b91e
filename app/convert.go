package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/config"
	"gorqa/files/modelfile"
	"gorqa/files/weights"
	"gorqa/files/whole"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
)

// Convert turns documents of the original's pickle into JSONL, and a GGUF file
// or a model folder into a Hugging Face folder or, by the name, a GGUF file. What is made appears whole or
// not at all, and nothing is written over.
func Convert(ctx context.Context, c config.Convert, s Streams) (err error) {
	if modelfile.Exists(c.Out) {
		return fmt.Errorf("%s: is there already; a new name expected; remove it or choose another", c.Out)
	}
	check := whole.CheckFolder
	if ext := strings.ToLower(filepath.Ext(c.Out)); ext == ".gguf" || ext == ".jsonl" {
		check = whole.CheckFile
	}
	if err := check(c.Out); err != nil {
		return err
	}
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	if ext := strings.ToLower(filepath.Ext(c.In)); !slices.Contains([]string{".pkl", ".pickle", ".gguf"}, ext) {
		of := session{hub: c.Hub, show: show}
		if c.In, err = of.locateNamed(ctx, c.In); err != nil {
			return err
		}
	}
	info, err := os.Stat(c.In)
	if err != nil {
		return err
	}
	switch ext := strings.ToLower(filepath.Ext(c.In)); {
	case (info.IsDir() || ext == ".gguf") && strings.EqualFold(filepath.Ext(c.Out), ".gguf"):
		notes, err := qa.ConvertGGUF(ctx, c.In, c.Out, weights.DType(c.DType))
		if err != nil {
			return err
		}
		for _, note := range notes {
			show.Say("%s: %s", c.Out, note)
		}
		show.Say("%s: a GGUF file with weights in %s; ollama's Modelfile is beside it", c.Out, c.DType)
		return nil
	case info.IsDir(), ext == ".gguf":
		if strings.EqualFold(filepath.Ext(c.Out), ".jsonl") {
			return fmt.Errorf("%s: a model becomes a folder or a .gguf file; the name of one expected, not of a .jsonl file", c.Out)
		}
		if err := convertModel(ctx, c); err != nil {
			return err
		}
		show.Say("%s: a model folder with weights in %s", c.Out, c.DType)
		return nil
	case ext == ".pkl", ext == ".pickle":
		return convertDocuments(ctx, c, show)
	}
	return fmt.Errorf("%s: neither documents nor a model by its name; a .pkl file, a .gguf file or a model folder expected", c.In)
}

func convertModel(ctx context.Context, c config.Convert) (err error) {
	m, err := qa.OpenModel(ctx, c.In)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	files, err := qa.ExportFiles(ctx, c.In, m.Config(), m.Files())
	if err != nil {
		return err
	}
	return m.Convert(ctx, c.Out, weights.DType(c.DType), files)
}

func convertDocuments(ctx context.Context, c config.Convert, show *report.Run) error {
	if ext := strings.ToLower(filepath.Ext(c.Out)); ext != ".jsonl" {
		return fmt.Errorf("%s: documents become JSONL; a name with .jsonl at its end expected", c.Out)
	}
	docs, err := dataset.ReadDocuments(ctx, c.In)
	if err != nil {
		return err
	}
	if err := whole.File(c.Out, func(w io.Writer) error { return dataset.WriteDocuments(w, docs) }); err != nil {
		return err
	}
	show.Say("%s: %d documents", c.Out, len(docs))
	return nil
}
