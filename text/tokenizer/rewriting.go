package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

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
