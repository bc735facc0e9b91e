package document

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readAll reads paths within limits.
func readAll(t testing.TB, limits Limits, paths ...string) ([]File, *Summary) {
	t.Helper()
	var files []File
	s, err := Read(context.Background(), paths, limits, nil, func(f File) error { files = append(files, f); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return files, s
}

// outlineOf writes blocks as "kind: text".
func outlineOf(f File) []string {
	names := map[Kind]string{Paragraph: "p", Item: "li", Code: "code", Table: "table"}
	var lines []string
	for _, b := range f.Blocks {
		name := names[b.Kind]
		if b.Kind == Heading {
			name = fmt.Sprintf("h%d", b.Level)
		}
		lines = append(lines, name+": "+b.Text)
	}
	return lines
}

const (
	safe  = "p: Never fill the kettle above the upper mark. Boiling water can spill over, e.g. when a child pulls at the cord."
	first = "p: Boil it twice before you drink from it. The first water tastes of metal & dust."
	code  = "code: kettle --boil\n    --litres 1.5"
	table = "table: | Model | Litres |\n| --- | --- |\n| K1 | 1.0 |\n| K2 | 1.7 |"
)

// One guide, in every format: the same blocks (parity/make_documents.py writes it).
func TestFormats(t *testing.T) {
	whole := []string{"h1: Kettle guide", "h2: Safety", safe, "h2: Use", "h3: First use", first, "li: - Fill it with cold water.", "li: - Press the switch.", code, table}
	word := append([]string{}, whole...)
	word[8] = "p: " + strings.TrimPrefix(code, "code: ") // python-docx knows no code
	rst := append([]string{}, whole...)
	rst[9] = "table: =====  ======\nModel  Litres\n=====  ======\nK1     1.0\nK2     1.7\n=====  ======"
	plain := []string{"p: Kettle guide", safe, first, "code:     kettle --boil\n        --litres 1.5"}
	tests := []struct {
		name, why string
		want      []string
	}{
		{"guide.md", "front matter, escapes, entities and links are not text", whole},
		{"guide.html", "navigation, footer, scripts and permalinks are not text", whole},
		{"latin1.html", "the page says its encoding", whole},
		{"guide.rst", "targets, comments and tables of contents are not text", rst},
		{"guide.docx", "headings by style", word},
		{"guide.epub", "chapters in the order of the spine, one with a space in its name", whole},
		{"guide.txt", "indented is code", plain},
		{"utf16.txt", "a byte order mark says the encoding", plain},
		{"guide.pdf", "the outline gives headings; headers and page numbers are not text", []string{"h1: Safety", safe, "h1: Use", "h2: First use", first, "h1: Conclusion", "p: That is all.", "h1: Thanks", "p: We thank the testers."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files, s := readAll(t, DefaultLimits(), filepath.Join("testdata", tt.name))
			if err := s.Err(); err != nil || len(files) != 1 {
				t.Fatalf("%s: %d files, %v", tt.why, len(files), err)
			}
			if diff := cmp.Diff(tt.want, outlineOf(files[0])); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.why, diff)
			}
			if want := "Kettle guide"; !strings.HasSuffix(tt.name, ".txt") && files[0].Title != want {
				t.Errorf("title %q; %q expected", files[0].Title, want)
			}
		})
	}
}

func TestJSONL(t *testing.T) {
	files, s := readAll(t, DefaultLimits(), "testdata/guide.jsonl")
	if s.Err() != nil || len(files) != 2 || files[0].Source != "https://example.com/safety" || files[1].Source != "use" || files[1].Metadata["year"] == nil {
		t.Errorf("%v: %v", s.Err(), files)
	}
	path := filepath.Join(t.TempDir(), "bad.jsonl")
	write(t, path, "{\"text\": \"Good.\"}\n{\"txt\": \"x\"}\n[]\n")
	files, s = readAll(t, DefaultLimits(), path)
	if len(files) != 1 || s.Err() == nil || !strings.Contains(s.Err().Error(), "bad.jsonl:2: no field text") || !strings.Contains(s.Err().Error(), "bad.jsonl:3: no JSON object") {
		t.Errorf("%d files, %v", len(files), s.Err())
	}
}

// An archive's files go by their names; one that leads out of it is a name too, and
// what it names on the disk is not touched.
func TestZipTouchesNothingOnDisk(t *testing.T) {
	files, s := readAll(t, DefaultLimits(), "testdata/guide.zip")
	var sources []string
	for _, f := range files {
		sources = append(sources, f.Source)
	}
	want := []string{"testdata/guide.zip/../../outside.txt", "testdata/guide.zip/guide/guide.md", "testdata/guide.zip/inner.zip/deep.txt"}
	if diff := cmp.Diff(want, sources); diff != "" || s.Err() != nil || s.LeftOut[".png"] != 1 {
		t.Errorf("(-want +got):\n%s%v %v", diff, s.Err(), s.LeftOut)
	}
	if _, err := os.Stat("../outside.txt"); err == nil {
		t.Error("something was written")
	}
}

// What cannot be read is told, each file with its reason; the others are read.
func TestWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "broken.md"), "# Title\n\nbad \xff byte")
	write(t, filepath.Join(dir, "broken.docx"), "no zip")
	write(t, filepath.Join(dir, "broken.epub"), "PK\x05\x06"+strings.Repeat("\x00", 18))
	write(t, filepath.Join(dir, "broken.pdf"), "%PDF-1.4 nothing")
	write(t, filepath.Join(dir, "binary.txt"), "a\x00b")
	write(t, filepath.Join(dir, "empty.md"), "# Only a title\n")
	write(t, filepath.Join(dir, "good.txt"), "A sentence.")
	files, s := readAll(t, DefaultLimits(), dir, "testdata/locked.pdf", "testdata/scanned.pdf", filepath.Join(dir, "none.md"))
	if len(files) != 1 || s.Read != 1 || s.Empty != 1 || len(s.Problems) != 8 {
		t.Errorf("%d files read, %d without text, %d problems", len(files), s.Empty, len(s.Problems))
	}
	for _, want := range []string{
		"broken.md:3: broken UTF-8 at byte 14 (0xff); expected UTF-8", "broken.docx: a zip archive that cannot be read", "broken.epub: no META-INF/container.xml",
		"broken.pdf: a PDF that cannot be read", "binary.txt: a byte of value 0", "locked.pdf: a PDF that asks for a password", "scanned.pdf: 1 pages without text", "none.md: no such file",
	} {
		if !strings.Contains(s.Err().Error(), want) {
			t.Errorf("%q is not among\n%v", want, s.Err())
		}
	}
}

// Limits hold whatever a file says of itself: here they are low, and the input harmless.
func TestLimitsHoldWhateverAFileSays(t *testing.T) {
	dir := t.TempDir()
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for i := range 5 {
		w, err := z.Create(fmt.Sprintf("%d.txt", i))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "File %d. %s", i, strings.Repeat("All the same. ", 1000))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "five.zip"), archive.String())
	write(t, filepath.Join(dir, "long.txt"), strings.Repeat("Word ", 1000))
	tests := []struct {
		name, why, file string
		set             func(*Limits)
		read            int
		want            string
	}{
		{"file", "a file of an archive that unpacks to more", "five.zip", func(l *Limits) { l.FileBytes = 10000 }, 0, "too much is packed in it"},
		{"archive", "an archive that unpacks to more: what came before stays", "five.zip", func(l *Limits) { l.ArchiveBytes = 30000 }, 2, "too much is packed in it"},
		{"entries", "more files than are taken", "five.zip", func(l *Limits) { l.Entries = 4 }, 0, "an archive of 5 files; expected at most 4"},
		{"depth", "archives in archives", "../guide.zip", func(l *Limits) { l.Depth = 1 }, 2, "inner.zip: an archive 1 archives deep"},
		{"disk", "a long file of the disk", "long.txt", func(l *Limits) { l.FileBytes = 100 }, 0, "5000 bytes; expected a file of at most 100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limits := DefaultLimits()
			tt.set(&limits)
			path := filepath.Join(dir, tt.file)
			if strings.HasPrefix(tt.file, "..") {
				path = "testdata/guide.zip"
			}
			files, s := readAll(t, limits, path)
			if len(files) != tt.read || s.Err() == nil || !strings.Contains(s.Err().Error(), tt.want) {
				t.Errorf("%s: %d files read, %v; %d and %q expected", tt.why, len(files), s.Err(), tt.read, tt.want)
			}
		})
	}
	limits := DefaultLimits()
	limits.Files = 1
	if _, err := Read(context.Background(), []string{dir}, limits, nil, func(File) error { return nil }); err == nil {
		t.Error("more files than the limit were read")
	}
}

// Links in a folder are not followed: a loop ends, and nothing is read twice.
func TestLinksAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.txt"), "A sentence.")
	for name, to := range map[string]string{"loop": ".", "again.txt": "a.txt", "gone.txt": "nothing"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	files, s := readAll(t, DefaultLimits(), dir)
	if len(files) != 1 || s.Links != 3 || s.Err() != nil {
		t.Errorf("%d files, %d links, %v", len(files), s.Links, s.Err())
	}
	files, _ = readAll(t, DefaultLimits(), filepath.Join(dir, "loop"))
	if len(files) != 1 {
		t.Errorf("%d files through a link that was named; 1 expected", len(files))
	}
}

// Unknown formats are left out of a folder, and read as text where they are named.
func TestUnknownFormatsAreTextWhereTheyAreNamed(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "notes.cfg"), "A sentence.")
	write(t, filepath.Join(dir, ".hidden.txt"), "A sentence.")
	if files, s := readAll(t, DefaultLimits(), dir); len(files) != 0 || s.LeftOut[".cfg"] != 1 {
		t.Errorf("%d files, %v", len(files), s.LeftOut)
	}
	if files, _ := readAll(t, DefaultLimits(), filepath.Join(dir, "notes.cfg")); len(files) != 1 {
		t.Errorf("%d files", len(files))
	}
}

// Markdown that is nested past any use is refused at once.
func TestMarkdownNestedTooDeeply(t *testing.T) {
	var list strings.Builder
	for i := range 300 {
		list.WriteString(strings.Repeat("  ", i) + "- a\n")
	}
	for _, text := range []string{list.String(), strings.Repeat("> ", 300) + "a\n"} {
		if _, err := readMarkdown("a.md", []byte(text)); err == nil || !strings.Contains(err.Error(), "nested too deeply") {
			t.Errorf("%v", err)
		}
	}
	if _, err := readMarkdown("a.md", []byte(strings.Repeat(" ", 600)+"code\n\n"+strings.Repeat("> ", 100)+"a\n")); err != nil {
		t.Error(err)
	}
}

func TestReadStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Read(ctx, []string{"testdata"}, DefaultLimits(), nil, func(File) error { return nil }); err == nil {
		t.Error("read on")
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A page that names no encoding and is valid UTF-8 is that, wherever its first character
// beyond ASCII stands.
func TestHTMLWithoutAnEncodingIsUTF8(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.html")
	page := "<title>t</title><p>" + strings.Repeat("Plain words. ", 200) + "Käse — “fine”."
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	files, s := readAll(t, DefaultLimits(), path)
	if err := s.Err(); err != nil || len(files) != 1 || !strings.HasSuffix(files[0].Blocks[0].Text, "Käse — “fine”.") {
		t.Errorf("%v: %+v", err, files)
	}
}

// What cannot be a PDF is told without starting PDFium, which takes seconds; a file is
// named before it is read.
func TestWhatIsNoPDFIsToldAtOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.md"), "# A\nText.")
	write(t, filepath.Join(dir, "b.pdf"), "<html>not found</html>")
	var next []string
	s, err := Read(t.Context(), []string{dir}, DefaultLimits(), func(name string, done, total int) {
		if total != 2 || done != len(next) {
			t.Errorf("%s: %d of %d", name, done, total)
		}
		next = append(next, filepath.Base(name))
	}, func(File) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.md", "b.pdf", "."}, next); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Error(), "b.pdf: no PDF header") {
		t.Errorf("%v", s.Problems)
	}
	var reader pdfReader
	if _, err := reader.read(t.Context(), "x.pdf", []byte("no")); err == nil || reader.cache != nil {
		t.Errorf("%v; PDFium started: %t", err, reader.cache != nil)
	}
}
