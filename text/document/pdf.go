package document

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/klippa-app/go-pdfium"
	pdfiumerrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// pdfReader reads PDF files with PDFium, which runs as WebAssembly: it sees no file
// system, has a gigabyte of memory, and each file has a process of its own.
type pdfReader struct {
	cache wazero.CompilationCache // compiled once
}

const (
	pdfPages    = 1 << 14         // of 64 KB, of memory
	pdfPatience = 5 * time.Minute // for one file
	mostOutline = 10_000          // entries
)

func (p *pdfReader) close(ctx context.Context) error {
	if p.cache == nil {
		return nil
	}
	return p.cache.Close(ctx)
}

// read reads the text of all pages, and the outline as headings.
func (p *pdfReader) read(ctx context.Context, source string, data []byte) (_ File, err error) {
	if !bytes.Contains(data[:min(len(data), 1024)], []byte("%PDF-")) { // told at once: PDFium takes seconds to start
		return File{}, problem(source, "no PDF header (%PDF-) among the first 1,024 bytes", "a whole PDF file", "make or copy it again")
	}
	if p.cache == nil {
		p.cache = wazero.NewCompilationCache()
	}
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, pdfPatience)
	defer cancel()
	pool, err := webassembly.Init(webassembly.Config{
		MaxTotal: 1, Context: ctx, FSConfig: wazero.NewFSConfig(), Stdout: io.Discard, Stderr: io.Discard,
		RuntimeConfig: wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
			WithMemoryLimitPages(pdfPages).WithCloseOnContextDone(true).WithCompilationCache(p.cache),
	})
	if err != nil {
		return File{}, fmt.Errorf("starting PDFium: %w", err)
	}
	defer func() { _ = pool.Close() }() // after a trap there is nothing left to close
	instance, err := pool.GetInstance(time.Minute)
	if err != nil {
		return File{}, fmt.Errorf("starting PDFium: %w", err)
	}
	pages, title, outline, err := pdfText(ctx, instance, data)
	switch {
	case whole.Err() != nil:
		return File{}, whole.Err()
	case ctx.Err() != nil:
		return File{}, problem(source, fmt.Sprintf("a PDF that takes longer than %v", pdfPatience), "a shorter one", "divide it, for example with qpdf --split-pages")
	case errors.Is(err, pdfiumerrors.ErrPassword):
		return File{}, problem(source, "a PDF that asks for a password", "one without", "take it off, for example with qpdf --decrypt")
	case err != nil:
		return File{}, problem(source, fmt.Sprintf("a PDF that cannot be read: %v", err), "a whole PDF file", "make or copy it again")
	}
	if !slices.ContainsFunc(pages, func(page string) bool { return strings.TrimSpace(page) != "" }) {
		return File{}, problem(source, fmt.Sprintf("%d pages without text, as of a scanner", len(pages)), "a PDF with text", "recognise its text first, for example with ocrmypdf")
	}
	return File{Source: source, Title: title, Blocks: pdfBlocks(pages, outline)}, nil
}

// outlined is an entry of a PDF's outline.
type outlined struct {
	title       string
	level, page int // from 1
}

// pdfText reads the text of each page, the title and the outline.
func pdfText(ctx context.Context, x pdfium.Pdfium, data []byte) (pages []string, title string, outline []outlined, err error) {
	opened, err := x.OpenDocument(&requests.OpenDocument{File: &data})
	if err != nil {
		return nil, "", nil, err
	}
	doc := opened.Document
	count, err := x.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: doc})
	if err != nil {
		return nil, "", nil, err
	}
	for i := range count.PageCount {
		if ctx.Err() != nil {
			return nil, "", nil, ctx.Err()
		}
		text, err := x.GetPageText(&requests.GetPageText{Page: requests.Page{ByIndex: &requests.PageByIndex{Document: doc, Index: i}}})
		if err != nil {
			return nil, "", nil, fmt.Errorf("page %d: %w", i+1, err)
		}
		pages = append(pages, cleanPage(text.Text))
	}
	if meta, err := x.FPDF_GetMetaText(&requests.FPDF_GetMetaText{Document: doc, Tag: "Title"}); err == nil {
		title = strings.TrimSpace(meta.Value)
	}
	return pages, title, readOutline(x, doc), nil
}

// readOutline goes through the outline, which in a damaged file may lead in a circle.
func readOutline(x pdfium.Pdfium, doc references.FPDF_DOCUMENT) (found []outlined) {
	var walk func(at *references.FPDF_BOOKMARK, level int)
	walk = func(at *references.FPDF_BOOKMARK, level int) {
		for at != nil && len(found) < mostOutline {
			page := -1
			if dest, err := x.FPDFBookmark_GetDest(&requests.FPDFBookmark_GetDest{Document: doc, Bookmark: *at}); err == nil && dest.Dest != nil {
				if index, err := x.FPDFDest_GetDestPageIndex(&requests.FPDFDest_GetDestPageIndex{Document: doc, Dest: *dest.Dest}); err == nil {
					page = index.Index
				}
			} else if action, err := x.FPDFBookmark_GetAction(&requests.FPDFBookmark_GetAction{Bookmark: *at}); err == nil && action.Action != nil {
				if dest, err := x.FPDFAction_GetDest(&requests.FPDFAction_GetDest{Document: doc, Action: *action.Action}); err == nil && dest.Dest != nil {
					if index, err := x.FPDFDest_GetDestPageIndex(&requests.FPDFDest_GetDestPageIndex{Document: doc, Dest: *dest.Dest}); err == nil {
						page = index.Index
					}
				}
			}
			if title, err := x.FPDFBookmark_GetTitle(&requests.FPDFBookmark_GetTitle{Bookmark: *at}); err == nil && strings.TrimSpace(title.Title) != "" {
				found = append(found, outlined{strings.Join(strings.Fields(title.Title), " "), level, page + 1})
			}
			if child, err := x.FPDFBookmark_GetFirstChild(&requests.FPDFBookmark_GetFirstChild{Document: doc, Bookmark: at}); err == nil && level < 8 {
				walk(child.Bookmark, level+1)
			}
			next, err := x.FPDFBookmark_GetNextSibling(&requests.FPDFBookmark_GetNextSibling{Document: doc, Bookmark: *at})
			if err != nil {
				return
			}
			at = next.Bookmark
		}
	}
	if first, err := x.FPDFBookmark_GetFirstChild(&requests.FPDFBookmark_GetFirstChild{Document: doc}); err == nil {
		walk(first.Bookmark, 1)
	}
	return found
}

// cleanPage joins words that a hyphen at the end of a line divided, which PDFium
// writes as one character of its own, and ends lines as everybody does.
func cleanPage(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\r\n", "\n"), "\uFFFD")
	var b strings.Builder
	last := rune(0)
	for i, r := range text {
		switch {
		case r == 0x02 || r == 0xfffe || r == 0xad:
			if next, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(r):]); !unicode.IsLower(last) || !unicode.IsLower(next) {
				b.WriteByte('-')
			}
		case r == '\n' || r == '\t' || !unicode.IsControl(r):
			b.WriteRune(r)
		}
		last = r
	}
	return leaders.ReplaceAllString(b.String(), " … ")
}

// leaders lead the eye from a title to its page.
var leaders = regexp.MustCompile(`[ \t]*(?:\.[ \t]?){4,}`)

// pdfBlocks makes paragraphs of the lines of pages, with the outline's titles as
// headings where they stand. A line that many pages begin or end with, but for its
// numbers, is no text.
func pdfBlocks(pages []string, outline []outlined) (blocks []Block) {
	margins := repeatedLines(pages)
	for i, page := range pages {
		here := outline[:0:0]
		for _, o := range outline {
			if o.page == i+1 {
				here = append(here, o)
			}
		}
		var lines []string
		for line := range strings.SplitSeq(page, "\n") {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		for range 2 {
			if len(lines) > 0 && margins[numberless(lines[0])] {
				lines = lines[1:]
			}
			if len(lines) > 0 && margins[numberless(lines[len(lines)-1])] {
				lines = lines[:len(lines)-1]
			}
		}
		blocks = append(blocks, pageBlocks(lines, here, i+1)...)
	}
	return blocks
}

// pageBlocks divides a page's lines where a heading stands, and where a line ends a
// sentence before the others' right margin.
func pageBlocks(lines []string, headings []outlined, page int) (blocks []Block) {
	longest := 0
	for _, l := range lines {
		longest = max(longest, utf8.RuneCountInString(l))
	}
	var open []string
	end := func() {
		if len(open) > 0 {
			blocks = append(blocks, Block{Kind: Paragraph, Text: strings.Join(open, " "), Page: page})
		}
		open = nil
	}
	heading := func(o outlined) {
		end()
		blocks = append(blocks, Block{Kind: Heading, Text: o.title, Level: o.level, Page: page})
	}
	at := make([]int, len(headings)) // the lines that they are
	for h, o := range headings {
		at[h] = -1
		from := 0
		if h > 0 {
			from = max(at[h-1]+1, 0)
		}
		for j := from; j < len(lines) && at[h] < 0; j++ {
			if l, t := bareWords(lines[j]), bareWords(o.title); l == t || strings.HasSuffix(l, t) && len(l) < len(t)+12 {
				at[h] = j
			}
		}
		if at[h] < 0 {
			heading(o)
		}
	}
	for j, l := range lines {
		if h := slices.Index(at, j); h >= 0 {
			heading(headings[h])
			continue
		}
		open = append(open, l)
		if last := l[len(l)-1]; strings.IndexByte(".:?!", last) >= 0 && 10*utf8.RuneCountInString(l) < 9*longest {
			end()
		}
	}
	end()
	return blocks
}

// bareWords are the letters and digits of a line.
func bareWords(line string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsNumber(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, line)
}

// repeatedLines are those that a quarter of the pages, and four at least, begin or end
// with, without their numbers. A number alone is one too.
func repeatedLines(pages []string) map[string]bool {
	counts := map[string]int{}
	for _, page := range pages {
		lines := strings.Split(strings.TrimSpace(page), "\n")
		var here []string
		for i, l := range lines {
			if i < 2 || i >= len(lines)-2 {
				here = append(here, numberless(l))
			}
		}
		slices.Sort(here)
		for _, l := range slices.Compact(here) {
			counts[l]++
		}
	}
	repeated := map[string]bool{}
	for l, n := range counts {
		if n >= 4 && 4*n >= len(pages) {
			repeated[l] = true
		}
	}
	return repeated
}

func numberless(line string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsNumber(r) {
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(line)))
}
