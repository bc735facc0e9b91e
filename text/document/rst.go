package document

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// readRST reads reStructuredText as Sphinx and docutils have it: titles, paragraphs,
// lists, literal blocks, tables and the text of directives. What makes no text
// (targets, comments, tables of contents, images) is left out.
func readRST(source string, data []byte) (File, error) {
	text, err := decode(source, data)
	if err != nil {
		return File{}, err
	}
	p := rstParser{}
	p.parse(strings.Split(expandTabs(text), "\n"), 0)
	return File{Source: source, Blocks: p.blocks}, nil
}

// maxRSTDepth bounds what is nested: deeper text is read as a paragraph.
const maxRSTDepth = 20

type rstParser struct {
	blocks []Block
	titles []string // the kinds of underlines so far, by level
}

var (
	directive  = regexp.MustCompile(`^\.\. +(?:\|[^|]+\| +)?([\w:.+-]+?):: ?(.*)$`)
	footnote   = regexp.MustCompile(`^\.\. +\[[^\]]+\] +(.*)$`)
	listMarker = regexp.MustCompile(`^(?:[-*+•]|\(?(?:\d{1,4}|#|[a-zA-Z])[.)]) +`)
	fieldLine  = regexp.MustCompile(`^:[\w \-]+:(?: |$)`)
	simpleRule = regexp.MustCompile(`^=+(?: +=+)+ *$`)
	inlineRole = regexp.MustCompile("(?::[\\w:.+-]+:)?`([^`<]*?)\\s*(?:<([^`>]*)>)?`(?:__?)?")
	inlineMark = regexp.MustCompile("``(.+?)``|\\*\\*(\\S.*?)\\*\\*|\\*(\\S[^*]*?)\\*")
	wordLink   = regexp.MustCompile(`\b(\w+)__?(\W|$)`)
)

// parse reads lines that begin in the first column.
func (p *rstParser) parse(lines []string, depth int) {
	for i := 0; i < len(lines); {
		line := lines[i]
		switch {
		case strings.TrimSpace(line) == "":
			i++
		case p.title(lines, i) > 0:
			i += p.title(lines, i)
			p.addTitle(lines[:i])
		case strings.HasPrefix(line, ".. ") || line == "..":
			i = p.explicit(lines, i, depth)
		case strings.HasPrefix(line, "__ "):
			i++
		case strings.HasPrefix(line, "+-") || strings.HasPrefix(line, "+="):
			end := span(lines, i, func(l string) bool { return strings.HasPrefix(l, "+") || strings.HasPrefix(l, "|") })
			p.add(Table, strings.Join(lines[i:end], "\n"))
			i = end
		case simpleRule.MatchString(line):
			i = p.simpleTable(lines, i)
		case strings.HasPrefix(line, ">>> "):
			end := span(lines, i, func(l string) bool { return l != "" })
			p.add(Code, strings.Join(lines[i:end], "\n"))
			i = end
		case line[0] == ' ':
			end := span(lines, i, indented)
			p.nested(lines[i:end], depth)
			i = end
		case listMarker.MatchString(line):
			i = p.item(lines, i, depth)
		default:
			i = p.paragraph(lines, i)
		}
	}
}

// title says how many lines of a title begin at i, 0 for none.
func (p *rstParser) title(lines []string, i int) int {
	at := func(j int) string {
		if j < len(lines) {
			return lines[j]
		}
		return ""
	}
	switch {
	case rule(at(i)) && strings.TrimSpace(at(i+1)) != "" && rule(at(i+2)) && at(i)[0] == at(i + 2)[0] && columns(at(i)) >= columns(strings.TrimSpace(at(i+1))):
		return 3
	case !rule(at(i)) && at(i) != "" && at(i)[0] != ' ' && rule(at(i+1)) && (columns(at(i+1)) >= columns(at(i)) || columns(at(i+1)) >= 4):
		return 2
	}
	return 0
}

func (p *rstParser) addTitle(before []string) {
	under := before[len(before)-1]
	text, style := before[len(before)-2], under[:1]
	if len(before) > 2 && rule(before[len(before)-3]) && before[len(before)-3][0] == under[0] {
		style += style
	}
	level := slices.Index(p.titles, style)
	if level < 0 {
		level = len(p.titles)
		p.titles = append(p.titles, style)
	}
	p.blocks = append(p.blocks, Block{Kind: Heading, Text: plainRST(strings.TrimSpace(text)), Level: level + 1})
}

// rule says whether a line is one character of punctuation, again and again.
func rule(line string) bool {
	line = strings.TrimRight(line, " ")
	return len(line) >= 2 && line[0] > ' ' && line[0] < 0x7f && !unicode.IsLetter(rune(line[0])) && !unicode.IsDigit(rune(line[0])) && strings.Trim(line, line[:1]) == "" && line != ".." && line != "::"
}

// columns is the width of a line on a screen.
func columns(line string) (n int) {
	for _, r := range strings.TrimRight(line, " ") {
		n++
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			n++
		}
	}
	return n
}

// span is the end of the lines from i that are ok.
func span(lines []string, i int, ok func(string) bool) int {
	for i < len(lines) && ok(lines[i]) {
		i++
	}
	return i
}

func indented(line string) bool { return line == "" || line[0] == ' ' }

// dedent takes away what all lines are indented by, and empty lines at the ends.
func dedent(lines []string) []string {
	least := -1
	for _, l := range lines {
		if t := strings.TrimLeft(l, " "); t != "" && (least < 0 || len(l)-len(t) < least) {
			least = len(l) - len(t)
		}
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l[min(max(least, 0), len(l)):]
	}
	for len(out) > 0 && strings.TrimSpace(out[0]) == "" {
		out = out[1:]
	}
	for len(out) > 0 && strings.TrimSpace(out[len(out)-1]) == "" {
		out = out[:len(out)-1]
	}
	return out
}

// nested reads lines that are indented.
func (p *rstParser) nested(lines []string, depth int) {
	if lines = dedent(lines); depth >= maxRSTDepth {
		p.add(Paragraph, strings.Join(lines, "\n"))
		return
	}
	p.parse(lines, depth+1)
}

// explicit reads what begins with two dots, to its end.
func (p *rstParser) explicit(lines []string, i, depth int) int {
	end := span(lines, i+1, indented)
	content := lines[i+1 : end]
	if m := footnote.FindStringSubmatch(lines[i]); m != nil {
		p.add(Paragraph, plainRST(m[1]+" "+strings.Join(strings.Fields(strings.Join(content, " ")), " ")))
		return end
	}
	m := directive.FindStringSubmatch(lines[i])
	if m == nil {
		return end // a comment or a target
	}
	content = dedent(content)
	for len(content) > 0 && fieldLine.MatchString(content[0]) { // options
		content = content[1:]
		content = content[span(content, 0, func(l string) bool { return l != "" && l[0] == ' ' }):]
	}
	name := m[1][strings.LastIndexByte(m[1], ':')+1:]
	switch name {
	case "toctree", "contents", "index", "image", "figure", "raw", "meta", "include", "highlight", "currentmodule", "module", "role", "default-role", "tabularcolumns", "sectionauthor", "codeauthor", "replace", "unicode", "date", "literalinclude", "graphviz", "automodule", "autoclass", "autofunction":
		return end
	case "code-block", "code", "sourcecode", "parsed-literal", "math", "testcode", "testoutput", "productionlist", "doctest", "prompt":
		p.add(Code, strings.Join(dedent(content), "\n"))
		return end
	case "csv-table", "list-table":
		p.add(Table, strings.TrimSpace(m[2]+"\n"+strings.Join(dedent(content), "\n")))
		return end
	case "rubric", "topic", "admonition", "sidebar":
		p.add(Paragraph, plainRST(m[2]))
	default:
		if m[2] != "" { // the beginning of a note, or what is described
			p.add(Paragraph, plainRST(m[2]))
		}
	}
	p.nested(content, depth)
	return end
}

// simpleTable reads a table between rules of =, to the last one before an empty line.
func (p *rstParser) simpleTable(lines []string, i int) int {
	end, rules := i, 0
	for j := i; j < len(lines); j++ {
		if simpleRule.MatchString(lines[j]) {
			end = j + 1
			if rules++; rules > 1 && (j+1 == len(lines) || strings.TrimSpace(lines[j+1]) == "") {
				break
			}
		}
	}
	p.add(Table, strings.Join(lines[i:end], "\n"))
	return end
}

// item reads an item of a list with what is indented below it.
func (p *rstParser) item(lines []string, i, depth int) int {
	marker := listMarker.FindString(lines[i])
	end := span(lines, i+1, indented)
	if end == i+1 || strings.TrimSpace(lines[i+1]) == "" || end < len(lines) && strings.TrimSpace(lines[end-1]) != "" && !listMarker.MatchString(lines[end]) && end == i+1 {
		// text that goes on without indentation is no list in reStructuredText, but in what people write
		end = max(end, i+1)
	}
	inner := slices.Concat([]string{strings.Repeat(" ", len(marker)) + lines[i][len(marker):]}, lines[i+1:end])
	before := len(p.blocks)
	p.nested(inner, depth)
	for j := before; j < len(p.blocks); j++ {
		b := &p.blocks[j]
		if b.Kind == Paragraph || b.Kind == Item {
			lead := "  "
			if j == before {
				lead = "- "
			}
			b.Kind, b.Text = Item, lead+b.Text
		}
	}
	return end
}

// paragraph reads text, and the literal block behind two colons.
func (p *rstParser) paragraph(lines []string, i int) int {
	end := i + 1 + span(lines[i+1:], 0, func(l string) bool { return l != "" && l[0] != ' ' })
	definition := end == i+1 && end < len(lines) && indented(lines[end]) && lines[end] != ""
	words := strings.TrimSpace(strings.Join(lines[i:end], " "))
	if !definition && end < len(lines) && lines[end] != "" { // a field's text, or a paragraph that goes on
		more := span(lines, end, func(l string) bool { return l != "" })
		words, end = words+" "+strings.Join(strings.Fields(strings.Join(lines[end:more], " ")), " "), more
	}
	literal := strings.HasSuffix(words, "::")
	if literal {
		words = strings.TrimSpace(strings.TrimSuffix(words, ":"))
		if words == ":" {
			words = ""
		}
	}
	if words != "" {
		p.add(Paragraph, plainRST(words))
	}
	if !literal {
		return end
	}
	code := span(lines, end, indented)
	p.add(Code, strings.Join(dedent(lines[end:code]), "\n"))
	return code
}

func (p *rstParser) add(kind Kind, text string) {
	if strings.TrimSpace(text) != "" {
		p.blocks = append(p.blocks, Block{Kind: kind, Text: text})
	}
}

// plainRST takes the marks out of a line.
func plainRST(text string) string {
	text = inlineMark.ReplaceAllStringFunc(text, func(m string) string {
		if s := inlineMark.FindStringSubmatch(m); s[1] != "" {
			return "\x00" + s[1] + "\x00" // what is literal has no roles in it
		} else if s[2] != "" {
			return s[2]
		} else {
			return s[3]
		}
	})
	parts := strings.Split(text, "\x00")
	for i := 0; i < len(parts); i += 2 {
		s := inlineRole.ReplaceAllStringFunc(parts[i], func(m string) string {
			g := inlineRole.FindStringSubmatch(m)
			if g[1] == "" {
				return strings.TrimLeft(g[2], "~!")
			}
			return strings.TrimLeft(g[1], "~!")
		})
		parts[i] = strings.ReplaceAll(wordLink.ReplaceAllString(s, "$1$2"), `\ `, "")
	}
	return strings.Join(parts, "")
}

// expandTabs puts spaces in the place of tabs, to every eighth column.
func expandTabs(text string) string {
	if !strings.Contains(text, "\t") {
		return trimEnds(text)
	}
	var b strings.Builder
	column := 0
	for _, r := range text {
		switch r {
		case '\t':
			n := 8 - column%8
			b.WriteString(strings.Repeat(" ", n))
			column += n
		case '\n':
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteRune(r)
			column++
		}
	}
	return trimEnds(b.String())
}

// trimEnds takes white space off the ends of lines.
func trimEnds(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " \f\v")
	}
	return strings.Join(lines, "\n")
}
