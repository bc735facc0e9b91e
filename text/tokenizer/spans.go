package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Span is a stretch of a text, in bytes: from Lo to before Hi.
type Span struct {
	Lo, Hi int
}

// Encoding is the tokens of a text with the stretch of it that each stands for.
type Encoding struct {
	IDs   []int32
	Spans []Span
}

// EncodeSpans returns the ids that Encode returns, with the stretch of the text
// that each stands for, white space included, as the offsets of Hugging Face
// tokenizers before a post-processor trims them. A token that stands for a part of
// a character has a part of its bytes. What the post-processor adds stands for
// nothing, at the text's begin or end. The stretches are those of the text as
// Encode reads it: invalid UTF-8 counts as U+FFFD.
func (t *Tokenizer) EncodeSpans(text string, addSpecial bool) Encoding {
	if !utf8.ValidString(text) {
		text = lossy([]byte(text))
	}
	s, _ := t.scratch.Get().(*scratch)
	if s == nil {
		s = new(scratch)
	}
	e := Encoding{IDs: make([]int32, 0, len(text)/3+4), Spans: make([]Span, 0, len(text)/3+4)}
	at := func(ids []int32, place int) {
		for range ids {
			e.Spans = append(e.Spans, Span{place, place})
		}
	}
	before, after := t.Around()
	if addSpecial {
		e.IDs = append(e.IDs, before...)
		at(before, 0)
	}
	s.trace.reset(len(text))
	s.spans = e.Spans
	e.IDs = t.encodeInto(e.IDs, text, s, &s.trace)
	e.Spans, s.spans = s.spans, nil
	if addSpecial {
		e.IDs = append(e.IDs, after...)
		at(after, len(text))
	}
	clear(s.a[:cap(s.a)])
	clear(s.b[:cap(s.b)])
	t.scratch.Put(s)
	return e
}

// Around returns the ids that the post-processor puts before and after a text.
func (t *Tokenizer) Around() (before, after []int32) {
	for i := len(t.post) - 1; i >= 0; i-- {
		before = append(before, t.post[i].before...)
	}
	for _, p := range t.post {
		after = append(after, p.after...)
	}
	return before, after
}

// trace remembers where rewritten text comes from: place i below text is byte i
// of the text itself, place text+j is what spans[j] was made into.
type trace struct {
	text  int
	spans []Span
}

func (t *trace) reset(text int) { t.text, t.spans = text, t.spans[:0] }

// span is what the byte at a place stands for.
func (t *trace) span(place int) Span {
	if place < t.text {
		return Span{place, place + 1}
	}
	return t.spans[place-t.text]
}

// spanOf is what the bytes lo to before hi of a piece stand for. None stand for
// nothing, where the byte before them ends.
func (p *piece) spanOf(lo, hi int) Span {
	at := int(p.at)
	if lo >= hi {
		end := 0
		switch {
		case lo > 0:
			end = p.trace.span(at + lo - 1).Hi
		case len(p.s) > 0:
			end = p.trace.span(at).Lo
		}
		return Span{end, end}
	}
	return Span{p.trace.span(at + lo).Lo, p.trace.span(at + hi - 1).Hi}
}

// rewriting spells out how a text becomes another, part by part.
type rewriting struct {
	from piece
	text []byte
	done int // bytes of from.s that are behind
	at   int // the place where the new text begins
}

func rewrite(p piece) *rewriting {
	room := len(p.s) + len(p.s)/2 // spaces that become three bytes, say
	p.trace.spans = slices.Grow(p.trace.spans, room)
	return &rewriting{from: p, at: p.trace.text + len(p.trace.spans), text: make([]byte, 0, room)}
}

// keep takes the text over up to a byte.
func (r *rewriting) keep(hi int) {
	t := r.from.trace
	if lo := int(r.from.at) + r.done - t.text; lo >= 0 { // rewritten before
		t.spans = append(t.spans, t.spans[lo:lo+hi-r.done]...)
	} else {
		for i := int(r.from.at) + r.done; i < int(r.from.at)+hi; i++ {
			t.spans = append(t.spans, t.span(i))
		}
	}
	r.text = append(r.text, r.from.s[r.done:hi]...)
	r.done = hi
}

// put writes to in the place of the text up to a byte: its first rune stands for
// the first one there, and so on, what is left over for the last one.
func (r *rewriting) put(hi int, to string) {
	old := r.from.s[r.done:hi]
	lo, size := r.done, 0
	if old != "" {
		_, size = utf8.DecodeRuneInString(old)
	}
	for _, c := range to {
		span := r.from.spanOf(lo, lo+size)
		for range utf8.RuneLen(c) {
			r.from.trace.spans = append(r.from.trace.spans, span)
		}
		if lo+size < hi {
			lo += size
			_, size = utf8.DecodeRuneInString(r.from.s[lo:])
		}
	}
	r.text = append(r.text, to...)
	r.done = hi
}

// putPart is put, but what is left over there is the first rune's: it was composed.
func (r *rewriting) putPart(hi int, to string) {
	old := r.from.s[r.done:hi]
	over := utf8.RuneCountInString(old) - utf8.RuneCountInString(to)
	if over <= 0 || to == "" {
		r.put(hi, to)
		return
	}
	_, first := utf8.DecodeRuneInString(to)
	r.put(r.done, to[:first])
	place := len(r.from.trace.spans) - first
	_, size := utf8.DecodeRuneInString(old)
	for i := range first {
		r.from.trace.spans[place+i] = r.from.spanOf(r.done, r.done+size)
	}
	rest := r.done
	for range over + 1 {
		_, n := utf8.DecodeRuneInString(r.from.s[rest:])
		rest += n
	}
	r.done = rest
	r.put(hi, to[first:])
}

// putLast is put, but all of to stands for the last rune there.
func (r *rewriting) putLast(hi int, to string) {
	_, size := utf8.DecodeLastRuneInString(r.from.s[r.done:hi])
	span := r.from.spanOf(hi-size, hi)
	for range len(to) {
		r.from.trace.spans = append(r.from.trace.spans, span)
	}
	r.text = append(r.text, to...)
	r.done = hi
}

// prefix writes a text before all, which stands for the first rune there.
func (r *rewriting) prefix(text string) {
	_, size := utf8.DecodeRuneInString(r.from.s)
	span := r.from.spanOf(0, size)
	for range len(text) {
		r.from.trace.spans = append(r.from.trace.spans, span)
	}
	r.text = append(r.text, text...)
}

// eachRune puts what to makes of each rune.
func (r *rewriting) eachRune(to func(rune, string) string) {
	for i, c := range r.from.s {
		hi := i + utf8.RuneLen(c)
		r.put(hi, to(c, r.from.s[i:hi]))
	}
}

// end is the new text, whose every byte knows what it stands for.
func (r *rewriting) end() piece {
	r.keep(len(r.from.s))
	p := r.from
	p.s, p.at = string(r.text), int32(r.at)
	return p
}

// normalizer rewrites a text before it is cut into pieces.
type normalizer struct {
	// apply clears piece.first where the library no longer counts the text as the
	// input's start: after it took runes off the front.
	apply func(p piece) piece
	// spell rewrites the same part by part.
	spell func(r *rewriting)
	// steps, where there are any, do the same one after the other.
	steps []normalizer
	// ascii says that each ASCII character becomes at most one.
	ascii bool
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// run applies the normalizer, and where a trace is kept says what the new text
// stands for.
func (n *normalizer) run(p piece) piece {
	q := n.apply(p)
	if p.trace == nil || q.s == p.s || n.ascii && len(q.s) == len(p.s) && isASCII(p.s) {
		return q
	}
	spelt := p
	for i := range n.steps {
		spelt = n.steps[i].run(spelt)
	}
	if n.spell != nil {
		r := rewrite(p)
		n.spell(r)
		spelt = r.end()
	}
	if spelt.s != q.s {
		// The parts do not tell: every byte stands for the whole.
		r := rewrite(p)
		span := p.spanOf(0, len(p.s))
		for range len(q.s) {
			p.trace.spans = append(p.trace.spans, span)
		}
		q.at = int32(r.at)
		return q
	}
	q.at = spelt.at
	return q
}

// spellRunes is for what changes a text rune by rune.
func spellRunes(apply func(piece) piece) func(*rewriting) {
	return func(r *rewriting) {
		r.eachRune(func(_ rune, s string) string { return apply(piece{s: s, id: -1}).s })
	}
}

// spellParts is for what changes a text part by part, where a part is a rune with
// those after it that are composed with it or put in order.
func spellParts(apply func(piece) piece) func(*rewriting) {
	joins := func(c rune) bool { return isCombining(c) || c >= hangulV && c < 0x1200 }
	return func(r *rewriting) {
		s := r.from.s
		for i := 0; i < len(s); {
			_, n := utf8.DecodeRuneInString(s[i:])
			j := i + n
			for j < len(s) {
				c, n := utf8.DecodeRuneInString(s[j:])
				if !joins(c) {
					break
				}
				j += n
			}
			for i < j {
				whole := apply(piece{s: s[i:j], id: -1}).s
				_, n := utf8.DecodeRuneInString(s[i:])
				first := apply(piece{s: s[i : i+n], id: -1}).s
				if i+n == j || first+apply(piece{s: s[i+n : j], id: -1}).s != whole {
					r.putPart(j, whole)
					break
				}
				r.put(i+n, first)
				i += n
			}
			i = j
		}
	}
}

func spellStrip(left, right bool) func(*rewriting) {
	return func(r *rewriting) {
		s := r.from.s
		lo, hi := 0, len(s)
		if left {
			lo = len(s) - len(strings.TrimLeftFunc(s, unicode.IsSpace))
		}
		if right {
			hi = max(lo, len(strings.TrimRightFunc(s, unicode.IsSpace)))
		}
		r.put(lo, "")
		r.keep(hi)
		r.put(len(s), "")
	}
}

func spellPrepend(prefix string) func(*rewriting) {
	return func(r *rewriting) { r.prefix(prefix) }
}

func spellReplace(find cutter, content string) func(*rewriting) {
	return func(r *rewriting) {
		for _, c := range find(nil, r.from.s) {
			switch {
			case !c.match:
				r.keep(c.hi)
			case c.lo == c.hi:
				r.put(c.hi, content)
			default:
				r.putLast(c.hi, content)
			}
		}
	}
}

// spans appends what the ids of a piece stand for.
func (t *Tokenizer) appendSpans(p *piece, ids []int32, s *scratch) {
	if p.id >= 0 {
		s.spans = append(s.spans, p.spanOf(0, len(p.s)))
		return
	}
	s.marks = t.model.marks(s.marks[:0], p.s, ids, s)
	for i := range ids {
		m := Span{len(p.s), len(p.s)}
		if i < len(s.marks) {
			m = s.marks[i]
		}
		s.spans = append(s.spans, p.spanOf(m.Lo, m.Hi))
	}
}

// row marks tokens that stand side by side, of the lengths that length gives, -1
// where it does not know. ok is false unless they are the whole piece.
func row(marks []Span, piece string, ids []int32, length func(i int, id int32) int) (_ []Span, ok bool) {
	at := 0
	for i, id := range ids {
		n := length(i, id)
		if n < 0 {
			return marks, false
		}
		marks = append(marks, Span{at, at + n})
		at += n
	}
	return marks, at == len(piece)
}

func (b *bpe) marks(marks []Span, p string, ids []int32, s *scratch) []Span {
	if len(ids) == 1 {
		return append(marks, Span{0, len(p)})
	}
	if marks, ok := row(marks, p, ids, func(i int, id int32) int {
		if id == b.unk {
			return -1
		}
		return b.net(id, i == 0, i == len(ids)-1)
	}); ok {
		return marks
	}
	// Unknown or dropped text, or bytes: symbols with their lengths are walked along.
	s.track, s.path, s.reached = true, s.path[:0], 0
	var symbols []int32
	if b.byteLevel {
		symbols = b.byteSymbols(nil, p, s)
	} else {
		symbols = b.symbols(nil, p, s)
	}
	s.track = false
	marks = marks[:0]
	k := 0
	for i, id := range ids {
		from := k
		for want := b.net(id, i == 0, i == len(ids)-1); k < len(symbols); {
			want -= b.net(symbols[k], k == 0, k == len(symbols)-1)
			single := symbols[k] == id
			if k++; single || want <= 0 {
				break
			}
		}
		if from < k {
			marks = append(marks, Span{s.path[from].Lo, s.path[k-1].Hi})
		}
	}
	return marks
}

// stands notes that the next symbol stands for n more bytes.
func (s *scratch) stands(n int) {
	if s.track {
		s.path = append(s.path, Span{s.reached, s.reached + n})
		s.reached += n
	}
}

// dropped notes that no symbol stands for the next n bytes.
func (s *scratch) dropped(n int) { s.reached += n }

// passed notes that n tokens stand for the same bytes.
func (s *scratch) passed(n int, lo, hi int32) {
	for range n {
		if s.track {
			s.path = append(s.path, Span{int(lo), int(hi)})
		}
	}
}

// net is how many bytes of a piece a token spells.
func (b *bpe) net(id int32, first, last bool) int {
	n := b.length(id)
	if b.byteLevel {
		return n
	}
	if !first && b.prefix != "" {
		n -= len(b.prefix)
	}
	if last && b.suffix != "" {
		n -= len(b.suffix)
	}
	return n
}

func (u *unigram) marks(marks []Span, p string, ids []int32, s *scratch) []Span {
	if marks, ok := row(marks, p, ids, func(_ int, id int32) int {
		if id == u.unk {
			return -1
		}
		return u.length(id)
	}); ok {
		return marks
	}
	s.track, s.path = true, s.path[:0]
	u.encode(nil, p, s)
	s.track = false
	marks = marks[:0]
	for i := len(s.path) - 1; i >= 0; i-- {
		marks = append(marks, s.path[i])
	}
	return marks
}

func (w *wordPiece) marks(marks []Span, p string, ids []int32, _ *scratch) []Span {
	if len(ids) == 1 {
		return append(marks, Span{0, len(p)})
	}
	marks, _ = row(marks, p, ids, func(i int, id int32) int {
		if i == 0 {
			return w.length(id)
		}
		return w.length(id) - len(w.prefix)
	})
	return marks
}

func (w *wordLevel) marks(marks []Span, p string, ids []int32, _ *scratch) []Span {
	return append(marks, Span{0, len(p)})
}

// measure tabulates how many bytes of a piece each token spells, or runes, where
// those stand for bytes. Ids that leave large gaps are measured when asked for.
func (v *vocabulary) measure(runes bool) {
	v.runes = runes
	if int(v.max) >= 4*len(v.tokens)+1024 {
		return
	}
	v.lengths = make([]int32, v.max+1)
	for id, token := range v.tokens {
		v.lengths[id] = int32(measured(token, runes))
	}
}

func measured(token string, runes bool) int {
	if runes {
		return utf8.RuneCountInString(token)
	}
	return len(token)
}

func (v *vocabulary) length(id int32) int {
	if v.lengths != nil && id >= 0 && int(id) < len(v.lengths) {
		return int(v.lengths[id])
	}
	return measured(v.tokens[id], v.runes)
}
