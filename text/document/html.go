package document

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

	"codeberg.org/readeck/go-readability/v2"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"
)

// shortMain is the length below which what was taken for a page's main text is
// held against the whole page.
const shortMain = 250

// readHTML reads the main text of a page: what it marks as such, or what looks
// like it, without navigation.
func readHTML(source string, data []byte) (File, error) {
	var r io.Reader = bytes.NewReader(data)
	var err error
	if _, _, declared := charset.DetermineEncoding(data, "text/html"); declared || !utf8.Valid(data) {
		r, err = charset.NewReader(r, "text/html") // which looks at the beginning alone, and takes what says nothing for Windows-1252
	}
	if err != nil {
		return File{}, problem(source, fmt.Sprintf("text in an encoding that is not known (%v)", err), "UTF-8, or an encoding that browsers know", "save the page as UTF-8")
	}
	doc, err := html.Parse(r)
	if err != nil {
		return File{}, problem(source, fmt.Sprintf("HTML that cannot be read: %v", err), "a page as browsers show it", "save the page again")
	}
	f := File{Source: source, Title: strings.TrimSpace(text(find(doc, atom.Title)))}
	w := htmlWriter{web: true}
	w.walk(mainText(doc))
	w.flush()
	f.Blocks = w.blocks
	return f, nil
}

// mainText is the part of a page that is not there on all pages.
func mainText(doc *html.Node) *html.Node {
	body := find(doc, atom.Body)
	if body == nil {
		return doc
	}
	whole := len(text(body))
	for _, marked := range []*html.Node{find(doc, atom.Main), findRole(doc, "main"), only(doc, atom.Article)} {
		if marked != nil && enough(marked, whole) {
			return marked
		}
	}
	parser := readability.NewParser()
	parser.KeepClasses = true
	if article, err := parser.ParseDocument(doc, &url.URL{}); err == nil && article.Node != nil && enough(article.Node, whole) {
		return article.Node
	}
	return body
}

// enough says whether a part of a page with so much text can be its main one.
func enough(part *html.Node, whole int) bool {
	n := len(text(part))
	return n >= shortMain && 5*n >= whole
}

// htmlWriter makes blocks of a tree of HTML.
type htmlWriter struct {
	web    bool // navigation is left out
	blocks []Block
	line   strings.Builder // of the paragraph that is open
	kind   Kind
	level  int // of lists
}

// walk goes through a node and what is in it. The parser bounds the depth.
func (w *htmlWriter) walk(n *html.Node) {
	if n == nil {
		return
	}
	switch n.Type {
	case html.TextNode:
		w.line.WriteString(n.Data)
		return
	case html.ElementNode:
		if w.element(n) {
			return
		}
	}
	block := n.Type == html.ElementNode && blockLike(n)
	if block {
		w.flush()
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		w.walk(c)
	}
	if block {
		w.flush()
	}
}

// element writes the elements that are more than what is in them, and says whether
// it has.
func (w *htmlWriter) element(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Svg, atom.Math, atom.Head, atom.Iframe, atom.Object, atom.Button, atom.Select, atom.Textarea, atom.Dialog:
		return true
	case atom.Nav, atom.Footer:
		return w.web
	case atom.Br:
		w.line.WriteString("\n")
		return true
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		w.flush()
		title := strings.TrimSpace(strings.TrimSuffix(strings.TrimSuffix(strings.Join(strings.Fields(text(n)), " "), "¶"), "#"))
		w.add(Block{Kind: Heading, Text: title, Level: int(n.Data[1] - '0')})
		return true
	case atom.Pre:
		w.flush()
		w.add(Block{Kind: Code, Text: strings.Trim(strings.ReplaceAll(text(n), "\r\n", "\n"), "\n")})
		return true
	case atom.Table:
		if rows, ok := tableRows(n); ok {
			w.flush()
			w.add(Block{Kind: Table, Text: rows})
			return true
		}
	case atom.Li:
		w.flush()
		w.level++
		w.kind = Item
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			w.walk(c)
		}
		w.flush()
		w.kind = Paragraph
		w.level--
		return true
	}
	return hidden(n)
}

func hidden(n *html.Node) bool {
	for _, a := range n.Attr {
		if a.Key == "hidden" || a.Key == "aria-hidden" && a.Val == "true" || a.Key == "style" && strings.Contains(strings.ReplaceAll(a.Val, " ", ""), "display:none") ||
			a.Key == "class" && a.Val == "headerlink" {
			return true
		}
	}
	return false
}

// flush ends the paragraph that is open.
func (w *htmlWriter) flush() {
	var lines []string
	for line := range strings.SplitSeq(w.line.String(), "\n") {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	w.line.Reset()
	joined := strings.Join(lines, " ")
	if joined == "" {
		return
	}
	kind := Paragraph
	if w.level > 0 {
		kind = Item
		if w.kind == Item { // its first paragraph
			joined = "- " + joined
			w.kind = Paragraph
		}
		joined = strings.Repeat("  ", min(w.level-1, 8)) + joined
	}
	w.add(Block{Kind: kind, Text: joined})
}

func (w *htmlWriter) add(b Block) {
	if strings.TrimSpace(b.Text) != "" {
		w.blocks = append(w.blocks, b)
	}
}

// blockLike says whether an element begins and ends lines.
func blockLike(n *html.Node) bool {
	switch n.DataAtom {
	case atom.A, atom.Abbr, atom.B, atom.Bdi, atom.Bdo, atom.Big, atom.Cite, atom.Code, atom.Data, atom.Del, atom.Dfn, atom.Em, atom.Font, atom.I, atom.Img, atom.Ins,
		atom.Kbd, atom.Label, atom.Mark, atom.Q, atom.Ruby, atom.S, atom.Samp, atom.Small, atom.Span, atom.Strike, atom.Strong, atom.Sub, atom.Sup, atom.Time,
		atom.Tt, atom.U, atom.Var, atom.Wbr:
		return false
	}
	return true
}

// tableRows writes a table of data as Markdown has it. A table that lays out a page
// (with headings, lists or tables in its cells, or a single column) is none.
func tableRows(table *html.Node) (string, bool) {
	for n := range table.Descendants() {
		switch n.DataAtom {
		case atom.Table, atom.H1, atom.H2, atom.H3, atom.Pre, atom.Ul, atom.Ol, atom.Form:
			return "", false
		}
	}
	var b strings.Builder
	width := 0
	for n := range table.Descendants() {
		switch {
		case n.DataAtom == atom.Caption:
			b.WriteString(strings.Join(strings.Fields(text(n)), " ") + "\n")
		case n.DataAtom == atom.Tr:
			var cells []string
			head := true
			for c := range n.ChildNodes() {
				if c.DataAtom == atom.Td || c.DataAtom == atom.Th {
					cells = append(cells, strings.ReplaceAll(strings.Join(strings.Fields(text(c)), " "), "|", `\|`))
					head = head && c.DataAtom == atom.Th
				}
			}
			if len(cells) == 0 {
				continue
			}
			b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
			if width == 0 && head {
				b.WriteString("|" + strings.Repeat(" --- |", len(cells)) + "\n")
			}
			width = max(width, len(cells))
		}
	}
	return strings.TrimSpace(b.String()), width > 1
}

// text is all text in a node.
func text(n *html.Node) string {
	if n == nil {
		return ""
	}
	var b strings.Builder
	skip := (*html.Node)(nil)
	for c := range n.Descendants() {
		if skip != nil && within(c, skip) {
			continue
		}
		switch {
		case c.Type == html.TextNode:
			b.WriteString(c.Data)
		case c.DataAtom == atom.Br:
			b.WriteString("\n")
		case c.DataAtom == atom.Script || c.DataAtom == atom.Style || c.Type == html.ElementNode && hidden(c):
			skip = c
		case c.Type == html.ElementNode && blockLike(c) && b.Len() > 0 && c.DataAtom != atom.Br:
			b.WriteString(" ")
		}
	}
	return b.String()
}

func within(n, of *html.Node) bool {
	for ; n != nil; n = n.Parent {
		if n == of {
			return true
		}
	}
	return false
}

// find is the first element of a name.
func find(doc *html.Node, name atom.Atom) *html.Node {
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.DataAtom == name {
			return n
		}
	}
	return nil
}

// only is the element of a name where there is just one.
func only(doc *html.Node, name atom.Atom) (found *html.Node) {
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && n.DataAtom == name {
			if found != nil {
				return nil
			}
			found = n
		}
	}
	return found
}

func findRole(doc *html.Node, role string) *html.Node {
	for n := range doc.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "role" && a.Val == role {
				return n
			}
		}
	}
	return nil
}
