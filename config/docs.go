package config

import (
	"path/filepath"
	"strings"
)

// Docs is the settings of gorqa data docs.
type Docs struct {
	Paths          []string // files, folders and archives
	Output         string   // of the passages; must not be there
	EmbeddingModel string   // whose tokens are counted; "" = words
	ChunkSize      int      // tokens of a passage
	ChunkOverlap   int      // tokens that it repeats
	OnBadFiles     string   // "error" or Skip
	Hub
}

// Skip leaves out what cannot be read.
const Skip = "skip"

// DefaultDocs has LocalRQA's lengths.
func DefaultDocs() Docs { return Docs{ChunkSize: 400, ChunkOverlap: 50, OnBadFiles: "error"} }

func (c *Docs) declare(s *set) {
	s.positional = &positional{names: []string{"PATH..."}, required: 1, many: true, take: func(args []string) { c.Paths = args }}
	s.section("Documents")
	s.text(&c.Output, "output", "FILE", "file of the passages, .jsonl; nothing is written over (required)")
	s.alias("output", "output_file")
	s.text(&c.EmbeddingModel, "embedding_model", "MODEL", "embedding model whose tokens are counted, so that it reads every passage whole: a sentence-transformers folder, a name that gorqa fetch model lists, or a hub id; without one, words are counted")
	s.integer(&c.ChunkSize, "chunk_size", "tokens of a passage, at most")
	s.integer(&c.ChunkOverlap, "chunk_overlap", "tokens that a passage repeats of the one before, at most; whole sentences")
	s.choice(&c.OnBadFiles, "on_bad_files", "when files cannot be read: the passages of the others are written either way; error ends with exit code 1, skip with 0", "error", Skip)
	c.Hub.declare(s)
}

// Validate implements Settings.
func (c *Docs) Validate() error {
	var p problems
	p.needed(c.Output, "output", "a file for the passages")
	p.that(c.Output == "" || strings.EqualFold(filepath.Ext(c.Output), ".jsonl"), "output: %s found; passages are written as JSONL, a name with .jsonl at its end expected", c.Output)
	p.between(c.ChunkSize, 16, MostTokens, "chunk_size")
	p.that(c.ChunkOverlap >= 0 && c.ChunkOverlap <= max(c.ChunkSize, 0)/2, "chunk_overlap: %d found with chunk_size %d; 0 to half of it expected", c.ChunkOverlap, c.ChunkSize)
	return p.join()
}

func (c *Docs) notices() []string { return nil }
