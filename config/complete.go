package config

import (
	"slices"
	"strings"
)

// Completion is what may stand where a shell asks for it.
type Completion struct {
	Values  []string
	Model   bool // a model's name, too
	Files   bool // or a file
	Folders bool // or a folder
	Endings []string
}

// Complete says what may stand at typed, behind the words before it.
func Complete(s Settings, before []string, typed string) Completion {
	set := newSet(s)
	if name, value, attached := strings.Cut(typed, "="); attached && strings.HasPrefix(name, "--") {
		c := set.valuesOf(name[2:], value)
		for i, v := range c.Values {
			c.Values[i] = name + "=" + v
		}
		return c
	}
	if strings.HasPrefix(typed, "-") {
		var c Completion
		for _, name := range Names(s) {
			c.Values = append(c.Values, "--"+name)
		}
		return c
	}
	// The flag that a value stands behind: the last word, or of a list an earlier one.
	for i, word := range slices.Backward(before) {
		if !strings.HasPrefix(word, "--") {
			continue
		}
		st := set.lookup(strings.TrimPrefix(word, "--"))
		if st != nil && (i == len(before)-1 || st.kind == list) {
			return set.valuesOf(st.name, typed)
		}
		break
	}
	if p := set.positional; p != nil && strings.Contains(p.names[0], "RUN") {
		return Completion{Folders: true}
	}
	return Completion{Files: true}
}

// valuesOf is what a setting takes.
func (s *set) valuesOf(name, typed string) Completion {
	st := s.lookup(name)
	switch {
	case st == nil:
		return Completion{}
	case st.name == "config":
		return Completion{Endings: []string{"yaml", "yml", "json"}}
	case st.kind == boolean:
		return Completion{Values: []string{"true", "false"}}
	case strings.Contains(st.metavar, "|") || st.kind == list && strings.Contains(st.metavar, ","):
		return words(st, typed)
	case st.metavar == "MODEL" || st.metavar == "ADAPTER":
		return Completion{Model: st.metavar == "MODEL", Files: true}
	case st.metavar == "DIR" || st.metavar == "[DIR]":
		return Completion{Folders: true}
	case st.metavar == "FILE" || st.metavar == "PATH":
		return Completion{Files: true}
	}
	return Completion{}
}

// words are those of a metavar such as auto|chat|FILE, whose capitals stand for others;
// of a list the words behind a comma.
func words(st *setting, typed string) (c Completion) {
	head := ""
	if at := strings.LastIndex(typed, ","); st.kind == list && at >= 0 {
		head = typed[:at+1]
	}
	for _, word := range strings.FieldsFunc(st.metavar, func(r rune) bool { return r == '|' || r == ',' }) {
		if word == strings.ToUpper(word) {
			c.Files = true
		} else {
			c.Values = append(c.Values, head+word)
		}
	}
	return c
}
