package document

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// readDOCX reads a Word document: its paragraphs, headings by style or outline
// level, lists and tables, and its footnotes behind them. Deleted text, fields'
// codes and the second copy of drawn text are left out.
func readDOCX(source string, data []byte, a *archive) (File, error) {
	files, err := a.open(source, data)
	if err != nil {
		return File{}, err
	}
	body, err := files.read("word/document.xml")
	if err != nil {
		return File{}, problem(source, fmt.Sprintf("no text (%v)", err), "a .docx file with word/document.xml in it", "save it again as .docx")
	}
	w := docxReader{levels: map[string]int{}, lists: map[string]bool{}}
	if styles, err := files.read("word/styles.xml"); err == nil {
		w.readStyles(styles)
	}
	f := File{Source: source}
	if core, err := files.read("docProps/core.xml"); err == nil {
		f.Title = elementText(core, "title")
	}
	if err := w.read(body); err != nil {
		return File{}, problem(source, fmt.Sprintf("word/document.xml that cannot be read: %v", err), "a whole .docx file", "save it again as .docx")
	}
	if notes, err := files.read("word/footnotes.xml"); err == nil {
		_ = w.read(notes) // what can be read of them
	}
	f.Blocks = w.blocks
	if f.Title == "" {
		f.Title = w.title
	}
	return f, nil
}

// docxReader goes through WordprocessingML (ECMA-376).
type docxReader struct {
	levels map[string]int  // of headings, by the id of their style; 0 for the title's
	lists  map[string]bool // styles of lists
	blocks []Block
	title  string

	line  strings.Builder
	level int // of the paragraph: -1 for none, 0 the title
	item  bool
	depth int // of tables
	cells []string
	rows  []string
}

var headingName = regexp.MustCompile(`^(?i)heading (\d)$`)

// readStyles finds the styles of headings: by their built-in names, which are
// English in every language, by outline level, or by the style they are based on.
func (w *docxReader) readStyles(data []byte) {
	var styles struct {
		Style []struct {
			ID   string `xml:"styleId,attr"`
			Name struct {
				Val string `xml:"val,attr"`
			} `xml:"name"`
			Based struct {
				Val string `xml:"val,attr"`
			} `xml:"basedOn"`
			Outline *struct {
				Val int `xml:"val,attr"`
			} `xml:"pPr>outlineLvl"`
			Numbered *struct{} `xml:"pPr>numPr"`
		} `xml:"style"`
	}
	if xml.Unmarshal(data, &styles) != nil {
		return
	}
	for range 3 { // styles based on styles
		for _, s := range styles.Style {
			if m := headingName.FindStringSubmatch(s.Name.Val); m != nil {
				w.levels[s.ID] = int(m[1][0] - '0')
			} else if strings.EqualFold(s.Name.Val, "title") {
				w.levels[s.ID] = 0
			} else if s.Outline != nil && s.Outline.Val < 9 {
				w.levels[s.ID] = s.Outline.Val + 1
			} else if level, ok := w.levels[s.Based.Val]; ok && s.Based.Val != "" {
				w.levels[s.ID] = level
			} else if s.Numbered != nil || w.lists[s.Based.Val] {
				w.lists[s.ID] = true
			}
		}
	}
}

// read makes blocks of a part.
func (w *docxReader) read(data []byte) error {
	d := xml.NewDecoder(strings.NewReader(string(data)))
	text, skip, depth := false, 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			w.endParagraph()
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > 1000 {
				return errors.New("elements nested more than 1000 deep")
			}
			if skip > 0 || t.Name.Local == "Fallback" || t.Name.Local == "del" && strings.Contains(t.Name.Space, "wordprocessingml") || t.Name.Local == "moveFrom" {
				skip++
				continue
			}
			text = t.Name.Local == "t" && strings.Contains(t.Name.Space, "wordprocessingml")
			w.begin(t)
		case xml.EndElement:
			depth--
			if skip > 0 {
				skip--
				continue
			}
			text = false
			w.end(t.Name.Local)
		case xml.CharData:
			if text && skip == 0 {
				w.line.Write(t)
			}
		}
	}
}

func (w *docxReader) begin(t xml.StartElement) {
	val := ""
	for _, a := range t.Attr {
		if a.Name.Local == "val" {
			val = a.Value
		}
	}
	switch t.Name.Local {
	case "p":
		w.endParagraph()
		w.level, w.item = -1, false
	case "pStyle":
		if level, ok := w.levels[val]; ok {
			w.level = level
		}
		w.item = w.item || w.lists[val]
	case "outlineLvl":
		if n, err := strconv.Atoi(val); err == nil && n < 9 && n >= 0 {
			w.level = n + 1
		}
	case "numPr":
		w.item = true
	case "tab":
		if w.line.Len() > 0 {
			w.line.WriteByte('\t')
		}
	case "br", "cr":
		w.line.WriteByte('\n')
	case "noBreakHyphen":
		w.line.WriteByte('-')
	case "tbl":
		w.endParagraph()
		if w.depth++; w.depth == 1 {
			w.rows = nil
		}
	case "tr":
		if w.depth == 1 {
			w.cells = nil
		}
	case "tc":
		if w.depth == 1 {
			w.cells = append(w.cells, "")
		}
	}
}

func (w *docxReader) end(name string) {
	switch name {
	case "p":
		w.endParagraph()
	case "tr":
		if w.depth == 1 && len(w.cells) > 0 {
			w.rows = append(w.rows, "| "+strings.Join(w.cells, " | ")+" |")
			if len(w.rows) == 1 {
				w.rows = append(w.rows, "|"+strings.Repeat(" --- |", len(w.cells)))
			}
		}
	case "tbl":
		if w.depth = max(w.depth-1, 0); w.depth == 0 && len(w.rows) > 0 {
			w.blocks = append(w.blocks, Block{Kind: Table, Text: strings.Join(w.rows, "\n")})
			w.rows = nil
		}
	}
}

func (w *docxReader) endParagraph() {
	text := strings.TrimSpace(w.line.String())
	w.line.Reset()
	if text == "" {
		return
	}
	if w.depth > 0 {
		if n := len(w.cells); n > 0 {
			w.cells[n-1] = strings.TrimSpace(w.cells[n-1] + " " + strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`))
		}
		return
	}
	switch {
	case w.level == 0:
		if w.title == "" {
			w.title = text
		}
		w.blocks = append(w.blocks, Block{Kind: Heading, Text: text, Level: 1})
	case w.level > 0:
		w.blocks = append(w.blocks, Block{Kind: Heading, Text: text, Level: w.level + 1})
	case w.item:
		w.blocks = append(w.blocks, Block{Kind: Item, Text: "- " + text})
	default:
		w.blocks = append(w.blocks, Block{Kind: Paragraph, Text: text})
	}
}

// elementText is the text of the first element of a local name, "" for none.
func elementText(data []byte, name string) string {
	d := xml.NewDecoder(strings.NewReader(string(data)))
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		if t, ok := token.(xml.StartElement); ok && t.Name.Local == name {
			var text string
			if d.DecodeElement(&text, &t) != nil {
				return ""
			}
			return strings.TrimSpace(text)
		}
	}
}
