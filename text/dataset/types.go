package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// Document is one passage of the document database. The field names in JSON
// are LocalRQA's (local_rqa/schema/document.py).
type Document struct {
	// Content is the bare text of the passage.
	Content string `json:"page_content"`
	// Formatted is the passage as a prompt or an embedder sees it. Empty means
	// that it is to be built from Metadata and Content; see Text.
	Formatted string `json:"fmt_content"`
	// Metadata is free; "source" and "title" are known. In documents that were
	// read from a file, numbers are json.Number, whichever the format.
	Metadata map[string]any `json:"metadata"`
}

// Turn is one turn of a dialogue.
type Turn struct {
	Speaker         string     `json:"speaker"`
	Message         string     `json:"message"`
	SourceDocuments []Document `json:"source_documents"`
}

// Example is one row of a training, validation or test file.
type Example struct {
	Question    string     `json:"question"`
	GoldDocs    []Document `json:"gold_docs"`     // the passages that hold the answer; may be empty
	GoldAnswer  string     `json:"gold_answer"`   // the reference answer
	History     []Turn     `json:"chat_history"`  // the turns before Question, oldest first
	HardNegDocs []Document `json:"hard_neg_docs"` // passages that look related and lack the answer
	// Unanswerable says that no document holds an answer: GoldAnswer says so.
	Unanswerable bool `json:"unanswerable,omitempty"`
	Line         int  `json:"-"` // of the file that it was read from, from 1; 0 for none
}

// Passages are those that the question is answered from: the gold ones or, where it is
// unanswerable, those that look related.
func (x Example) Passages() []Document {
	if x.Unanswerable && len(x.GoldDocs) == 0 {
		return x.HardNegDocs
	}
	return x.GoldDocs
}

// Text is the passage as prompts and embedders see it: Formatted or, where
// that is empty, the metadata's source and title, each where present, and the
// content:
//
//	Source: …
//	Title: …
//	Content:
//	…
//
// without white space at either end.
func (d Document) Text() string {
	if d.Formatted != "" {
		return d.Formatted
	}
	var b strings.Builder
	if s, ok := metadataText(d.Metadata["source"]); ok {
		b.WriteString("Source: " + s + "\n")
	}
	if s, ok := metadataText(d.Metadata["title"]); ok {
		b.WriteString("Title: " + s + "\n")
	}
	b.WriteString("Content:\n")
	b.WriteString(d.Content)
	return strings.TrimFunc(b.String(), isSpace)
}

// Title is what people call the passage: its title, its source, or how it begins.
func (d Document) Title() string {
	for _, key := range []string{"title", "source"} {
		if name, ok := d.Metadata[key].(string); ok && name != "" {
			return name
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(d.Content), "\n")
	if runes := []rune(first); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return first
}

// Key identifies the passage by its source and content, which is when the
// original calls two passages the same: 32 hexadecimal digits of a SHA-256.
// Equal passages of two sources have different keys.
func (d Document) Key() string {
	source, _ := metadataText(d.Metadata["source"])
	h := sha256.New()
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], uint64(len(source)))
	h.Write(n[:])
	h.Write([]byte(source))
	h.Write([]byte(d.Content))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// metadataText writes one metadata value as text; false where there is none.
func metadataText(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case map[string]any, []any:
		b, err := json.Marshal(v) // keys sorted, so that Key is stable
		if err != nil {
			return fmt.Sprint(v), true
		}
		return string(b), true
	default:
		return fmt.Sprint(v), true
	}
}

// isSpace is what Python's str.isspace takes for white space: Unicode's and
// the four information separators.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f
}

// Shared is a question that stands in two splits.
type Shared struct {
	A, B       int    // row indices, from 0, of the first such row in each split
	Question   string // as split a has it
	SameAnswer bool   // the gold answer is the same too: the whole row leaks
}

// Overlap finds the questions of b that stand in a as well, in b's order. Case
// and white space do not count, and each question is named once.
func Overlap(a, b []Example) []Shared {
	seen := make(map[string]int, len(a))
	for i, ex := range a {
		k := fold(ex.Question)
		if _, ok := seen[k]; !ok {
			seen[k] = i
		}
	}
	var shared []Shared
	for j, ex := range b {
		k := fold(ex.Question)
		i, ok := seen[k]
		if !ok {
			continue
		}
		delete(seen, k)
		shared = append(shared, Shared{
			A: i, B: j,
			Question:   a[i].Question,
			SameAnswer: fold(a[i].GoldAnswer) == fold(ex.GoldAnswer),
		})
	}
	return shared
}

func fold(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), isSpace), " ")
}
