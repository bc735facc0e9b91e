package document

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

// fuzz hands bytes to a reader: it reads or says what is wrong, and its text can be cut.
func fuzz(f *testing.F, format string, seeds ...string) {
	for _, name := range seeds {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		limits := Limits{FileBytes: 1 << 20, ArchiveBytes: 4 << 20, Entries: 100, Depth: 2, Files: 10}
		r := &reader{limits: limits, progress: func(string, int, int) {}, summary: Summary{LeftOut: map[string]int{}}}
		r.each = func(f File) error {
			docs, err := Chunk(f, ChunkOptions{Size: 50, Overlap: 5, MaxTokens: 100, Tokens: words})
			for _, d := range docs {
				if words(d.Formatted) > 100 || !utf8.ValidString(d.Content) {
					t.Errorf("a passage of %d words, %q", words(d.Formatted), d.Content)
				}
			}
			if err != nil {
				t.Error(err)
			}
			return nil
		}
		if err := r.read(context.Background(), "f"+format, data, true, &archive{limits: limits, left: limits.ArchiveBytes}, 0); err != nil {
			t.Error(err)
		}
	})
}

func FuzzMarkdown(f *testing.F) { fuzz(f, ".md", "guide.md") }
func FuzzHTML(f *testing.F)     { fuzz(f, ".html", "guide.html", "latin1.html") }
func FuzzRST(f *testing.F)      { fuzz(f, ".rst", "guide.rst") }
func FuzzPlain(f *testing.F)    { fuzz(f, ".txt", "guide.txt", "utf16.txt") }
func FuzzJSONL(f *testing.F)    { fuzz(f, ".jsonl", "guide.jsonl") }
func FuzzDOCX(f *testing.F)     { fuzz(f, ".docx", "guide.docx") }
func FuzzEPUB(f *testing.F)     { fuzz(f, ".epub", "guide.epub") }
func FuzzZip(f *testing.F)      { fuzz(f, ".zip", "guide.zip") }

// The text of a PDF's pages, as PDFium hands it over.
func FuzzPages(f *testing.F) {
	f.Add("Title\r\nA sen\x02tence.\r\n3", "A sentence", 1)
	f.Fuzz(func(t *testing.T, page, title string, level int) {
		pages := []string{cleanPage(page), "", cleanPage(page)}
		blocks := pdfBlocks(pages, []outlined{{title, level, 1}, {title, 1, 3}})
		if _, err := Chunk(File{Source: "s", Blocks: blocks}, ChunkOptions{Size: 50, Overlap: 5, MaxTokens: 100, Tokens: words}); err != nil {
			t.Error(err)
		}
	})
}
