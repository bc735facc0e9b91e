package config

import (
	"path/filepath"
	"strings"
)

// Convert is the settings of gorqa convert.
type Convert struct {
	In    string // documents as .pkl, a .gguf file, or a model: a folder, a hub id, a name that fetch knows
	Out   string // a .jsonl file, a .gguf file or a folder; must not be there
	DType string // "F32", "BF16", "F16" or, of a .gguf file, "Q8_0": of the weights written
	Hub
}

// DefaultConvert writes weights in bfloat16, which most models are published
// in.
func DefaultConvert() Convert { return Convert{DType: "BF16"} }

func (c *Convert) declare(s *set) {
	s.positional = &positional{names: []string{"IN", "OUT"}, required: 2, take: func(args []string) { c.In, c.Out = args[0], args[1] }}
	s.section("Conversion")
	s.choice(&c.DType, "dtype", "format of the weights of a model; Q8_0 of a .gguf file alone", "BF16", "F16", "F32", "Q8_0")
	c.Hub.declare(s)
}

// Validate implements Settings.
func (c *Convert) Validate() error {
	var p problems
	p.that(c.In != "", "IN: empty; a file or folder to convert expected")
	p.that(c.Out != "", "OUT: empty; a file or folder to make expected")
	gguf := strings.EqualFold(filepath.Ext(c.Out), ".gguf")
	if !gguf {
		p.folder("OUT", c.Out)
	}
	p.that(gguf || c.DType != "Q8_0", "dtype: Q8_0 found with %s; BF16, F16 or F32 expected for a model folder, or a name that ends in .gguf", c.Out)
	p.differ([2]string{"IN", c.In}, [2]string{"OUT", c.Out})
	return p.join()
}

// folder refuses the name of a model's file for a folder.
func (p *problems) folder(name, path string) {
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".gguf":
		p.that(false, "%s: %s found, but a Hugging Face folder is written here (config.json, model.safetensors …); the name of a folder expected; gorqa convert FOLDER model.gguf makes a GGUF file of it", name, path)
	case ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle":
		p.that(false, "%s: %s found, but a model is written as a Hugging Face folder (config.json, model.safetensors …), and documents as .jsonl; the name of a folder, or of a .jsonl file for documents, expected", name, path)
	}
}

func (c *Convert) notices() []string { return nil }

// Merge is the settings of gorqa merge.
type Merge struct {
	Adapter   string // a folder in PEFT's format, or a hub id
	OutputDir string // of the merged model; must not be there
	Base      string // model to merge it into; "" = what the adapter names
	DType     string // "F32", "BF16" or "F16": of the weights written
	Hub
}

// DefaultMerge writes weights in float32, as training does.
func DefaultMerge() Merge { return Merge{DType: "F32"} }

func (c *Merge) declare(s *set) {
	s.positional = &positional{names: []string{"ADAPTER"}, required: 1, take: func(args []string) { c.Adapter = args[0] }}
	s.section("Merging")
	s.text(&c.OutputDir, "output_dir", "DIR", "folder of the whole model; nothing is written over (required)")
	s.text(&c.Base, "model_name_or_path", "MODEL", "base model, if it is not where the adapter says")
	s.choice(&c.DType, "dtype", "format of the weights", "F32", "BF16", "F16")
	c.Hub.declare(s)
}

// Validate implements Settings.
func (c *Merge) Validate() error {
	var p problems
	p.needed(c.OutputDir, "output_dir", "a folder for the whole model")
	p.folder("output_dir", c.OutputDir)
	return p.join()
}

func (c *Merge) notices() []string { return nil }

// Model is what is merged, as the commands that run a model take it.
func (c *Merge) Model() Model {
	m := DefaultModel()
	if m.ModelNameOrPath = c.Adapter; c.Base != "" {
		m.ModelNameOrPath, m.AdapterNameOrPath = c.Base, c.Adapter
	}
	return m
}
