package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/files/modelfile"

	"gopkg.in/yaml.v3"
)

// maxFile bounds a settings file: no run has a megabyte of settings.
const maxFile = 1 << 20

// readFile reads a settings file as assignments: one mapping from names to a
// value or a list of values, or to sections that are such mappings. A null leaves
// the default.
func readFile(path string) ([]assignment, error) {
	data, err := modelfile.Read(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("config: %w; a YAML or JSON file of settings expected", err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if strings.EqualFold(filepath.Ext(path), ".json") {
		return readJSON(path, data)
	}
	return readYAML(path, data)
}

// isSection tells whether a mapping of this name holds settings: the scripts of
// LocalRQA, as others of transformers, write theirs by the classes that declare
// them (model_args, data_args, training_args, …).
func isSection(name string) bool {
	return strings.HasSuffix(name, "_args") && refused[name] == "" && ignored[name] == ""
}

// reader collects what a settings file gives.
type reader struct {
	path     string
	given    []assignment
	problems []error
}

func (r *reader) problem(line int, name, what string) {
	r.problems = append(r.problems, fmt.Errorf("%s:%d: %s: %s", r.path, line, name, what))
}

// name notes where a name stands in its mapping, once.
func (r *reader) name(seen map[string]int, name string, line int) {
	if before, twice := seen[name]; twice {
		r.problem(line, name, fmt.Sprintf("found a second time; once expected (first in line %d)", before))
	}
	seen[name] = line
}

// give adds an assignment. Sections may say the same twice.
func (r *reader) give(a assignment) {
	for _, b := range r.given {
		if a.name != b.name || a.section == b.section {
			continue
		}
		if !slices.Equal(a.values, b.values) {
			r.problems = append(r.problems, fmt.Errorf("%s%s: %s found, and %s before (%s); the same expected, or one of them taken out",
				a.where, a.name, strings.Join(a.values, " "), strings.Join(b.values, " "), strings.TrimSuffix(b.where, ": ")))
		}
		return
	}
	r.given = append(r.given, a)
}

func readYAML(path string, data []byte) ([]assignment, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%w, of the form name: value", modelfile.YAMLError(path, err))
	}
	if doc.Kind == 0 {
		return nil, nil
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: %s found; lines of the form name: value expected", path, root.Line, nodeName(root))
	}
	r := reader{path: path}
	r.mapping(root, "")
	return r.given, errors.Join(r.problems...)
}

// mapping takes the settings of a mapping, which is the file's or a section's.
func (r *reader) mapping(node *yaml.Node, section string) {
	seen := map[string]int{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		r.name(seen, key.Value, key.Line)
		a := assignment{where: fmt.Sprintf("%s:%d: ", r.path, key.Line), name: key.Value, section: section, values: []string{}}
		switch {
		case value.Kind == yaml.MappingNode && section == "" && isSection(key.Value):
			r.mapping(value, key.Value)
		case value.Kind == yaml.MappingNode:
			var object map[string]any
			err := value.Decode(&object)
			text, jsonErr := marshal(object)
			if err = errors.Join(err, jsonErr); err != nil {
				r.problem(value.Line, key.Value, fmt.Sprintf("%v; a mapping from names to values expected", err))
				continue
			}
			a.values, a.nested = []string{string(text)}, true
			r.give(a)
		default:
			r.scalars(a, value)
		}
	}
}

// scalars takes a value or a list of values.
func (r *reader) scalars(a assignment, node *yaml.Node) {
	nodes := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		nodes = node.Content
	}
	null := false
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode {
			r.problem(n.Line, a.name, nodeName(n)+" found; a value or a list of values expected")
			return
		}
		null = null || n.Tag == "!!null"
		a.values = append(a.values, n.Value)
	}
	if !null {
		r.give(a)
	}
}

func nodeName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	return fmt.Sprintf("%q", n.Value)
}

// readJSON goes token by token, for the line of each name.
func readJSON(path string, data []byte) ([]assignment, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	line := func() int { return 1 + bytes.Count(data[:dec.InputOffset()], []byte("\n")) }
	broken := func(err error) error {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%s:%d: the file ends here; more JSON expected", path, line())
		}
		at := line()
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && syntax.Offset <= int64(len(data)) {
			at = 1 + bytes.Count(data[:syntax.Offset], []byte("\n"))
		}
		return fmt.Errorf("%s:%d: %v; JSON expected", path, at, err)
	}
	first, err := dec.Token()
	if err != nil {
		return nil, broken(err)
	}
	if first != json.Delim('{') {
		return nil, fmt.Errorf("%s:%d: %v found; {\"name\": value, ...} expected", path, line(), first)
	}
	r := reader{path: path}
	if err := r.object(dec, data, ""); err != nil {
		return nil, broken(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		r.problems = append(r.problems, fmt.Errorf("%s:%d: more found after the closing }; nothing expected", path, line()))
	}
	return r.given, errors.Join(r.problems...)
}

// object takes the settings of an object whose { was read, up to its }.
func (r *reader) object(dec *json.Decoder, data []byte, section string) error {
	seen := map[string]int{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		at := 1 + bytes.Count(data[:dec.InputOffset()], []byte("\n"))
		r.name(seen, name, at)
		if rest := bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n:"); section == "" && isSection(name) && bytes.HasPrefix(rest, []byte("{")) {
			if _, err := dec.Token(); err != nil {
				return err
			}
			if err := r.object(dec, data, name); err != nil {
				return err
			}
			continue
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return err
		}
		a, null, err := jsonAssignment(fmt.Sprintf("%s:%d: ", r.path, at), name, value)
		a.section = section
		switch {
		case err != nil:
			r.problems = append(r.problems, err)
		case !null:
			r.give(a)
		}
	}
	_, err := dec.Token()
	return err
}

// jsonAssignment is what a name is given; null for nothing.
func jsonAssignment(where, name string, value any) (a assignment, null bool, err error) {
	a = assignment{where: where, name: name, values: []string{}}
	if object, ok := value.(map[string]any); ok {
		text, err := marshal(object)
		a.values, a.nested = []string{string(text)}, true
		return a, false, err
	}
	parts := []any{value}
	if many, ok := value.([]any); ok {
		parts = many
	}
	for _, part := range parts {
		switch part := part.(type) {
		case nil:
			null = true
		case map[string]any, []any:
			err = errors.Join(err, fmt.Errorf("%s%s: a nested object or list found; a value or a list of values expected", where, name))
		default:
			a.values = append(a.values, fmt.Sprint(part))
		}
	}
	return a, null, err
}
