package tokenizer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxCharsmap bounds a compiled normalizer, in bytes; those in use have some
// 300,000.
const maxCharsmap = 16 << 20

// charsmap is SentencePiece's compiled normalizer: a double-array trie
// (darts-clone) from UTF-8 to offsets into NUL-ended replacements.
type charsmap struct {
	trie  []uint32
	text  []byte
	ascii [utf8.RuneSelf]string // what each ASCII character becomes
}

func newCharsmap(data []byte) (*charsmap, error) {
	if len(data) < 4 {
		return nil, fmt.Errorf("precompiled_charsmap: %d bytes found; a trie and its replacements are expected", len(data))
	}
	if len(data) > maxCharsmap {
		return nil, fmt.Errorf("precompiled_charsmap: %d bytes; at most %d are expected", len(data), maxCharsmap)
	}
	size := uint64(binary.LittleEndian.Uint32(data))
	data = data[4:]
	if size > uint64(len(data)) || size < 4 {
		return nil, fmt.Errorf("precompiled_charsmap: a trie of %d bytes in %d; a whole trie is expected", size, len(data))
	}
	m := &charsmap{trie: make([]uint32, size/4), text: data[size/4*4:]}
	for i := range m.trie {
		m.trie[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	if !utf8.Valid(m.text) {
		return nil, fmt.Errorf("precompiled_charsmap: replacements that are not UTF-8; UTF-8 is expected")
	}
	for c := range m.ascii {
		m.ascii[c] = string(rune(c))
		if to, ok := m.find(m.ascii[c]); ok {
			m.ascii[c] = to
		}
	}
	return m, nil
}

// find returns the replacement of the shortest prefix of s that has one.
func (m *charsmap) find(s string) (string, bool) {
	unit := m.trie[0]
	pos := offset(unit)
	for i := range len(s) {
		if s[i] == 0 {
			break
		}
		pos ^= uint32(s[i])
		if int(pos) >= len(m.trie) {
			break
		}
		unit = m.trie[pos]
		if unit&(1<<31|0xFF) != uint32(s[i]) {
			break
		}
		pos ^= offset(unit)
		if unit>>8&1 == 1 && int(pos) < len(m.trie) {
			at := m.trie[pos] & (1<<31 - 1)
			if int(at) > len(m.text) {
				return "", false
			}
			end := bytes.IndexByte(m.text[at:], 0)
			if end < 0 {
				end = len(m.text) - int(at)
			}
			return string(m.text[at : int(at)+end]), true
		}
	}
	return "", false
}

func offset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }

// growth is the longest replacement, of a key that may have one byte.
func (m *charsmap) growth() int {
	longest := 0
	for text := range strings.SplitSeq(string(m.text), "\x00") {
		longest = max(longest, len(text))
	}
	return longest
}

// normalize replaces grapheme clusters of fewer than six bytes whole, longer
// ones rune by rune, as the library does.
func (m *charsmap) normalize(p piece) piece {
	b := make([]byte, 0, len(p.s)+8)
	for i := 0; i < len(p.s); {
		// Between two ASCII characters a cluster ends, but for CR LF.
		if c := p.s[i]; c < utf8.RuneSelf && c != '\r' && (i+1 == len(p.s) || p.s[i+1] < utf8.RuneSelf) {
			b = append(b, m.ascii[c]...)
			i++
			continue
		}
		end := graphemeEnd(p.s, i)
		if end-i < 6 {
			if to, ok := m.find(p.s[i:end]); ok {
				b = append(b, to...)
				i = end
				continue
			}
		}
		for i < end {
			_, n := utf8.DecodeRuneInString(p.s[i:])
			if to, ok := m.find(p.s[i : i+n]); ok {
				b = append(b, to...)
			} else {
				b = append(b, p.s[i:i+n]...)
			}
			i += n
		}
	}
	p.s = string(b)
	return p
}

// spell is normalize, part by part.
func (m *charsmap) spell(r *rewriting) {
	s := r.from.s
	for i := 0; i < len(s); {
		end := graphemeEnd(s, i)
		if end-i < 6 {
			if to, ok := m.find(s[i:end]); ok {
				r.put(end, to)
				i = end
				continue
			}
		}
		for i < end {
			_, n := utf8.DecodeRuneInString(s[i:])
			to, ok := m.find(s[i : i+n])
			if !ok {
				to = s[i : i+n]
			}
			i += n
			r.put(i, to)
		}
	}
}
