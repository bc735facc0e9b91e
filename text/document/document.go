// Package document makes passages of the files that people have: it reads the
// text of Markdown, HTML, reStructuredText, plain text, PDF, DOCX, EPUB and JSONL
// files, of folders and archives of them, and cuts it into chunks that an embedder
// can read.
//
// A reader turns a file into blocks (headings, paragraphs, code, tables); what
// follows knows blocks alone. It must not know questions, retrieval, models or the
// command line: how many tokens a text has, it is told by a function.
package document

import (
	"fmt"
	"strings"

	"gorqa/text/dataset"
)

// Kind is what a block of text is.
type Kind int

const (
	Paragraph Kind = iota // sentences
	Heading               // the title of what follows, at a Level
	Item                  // of a list
	Code                  // lines that belong together, with their indentation
	Table                 // rows, one a line
)

// Block is a piece of a file's text.
type Block struct {
	Kind  Kind
	Text  string
	Level int // of a heading, from 1
	Page  int // of a PDF, from 1; 0 for none
}

// File is the text of a file.
type File struct {
	Source   string // its path, with that inside an archive behind the archive's
	Title    string
	Blocks   []Block
	Metadata map[string]any // what else was said of it, for its passages; may be nil
}

// empty says whether there is no text in a file.
func (f File) empty() bool {
	for _, b := range f.Blocks {
		if b.Kind != Heading && strings.TrimSpace(b.Text) != "" {
			return false
		}
	}
	return true
}

// problem is what is wrong with a file.
func problem(source, found, expected, do string) error {
	return dataset.Problem{File: source, Found: found, Expected: expected, Do: do}
}

// Limits bound what is read of files that others made.
type Limits struct {
	FileBytes    int64 // of a file, unpacked
	ArchiveBytes int64 // of all that an archive holds, unpacked
	Entries      int   // files of an archive
	Depth        int   // of archives inside archives
	Files        int   // of all
}

// DefaultLimits are beyond what a collection of documents has.
func DefaultLimits() Limits {
	return Limits{FileBytes: 256 << 20, ArchiveBytes: 4 << 30, Entries: 100_000, Depth: 3, Files: 1_000_000}
}

// Validate reports limits that nothing could keep.
func (l Limits) Validate() error {
	if l.FileBytes < 1 || l.ArchiveBytes < 1 || l.Entries < 1 || l.Depth < 0 || l.Files < 1 {
		return fmt.Errorf("document: limits %+v; expected numbers above 0", l)
	}
	return nil
}
