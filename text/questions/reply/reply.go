// Package reply reads the questions and answers in what a language model replies: JSON or
// lines, whatever stands around them. It knows neither what was asked nor of whom.
package reply

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Pair is a question and its answer as a reply has them.
type Pair struct{ Question, Answer string }

// Bounds of what is read.
const (
	maxBytes  = 64 << 10
	maxStarts = 200 // braces at which an object is looked for
	maxPairs  = 50
)

// Pairs reads the questions of a reply: JSON objects with question and answer,
// whatever stands around them (thoughts, fences, other objects, an end that is cut
// off), or else lines that begin with Question: and Answer:. An empty list is a reply
// without questions.
func Pairs(reply string) ([]Pair, error) {
	if len(reply) > maxBytes {
		return nil, fmt.Errorf("a reply of %d bytes", len(reply))
	}
	text := strings.ToValidUTF8(withoutThoughts(reply), "\ufffd")
	pairs, objects := objectPairs(text)
	if len(pairs) == 0 {
		pairs = linePairs(text)
	}
	switch {
	case len(pairs) > 0:
		return pairs, nil
	case strings.TrimSpace(text) == "":
		return nil, errors.New("an empty reply")
	case objects || emptyList.MatchString(text):
		return nil, nil
	}
	return nil, fmt.Errorf("neither JSON nor lines with a question and an answer: %.80q", strings.TrimSpace(text))
}

var emptyList = regexp.MustCompile(`^\s*(?:` + "```" + `\w*)?\s*\[\s*\]\s*(?:` + "```" + `)?\s*$`)

// withoutThoughts is a reply without what a model thinks before it speaks. Where the
// end of its thoughts is missing, nothing was said.
func withoutThoughts(text string) string {
	for _, tag := range []string{"think", "thinking", "reasoning"} {
		open, end := "<"+tag+">", "</"+tag+">"
		if at := strings.LastIndex(text, end); at >= 0 {
			return text[at+len(end):]
		}
		if strings.HasPrefix(strings.TrimSpace(text), open) {
			return ""
		}
	}
	return text
}

// objectPairs finds the JSON objects that have a question, also inside of others, and
// says whether one names a list of questions that is empty.
func objectPairs(text string) (pairs []Pair, empty bool) {
	for from, starts := 0, 0; starts < maxStarts && len(pairs) < maxPairs; starts++ {
		at := strings.IndexByte(text[from:], '{')
		if at < 0 {
			break
		}
		from += at
		var fields map[string]json.RawMessage
		d := json.NewDecoder(strings.NewReader(text[from:]))
		if d.Decode(&fields) != nil {
			from++
			continue
		}
		p, ok := pairOf(fields)
		if !ok {
			for _, raw := range fields {
				empty = empty || emptyList.Match(raw)
			}
			from++ // it may hold some
			continue
		}
		pairs = append(pairs, p)
		from += int(d.InputOffset())
	}
	return pairs, empty
}

// pairOf is an object's question and answer, by the names that models write.
func pairOf(fields map[string]json.RawMessage) (p Pair, ok bool) {
	for name, raw := range fields {
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "question", "q", "query":
			p.Question = plain(raw)
		case "answer", "a", "response":
			p.Answer = plain(raw)
		}
	}
	return p, p.Question != ""
}

// plain is a value as text: a list is its parts, one after the other.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return OneLine(s)
	}
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return OneLine(strings.Join(list, " "))
	}
	if text := strings.TrimSpace(string(raw)); len(text) > 0 && strings.IndexByte("{[\"", text[0]) < 0 && text != "null" {
		return text // a number, true or false
	}
	return ""
}

// OneLine is a text with single spaces in the place of all white space.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// labelled is a line that says what it is, with marks of Markdown and numbers as
// models put them around.
var labelled = regexp.MustCompile(`(?i)^[\s*_#>\-]*(?:\d+[.)]\s*)?[*_]*(question|answer|q|a)\s*\d*\s*[*_]*\s*[:.)][*_]*\s*(.*)$`)

// linePairs reads lines that begin with Question: and Answer:.
func linePairs(text string) (pairs []Pair) {
	var lines struct{ question, answer []string } // of the pair so far
	var into *[]string                            // that the next line goes on with
	end := func() {
		if q := OneLine(strings.Join(lines.question, " ")); q != "" {
			pairs = append(pairs, Pair{q, OneLine(strings.Join(lines.answer, " "))})
		}
		lines.question, lines.answer, into = nil, nil, nil
	}
	for line := range strings.Lines(text) {
		found := labelled.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		switch {
		case found == nil && strings.TrimSpace(line) == "":
			into = nil
		case found == nil && into != nil: // it goes on
			*into = append(*into, line)
		case found == nil:
		case strings.HasPrefix(strings.ToLower(found[1]), "q"):
			if end(); len(pairs) == maxPairs {
				return pairs
			}
			lines.question, into = []string{found[2]}, &lines.question
		case lines.answer == nil:
			lines.answer, into = []string{found[2]}, &lines.answer
		default: // a second answer
			into = nil
		}
	}
	end()
	return pairs
}

// Question reads the question that a text was continued with: its first line, up to
// the first question mark where there is one.
func Question(reply string) (string, error) {
	if len(reply) > maxBytes {
		return "", fmt.Errorf("a reply of %d bytes", len(reply))
	}
	text := strings.TrimSpace(strings.ToValidUTF8(withoutThoughts(reply), "\ufffd"))
	text, _, _ = strings.Cut(text, "\n")
	if found := labelled.FindStringSubmatch(text); found != nil {
		text = found[2]
	}
	if at := strings.IndexAny(text, "?？"); at >= 0 {
		text = text[:at] + "?"
	}
	if text = OneLine(text); text == "" || text == "?" {
		return "", errors.New("an empty reply")
	}
	if !strings.HasSuffix(text, "?") {
		return "", fmt.Errorf("no question: %.80q", text)
	}
	return text, nil
}
