package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"gorqa/files/modelfile"
)

// Tokenizer maps text to token ids and back. It is safe for concurrent use.
type Tokenizer struct {
	json       []byte
	normalize  []normalizer
	growth     int // bytes that they make of one, at most
	preTokens  []preTokenizer
	model      model
	post       []postProcessor
	decoders   []decoder
	hasDecoder bool
	added      *addedVocabulary
	special    Special
	cache      *wordCache
	scratch    sync.Pool
	watch      *watch
}

// model turns one piece of pre-tokenized text into ids.
type model interface {
	// encode appends the ids of piece to ids.
	encode(ids []int32, piece string, s *scratch) []int32
	id(token string) (int32, bool)
	token(id int32) (string, bool)
	// marks appends which bytes of piece each of its ids stands for.
	marks(marks []Span, piece string, ids []int32, s *scratch) []Span
	// size is the number of tokens, maxID the greatest id (-1 if none).
	size() int
	maxID() int32
}

// scratch holds the buffers of one Encode call.
type scratch struct {
	a, b  []piece
	bytes []byte
	word  []int32
	bpe   bpeScratch
	uni   []uniNode

	trace   trace
	spans   []Span
	marks   []Span
	track   bool   // path is asked for
	path    []Span // of each symbol of a bpe, of each token of a unigram, last one first
	reached int    // bytes that symbols stand for, so far
}

// piece is a stretch of text on its way to the model.
type piece struct {
	s string
	// first says that the piece starts where the input starts.
	first bool
	// id is the added token that the piece is, or -1.
	id int32
	// at is the place of the first byte in the trace, where one is kept.
	at    int32
	trace *trace
}

// part is a stretch of the piece.
func (p *piece) part(lo, hi int) piece {
	return piece{s: p.s[lo:hi], first: p.first && lo == 0, id: -1, at: p.at + int32(lo), trace: p.trace}
}

// Load reads a tokenizer.json or a SentencePiece model (.model), or the one in
// a folder. tokenizer_config.json and special_tokens_map.json beside it name the
// special tokens (see ParseNamed), and the first says how BERT's tokenizer takes
// letters; of a SentencePiece model, added_tokens.json counts too.
func Load(path string) (*Tokenizer, error) {
	file, err := find(path)
	if err != nil {
		return nil, err
	}
	data, err := modelfile.Read(file, maxFile)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	near := map[string][]byte{}
	for _, name := range []string{configName, specialMapName, addedName, modelName} {
		if near[name], err = beside(file, name); err != nil {
			return nil, err
		}
	}
	t, err := parseFile(file, data, near)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// ParseFiles is Load of a folder whose files are in memory, by their names.
func ParseFiles(files map[string][]byte) (*Tokenizer, error) {
	for _, name := range fileNames {
		if data := files[name]; data != nil {
			t, err := parseFile(name, data, files)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return t, nil
		}
	}
	return nil, fmt.Errorf("no %s; one of them is expected", strings.Join(fileNames, ", "))
}

func parseFile(name string, data []byte, near map[string][]byte) (*Tokenizer, error) {
	if filepath.Ext(name) == ".model" {
		return ParseSentencePiece(SentencePiece{Model: data, Config: near[configName], SpecialTokens: near[specialMapName], AddedTokens: near[addedName]})
	}
	data, err := likeBERT(data, near[configName], near[modelName])
	if err != nil {
		return nil, err
	}
	return ParseNamed(data, near[configName], near[specialMapName])
}

// maxFile bounds a tokenizer's file, in bytes; the largest known tokenizer.json
// has 35 MB.
const maxFile = 256 << 20

// ParseNamed is Parse with the special tokens that a tokenizer_config.json and a
// special_tokens_map.json name, either nil where there is none. As in
// transformers, a token of the map goes before that of the configuration,
// unless the configuration has its own list of added tokens
// (added_tokens_decoder): then it alone counts.
func ParseNamed(data, config, specialMap []byte) (*Tokenizer, error) {
	t, err := Parse(data)
	if err != nil {
		return nil, err
	}
	if err := t.name(config, specialMap); err != nil {
		return nil, err
	}
	return t, nil
}

// beside reads a file that lies beside another, nil where there is none.
func beside(file, name string) ([]byte, error) {
	data, err := modelfile.Read(filepath.Join(filepath.Dir(file), name), maxFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return data, nil
}

const (
	configName     = "tokenizer_config.json"
	specialMapName = "special_tokens_map.json"
	addedName      = "added_tokens.json"
	modelName      = "config.json"
)

// fileNames are those of a tokenizer in a folder, best one first.
var fileNames = []string{"tokenizer.json", "spiece.model", "tokenizer.model"}

// find is the file at path, or the tokenizer's in the folder that is there.
func find(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("tokenizer: %w", err)
	}
	if !info.IsDir() {
		return path, nil
	}
	for _, name := range fileNames {
		file := filepath.Join(path, name)
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			return file, nil
		}
	}
	return "", fmt.Errorf("%s: no tokenizer.json, spiece.model or tokenizer.model found; a folder with one of them is expected; convert another kind of tokenizer with transformers' save_pretrained", path)
}

// Err says what made results wrong that were given so far, nil for nothing: a
// pattern of the file took too long for a text, and the text was not divided by it,
// nor any after it. Who encodes or decodes texts looks at it before their results
// are used.
func (t *Tokenizer) Err() error { return t.watch.err() }

// Encode returns the ids of text, with the special tokens that the
// post-processor adds if addSpecial is set. Invalid UTF-8 reads as U+FFFD.
func (t *Tokenizer) Encode(text string, addSpecial bool) []int32 {
	if !utf8.ValidString(text) {
		text = lossy([]byte(text))
	}
	s, _ := t.scratch.Get().(*scratch)
	if s == nil {
		s = new(scratch)
	}
	ids := make([]int32, 0, len(text)/3+4)
	if addSpecial {
		for i := len(t.post) - 1; i >= 0; i-- {
			ids = append(ids, t.post[i].before...)
		}
	}
	ids = t.encodeInto(ids, text, s, nil)
	if addSpecial {
		for _, p := range t.post {
			ids = append(ids, p.after...)
		}
	}
	clear(s.a[:cap(s.a)])
	clear(s.b[:cap(s.b)])
	t.scratch.Put(s)
	return ids
}

// encodeInto appends the ids of a text and, where a trace is kept, to s.spans
// what they stand for.
func (t *Tokenizer) encodeInto(ids []int32, text string, s *scratch, traced *trace) []int32 {
	in := append(s.a[:0], piece{s: text, first: true, id: -1, trace: traced})
	out := s.b[:0]
	if t.added.raw != nil {
		out = t.added.split(out, in[0], t.added.raw)
		in, out = out, in[:0]
	}
	if len(t.normalize) > 0 || t.added.normalized != nil {
		for _, p := range in {
			if p.id >= 0 {
				out = append(out, p)
				continue
			}
			for i := range t.normalize {
				p = t.normalize[i].run(p)
			}
			if p.s == "" {
				continue
			}
			if t.added.normalized != nil {
				out = t.added.split(out, p, t.added.normalized)
			} else {
				out = append(out, p)
			}
		}
		in, out = out, in[:0]
	}
	for _, pre := range t.preTokens {
		for _, p := range in {
			if p.id >= 0 {
				out = append(out, p)
			} else if p.s != "" {
				out = pre(out, p)
			}
		}
		in, out = out, in[:0]
	}
	for i := range in {
		p := &in[i]
		from := len(ids)
		switch {
		case p.id >= 0:
			ids = append(ids, p.id)
		case p.s != "":
			ids = t.encodePiece(ids, p.s, s)
		}
		if traced != nil && len(ids) > from {
			t.appendSpans(p, ids[from:], s)
		}
	}
	s.a, s.b = in, out
	return ids
}

func (t *Tokenizer) encodePiece(ids []int32, p string, s *scratch) []int32 {
	if len(p) > maxCachedBytes {
		return t.model.encode(ids, p, s)
	}
	slot, hit := t.cache.get(p)
	if hit != nil {
		return append(ids, hit...)
	}
	from := len(ids)
	ids = t.model.encode(ids, p, s)
	t.cache.put(slot, p, ids[from:])
	return ids
}

// Decode returns the text of ids. Ids outside the vocabulary are ignored;
// skipSpecial leaves the special tokens out.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	tokens := make([]string, 0, len(ids))
	for _, id := range ids {
		token, ok := t.added.decodeToken(id)
		if !ok {
			if token, ok = t.model.token(id); !ok {
				continue
			}
		}
		if skipSpecial && t.added.special[token] {
			continue
		}
		tokens = append(tokens, token)
	}
	if !t.hasDecoder {
		return joinWith(tokens, " ")
	}
	for _, d := range t.decoders {
		tokens = d(tokens)
	}
	return joinWith(tokens, "")
}

// ID returns the id of an added token or a token of the vocabulary.
func (t *Tokenizer) ID(token string) (int32, bool) {
	if id, ok := t.added.ids[token]; ok {
		return id, true
	}
	return t.model.id(token)
}

// Token returns the token of an id, as the vocabulary spells it.
func (t *Tokenizer) Token(id int32) (string, bool) {
	if a, ok := t.added.tokens[id]; ok {
		return a.Content, true
	}
	return t.model.token(id)
}

// Size is the number of rows that an embedding needs: the greatest id plus one.
func (t *Tokenizer) Size() int {
	return int(max(t.model.maxID(), t.added.maxID)) + 1
}

// JSON returns the tokenizer.json that the tokenizer was made from.
func (t *Tokenizer) JSON() []byte { return bytes.Clone(t.json) }

func joinWith(tokens []string, sep string) string {
	n := 0
	for _, t := range tokens {
		n += len(t) + len(sep)
	}
	b := make([]byte, 0, n)
	for i, t := range tokens {
		if i > 0 {
			b = append(b, sep...)
		}
		b = append(b, t...)
	}
	return string(b)
}

// lossy reads bytes as UTF-8 and puts one U+FFFD for each maximal part of an
// ill-formed sequence (Unicode standard, section 3.9, "U+FFFD substitution of
// maximal subparts"), where Go's own conversions put one for each byte.
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	out := slices.Grow([]byte(nil), len(b)+8)
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			out = append(out, b[i])
			i++
			continue
		}
		if r, n := utf8.DecodeRune(b[i:]); r != utf8.RuneError || n > 1 {
			out = append(out, b[i:i+n]...)
			i += n
			continue
		}
		out = append(out, "\uFFFD"...)
		i += illFormed(b[i:])
	}
	return string(out)
}

// illFormed is the length of the maximal ill-formed part at the start of b.
func illFormed(b []byte) int {
	lo, hi, need := byte(0x80), byte(0xBF), 0
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		need = 1
	case c == 0xE0:
		lo, need = 0xA0, 2
	case c == 0xED:
		hi, need = 0x9F, 2
	case c >= 0xE1 && c <= 0xEF:
		need = 2
	case c == 0xF0:
		lo, need = 0x90, 3
	case c == 0xF4:
		hi, need = 0x8F, 3
	case c >= 0xF1 && c <= 0xF3:
		need = 3
	}
	n := 1
	for n <= need && n < len(b) && b[n] >= lo && b[n] <= hi {
		lo, hi = 0x80, 0xBF
		n++
	}
	return n
}
