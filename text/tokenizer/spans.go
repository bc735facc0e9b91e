package tokenizer

import "unicode/utf8"

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
