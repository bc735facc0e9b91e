package questions

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gorqa/text/dataset"
	"gorqa/text/document"
	"gorqa/text/questions/reply"
	"gorqa/text/retrieve"
)

// A statement has as many words as tell something and are an answer.
const leastStatement, mostStatement = 7, 40

// statements are the sentences of a passage that can stand alone as an answer: prose,
// whole, that begins with no word for what was said before.
func statements(d dataset.Document) (all []string) {
	headings := append(headingsOf(d), fmt.Sprint(d.Metadata["title"]))
	for paragraph := range strings.SplitSeq(d.Content, "\n\n") {
		lines := strings.Split(paragraph, "\n")
		var prose []string
		for i, line := range lines {
			if line = strings.TrimSpace(line); !slices.Contains(headings, line) && (i == len(lines)-1 || !heads(line, strings.TrimSpace(lines[i+1]))) {
				prose = append(prose, line)
			}
		}
		for _, s := range document.Sentences(strings.Join(prose, "\n")) {
			if s = reply.OneLine(s); states(s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// heads says whether a line looks like a heading of the one that follows.
func heads(line, next string) bool {
	first, _ := utf8.DecodeRuneInString(next)
	return len(strings.Fields(line)) <= mostHeading && unicode.IsUpper(first) && !strings.ContainsAny(line[max(0, len(line)-1):], ".,;:!?")
}

// mostHeading is the most words that a line is taken for a heading with.
const mostHeading = 8

// pointing begins a sentence that is not understood without the one before.
var pointing = regexp.MustCompile(`(?i)^(this|these|those|that|it|its|they|their|he|she|his|her|such|then|thus|hence|so|but|and|or|also|however|therefore|otherwise|here|there|note|see|similarly|likewise|moreover|furthermore|in this case|for example|for instance|on the other hand|as above|in other words|in contrast|conversely|instead|finally|the following|the above|the former|the latter)\b`)

// states says whether a sentence is a statement.
func states(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	if !strings.HasSuffix(s, ".") || !(unicode.IsUpper(first) || unicode.IsDigit(first) || unicode.IsLetter(first) && !unicode.IsLower(first)) || pointing.MatchString(s) {
		return false
	}
	if n := len(strings.Fields(s)); n < leastStatement || n > mostStatement {
		return false
	}
	letters, all := 0, 0
	for _, r := range s {
		all++
		if unicode.IsLetter(r) || r == ' ' {
			letters++
		}
	}
	return float64(letters) >= 0.85*float64(all)
}

// tells begins or marks a sentence that says how something is done.
var tells = regexp.MustCompile(`(?i)^(to|use|run|set|call|add|open|create|make|choose|select|install|press|click|enter|type|write|put|remove|start|stop|copy|send|you (can|may|must|should)|one (can|may|must|should)|users? (can|may|must|should)|if you (want|need))\b|\b(by \w+ing|use the|is done by|can be \w+ed (by|with|using)|must be \w+ed)\b`)

// topic is what a passage is about, in a few words.
func topic(d dataset.Document) string {
	if h := headingsOf(d); len(h) > 0 {
		return reply.OneLine(h[len(h)-1])
	}
	if title, ok := d.Metadata["title"].(string); ok && title != "" {
		return reply.OneLine(title)
	}
	words := strings.Fields(d.Content)
	return strings.Join(words[:min(4, len(words))], " ")
}

// words is how many words a text has.
func words(text string) int { return len(retrieve.Words(text)) }
