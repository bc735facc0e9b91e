package config

import (
	"math"
	"path/filepath"
	"strings"
)

// Tokenize is the settings of gorqa tokenize.
type Tokenize struct {
	Model
	Hub
	Decode            bool // ids to text
	AddSpecialTokens  bool // those that the tokenizer puts around a text
	SkipSpecialTokens bool // leave them out of decoded text
}

// DefaultTokenize has the defaults of transformers' encode and decode.
func DefaultTokenize() Tokenize {
	return Tokenize{Model: DefaultModel(), AddSpecialTokens: true}
}

func (c *Tokenize) declare(s *set) {
	c.Model.declare(s)
	s.section("Direction")
	s.boolean(&c.Decode, "decode", "ids to text: a JSON array of ids a line in, a JSON string a line out")
	s.boolean(&c.AddSpecialTokens, "add_special_tokens", "add the tokens that the tokenizer puts around a text")
	s.boolean(&c.SkipSpecialTokens, "skip_special_tokens", "leave special tokens out of decoded text")
	c.Hub.declare(s)
}

// Validate implements Settings.
func (c *Tokenize) Validate() error {
	var p problems
	c.Model.check(&p)
	return p.join()
}

func (c *Tokenize) notices() []string { return nil }

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

// Compare is the settings of gorqa compare.
type Compare struct {
	Runs []string // folders or files of predictions, or several of them with commas between; the first is what others are held against
	Rows int      // of those that changed most, shown of each context
	JSON bool
	Seed int64
}

// DefaultCompare shows no rows.
func DefaultCompare() Compare { return Compare{Seed: DefaultSchedule().Seed} }

func (c *Compare) declare(s *set) {
	s.positional = &positional{names: []string{"RUN", "RUN..."}, required: 2, many: true, take: func(args []string) { c.Runs = args }}
	s.section("Comparison")
	s.integer(&c.Rows, "rows", "how many of the rows whose F1 changed most to show of each context, with their answers")
	s.boolean(&c.JSON, "json", "write one JSON object instead of tables")
	s.seed(&c.Seed, "seed", "seed of the bootstrap")
}

// Validate implements Settings.
func (c *Compare) Validate() error {
	var p problems
	p.between(c.Rows, 0, math.MaxInt32, "rows")
	return p.join()
}

func (c *Compare) notices() []string { return nil }

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

// Godoc is the settings of gorqa data godoc.
type Godoc struct {
	OutputDir   string
	Goroot      string // "" = the environment's, else what the go command says
	TrainRows   int
	EvalRows    int
	TestRows    int
	Documents   int
	HardNegDocs int // of a row, at most
	Seed        int64

	OverwriteOutputDir bool
}

// DefaultGodoc is the demo's data set.
func DefaultGodoc() Godoc {
	return Godoc{TrainRows: 240, EvalRows: 24, TestRows: 40, Documents: 1500, HardNegDocs: 2, Seed: 1}
}

func (c *Godoc) declare(s *set) {
	s.section("Data set")
	s.text(&c.OutputDir, "output_dir", "DIR", "folder of the three splits and documents.jsonl (required)")
	s.boolean(&c.OverwriteOutputDir, "overwrite_output_dir", "write over other files of these names that the folder holds")
	s.text(&c.Goroot, "goroot", "DIR", "Go installation to read, if not the one in use")
	s.integer(&c.TrainRows, "train_rows", "rows to train on")
	s.integer(&c.EvalRows, "eval_rows", "rows to evaluate on")
	s.integer(&c.TestRows, "test_rows", "rows to test on")
	s.integer(&c.Documents, "documents", "passages of the database, those of all rows among them")
	s.integer(&c.HardNegDocs, "hard_neg_docs", "passages of the same package beside each row, at most")
	s.seed(&c.Seed, "seed", "seed of the choice and order of rows")
}

// Validate implements Settings.
func (c *Godoc) Validate() error {
	var p problems
	p.needed(c.OutputDir, "output_dir", "a folder for the data set")
	p.between(c.TrainRows, 1, math.MaxInt32, "train_rows")
	p.between(c.EvalRows, 1, math.MaxInt32, "eval_rows")
	p.between(c.TestRows, 1, math.MaxInt32, "test_rows")
	p.between(c.HardNegDocs, 0, math.MaxInt32, "hard_neg_docs")
	p.between(c.Documents, 1, math.MaxInt32, "documents")
	rows := c.TrainRows + c.EvalRows + c.TestRows
	p.that(c.Documents < 1 || c.Documents >= rows, "documents: %d found for %d rows; one for each row, or more, expected", c.Documents, rows)
	return p.join()
}

func (c *Godoc) notices() []string { return nil }

// Fetch is the settings of gorqa fetch engine and gorqa fetch model.
type Fetch struct {
	Name     string // of the engine's variant or of the model; "" = list models
	CacheDir string // "" = $GORQA_CACHE, else gorqa in the user's cache folder
	Python   string // interpreter that has pip
}

// DefaultFetch uses the python3 of the path.
func DefaultFetch() Fetch { return Fetch{Python: "python3"} }

func (c *Fetch) declare(s *set) {
	s.positional = &positional{names: []string{"[NAME]"}, take: func(args []string) {
		if len(args) > 0 {
			c.Name = args[0]
		}
	}}
	s.section("Fetching")
	s.text(&c.CacheDir, "cache_dir", "DIR", "cache folder, if not $GORQA_CACHE or gorqa in the user's cache folder")
	s.text(&c.Python, "python", "PROGRAM", "Python that has pip, which only downloads")
}

// Validate implements Settings.
func (c *Fetch) Validate() error {
	var p problems
	p.needed(c.Python, "python", "a Python interpreter")
	return p.join()
}

func (c *Fetch) notices() []string { return nil }

// Version is the settings of gorqa version: none.
type Version struct{}

func (c *Version) declare(*set) {}

// Validate implements Settings.
func (c *Version) Validate() error { return nil }

func (c *Version) notices() []string { return nil }
