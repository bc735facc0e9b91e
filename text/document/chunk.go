package document

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"gorqa/text/dataset"
)

// ChunkOptions say how long passages are.
type ChunkOptions struct {
	Size    int // tokens of a passage's content, at most
	Overlap int // tokens at most that a passage repeats of the one before, in whole sentences
	// MaxTokens is how many tokens of a passage are read, source and title and what
	// the tokenizer adds included; 0 for any number.
	MaxTokens int
	// Tokens counts those of a text as it is read.
	Tokens func(text string) int
}

// DefaultChunkOptions are LocalRQA's.
func DefaultChunkOptions() ChunkOptions { return ChunkOptions{Size: 400, Overlap: 50} }

// leastContent is what a passage has room for beside source and title, in tokens.
const leastContent = 16

// Validate reports options that nothing could be cut by.
func (o ChunkOptions) Validate() error {
	var errs []error
	if o.Size < leastContent {
		errs = append(errs, fmt.Errorf("document: chunks of %d tokens; expected %d or more", o.Size, leastContent))
	}
	if o.Overlap < 0 || o.Overlap > o.Size/2 {
		errs = append(errs, fmt.Errorf("document: an overlap of %d tokens; expected 0 to %d, half of a chunk", o.Overlap, o.Size/2))
	}
	if o.MaxTokens < 0 || o.MaxTokens > 0 && o.MaxTokens < 4*leastContent {
		errs = append(errs, fmt.Errorf("document: passages of at most %d tokens; expected %d or more", o.MaxTokens, 4*leastContent))
	}
	if o.Tokens == nil {
		errs = append(errs, errors.New("document: no function that counts tokens; expected one"))
	}
	return errors.Join(errs...)
}

// Chunk cuts a file into passages: at headings, between paragraphs, else between
// sentences. Code and tables stay whole where they fit. No passage is longer than
// the options say. Metadata has source, title, headings (those that a passage stands
// under), page and seq_num.
func Chunk(f File, o ChunkOptions) ([]dataset.Document, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := &chunker{file: f, opt: o, around: o.Tokens(""), rooms: map[string]int{}}
	c.gap = max(c.tokens("a\n\na")-2*c.tokens("a"), 0)
	c.divide()
	return c.passages()
}

// A unit is what is not cut any more. Passages are units that follow each other.
type unit struct {
	kind  Kind
	text  string
	lead  string // what divides it from the one before
	n     int    // tokens
	block int
	rest  int      // tokens of its block from here on
	path  []string // of headings
	level int      // of a heading, or of the one it stands under; 0 for none
	page  int
}

type chunker struct {
	file   File
	opt    ChunkOptions
	around int // tokens that are put around a text
	gap    int // tokens of an empty line
	units  []unit
	rooms  map[string]int
}

func (c *chunker) tokens(text string) int { return c.opt.Tokens(text) - c.around }

// header is a passage under a path of headings without its content. Where source
// and title take more than half of what is read, they give way.
func (c *chunker) header(path []string) string {
	title := strings.Join(append([]string{c.file.Title}, path...), " > ")
	last := c.file.Title
	if len(path) > 0 {
		last = path[len(path)-1]
	}
	lines := func(source, title string) (b string) {
		if source != "" {
			b = "Source: " + source + "\n"
		}
		if title != "" {
			b += "Title: " + title + "\n"
		}
		return b + "Content:\n"
	}
	for _, h := range []string{lines(c.file.Source, title), lines(c.file.Source, last), lines(c.file.Source, ""), lines("", last)} {
		if c.opt.MaxTokens == 0 || 2*c.opt.Tokens(h) <= c.opt.MaxTokens {
			return h
		}
	}
	return lines("", "")
}

// room is how many tokens the content of a passage under a path may have.
func (c *chunker) room(path []string) int {
	if c.opt.MaxTokens == 0 {
		return c.opt.Size
	}
	key := strings.Join(path, "\x00")
	if n, ok := c.rooms[key]; ok {
		return n
	}
	n := min(c.opt.Size, c.opt.MaxTokens-c.opt.Tokens(c.header(path)))
	c.rooms[key] = n
	return n
}

// divide makes units of the blocks.
func (c *chunker) divide() {
	var path []string
	var levels []int
	for i, b := range c.file.Blocks {
		text := b.Text
		if b.Kind != Code && b.Kind != Table {
			text = strings.TrimSpace(text)
		}
		if b.Kind == Heading {
			for len(levels) > 0 && levels[len(levels)-1] >= b.Level {
				levels, path = levels[:len(levels)-1], path[:len(path)-1]
			}
			levels, path = append(levels, b.Level), append(path[:len(path):len(path)], text)
		}
		under := path
		if len(under) > 0 && under[0] == c.file.Title {
			under = under[1:]
		}
		if b.Kind == Heading && text == c.file.Title { // it is said before each passage
			continue
		}
		from := len(c.units)
		for j, piece := range c.pieces(b.Kind, text, c.room(under)) {
			a := unit{kind: b.Kind, text: piece, n: c.tokens(piece), block: i, path: under, page: b.Page}
			if len(levels) > 0 {
				a.level = levels[len(levels)-1]
			}
			switch {
			case j > 0 && (b.Kind == Code || b.Kind == Table):
				a.lead = "\n"
			case j > 0: // the space is at the end of the sentence before
			case b.Kind == Item && i > 0 && c.file.Blocks[i-1].Kind == Item, i > 0 && c.file.Blocks[i-1].Kind == Heading:
				a.lead = "\n"
			default:
				a.lead = "\n\n"
			}
			c.units = append(c.units, a)
		}
		for rest, j := 0, len(c.units)-1; j >= from; j-- {
			rest += c.units[j].n
			c.units[j].rest = rest
		}
	}
}

// pieces cuts the text of a block into what has room.
func (c *chunker) pieces(kind Kind, text string, room int) []string {
	var parts []string
	switch kind {
	case Paragraph, Item:
		parts = Sentences(text)
	case Code, Table:
		if len(text) < 64*room && c.tokens(text) <= room {
			return []string{text}
		}
		parts = strings.Split(text, "\n")
		if kind == Table {
			parts = c.withHead(parts, room)
		}
	default:
		parts = []string{text}
	}
	var out []string
	for _, part := range parts {
		out = c.halve(out, part, room)
	}
	return out
}

// withHead packs the rows of a table that is too long, its head before each part.
func (c *chunker) withHead(rows []string, room int) []string {
	if len(rows) < 3 || !strings.HasPrefix(rows[1], "| ---") {
		return rows
	}
	head := rows[0] + "\n" + rows[1]
	taken := c.tokens(head)
	if 2*taken > room {
		return rows
	}
	var parts []string
	part, n := head, taken
	for _, row := range rows[2:] {
		more := c.tokens(row) + 1
		if n+more > room && part != head {
			parts = append(parts, part)
			part, n = head, taken
		}
		part, n = part+"\n"+row, n+more
	}
	return append(parts, part)
}

// halve cuts a text that has no room in the middle, between words if it can.
func (c *chunker) halve(out []string, text string, room int) []string {
	if text == "" {
		return out
	}
	if len(text) <= 64*room && c.tokens(text) <= room { // no token has 64 bytes in prose
		return append(out, text)
	}
	at := middle(text)
	if at <= 0 || at >= len(text) {
		return append(out, text)
	}
	return c.halve(c.halve(out, text[:at], room), text[at:], room)
}

// middle is where a text is cut: behind the white space nearest to its middle, or
// between two characters.
func middle(text string) int {
	half := len(text) / 2
	for half > 0 && !utf8.RuneStart(text[half]) {
		half--
	}
	before := strings.LastIndexFunc(text[:half], unicode.IsSpace)
	after := strings.IndexFunc(text[half:], unicode.IsSpace)
	switch {
	case after >= 0 && (before < 0 || after <= half-before) && half+after+1 < len(text):
		_, n := utf8.DecodeRuneInString(text[half+after:])
		return half + after + n
	case before > 0:
		_, n := utf8.DecodeRuneInString(text[before:])
		return before + n
	case half == 0:
		_, n := utf8.DecodeRuneInString(text)
		return n
	}
	return half
}

// passages puts units together.
func (c *chunker) passages() (docs []dataset.Document, err error) {
	for from, least := 0, 0; from < len(c.units); {
		to := c.end(from, least)
		d := c.passage(from, to, len(docs))
		if strings.TrimSpace(d.Content) != "" {
			if n, read := c.tokens(d.Content), c.opt.Tokens(d.Formatted); n > c.opt.Size || c.opt.MaxTokens > 0 && read > c.opt.MaxTokens {
				return nil, fmt.Errorf("%s: a passage of %d tokens, %d as it is read, that cannot be cut: %.60q; expected at most %d and %d; take longer chunks, or leave the file out", c.file.Source, n, read, d.Content, c.opt.Size, c.opt.MaxTokens)
			}
			docs = append(docs, d)
		}
		if to == len(c.units) {
			break
		}
		from, least = c.overlap(from, to), to+1
	}
	return docs, nil
}

// end is where the passage from a unit on ends, at least at least.
func (c *chunker) end(from, least int) int {
	room, n, to := c.room(c.units[from].path), 0, from
	for ; to < len(c.units); to++ {
		a := c.units[to]
		begins := to > from && a.block != c.units[to-1].block
		if to >= max(least, from+1) {
			if a.kind == Heading && (2*n >= room || a.level < c.units[from].level) {
				break
			}
			// What fits into a passage of its own is not cut for the sake of this one's length.
			if begins && n+a.rest > room && a.rest <= room && 2*n >= room || n+a.n > room {
				break
			}
		}
		if n += a.n; to > from && a.lead != "" {
			n += c.gap
		}
	}
	least = max(least, from+1)
	for to > least && !c.fits(from, to) {
		to--
	}
	if to < len(c.units) {
		for to > least && c.leads(to-1) {
			to--
		}
	}
	return to
}

// leads says whether a unit belongs to what follows it: a heading, and a line with a
// colon before code, a table or a list.
func (c *chunker) leads(i int) bool {
	a, next := c.units[i], c.units[i+1]
	return a.kind == Heading || a.kind == Paragraph && next.block != a.block && next.kind != Paragraph && next.kind != Heading && strings.HasSuffix(strings.TrimSpace(a.text), ":")
}

// fits says whether units are no more than a passage holds.
func (c *chunker) fits(from, to int) bool {
	d := c.passage(from, to, 0)
	return c.tokens(d.Content) <= c.opt.Size && (c.opt.MaxTokens == 0 || c.opt.Tokens(d.Formatted) <= c.opt.MaxTokens)
}

// overlap is where the passage behind one begins: at sentences of its end, where no
// heading divides them and what follows has room behind them.
func (c *chunker) overlap(from, to int) int {
	next := c.units[to]
	if next.kind == Heading {
		return to
	}
	at, n := to, 0
	for at-1 > from {
		a := c.units[at-1]
		if a.kind != Paragraph && a.kind != Item || n+a.n > c.opt.Overlap || strings.Join(a.path, "\x00") != strings.Join(next.path, "\x00") {
			break
		}
		at, n = at-1, n+a.n
	}
	for at < to && !c.fits(at, to+1) {
		at++
	}
	return at
}

// passage makes a document of units.
func (c *chunker) passage(from, to, number int) dataset.Document {
	var b strings.Builder
	path := c.units[to-1].path
	for i, a := range c.units[from:to] {
		if i > 0 {
			b.WriteString(a.lead)
		}
		b.WriteString(a.text)
		if a.kind != Heading { // the headings of what is there
			path = shared(path, a.path)
		}
	}
	d := dataset.Document{Content: strings.Trim(b.String(), "\n"), Metadata: map[string]any{}}
	if k := c.units[from].kind; k != Code && k != Table {
		d.Content = strings.TrimSpace(d.Content)
	} else {
		d.Content = strings.TrimRightFunc(d.Content, unicode.IsSpace)
	}
	maps.Copy(d.Metadata, c.file.Metadata)
	d.Metadata["source"], d.Metadata["title"], d.Metadata["seq_num"] = c.file.Source, c.file.Title, number
	if len(path) > 0 {
		d.Metadata["headings"] = path
	}
	if page := c.units[from].page; page > 0 {
		d.Metadata["page"] = page
	}
	d.Formatted = c.header(path) + d.Content
	return d
}

// shared is what two paths begin with.
func shared(a, b []string) []string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}
