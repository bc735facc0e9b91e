package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"gorqa/files/modelfile"

	"gopkg.in/yaml.v3"
)

// maxFile bounds a settings file: no run has a megabyte of settings.
const maxFile = 1 << 20

// readFile reads a settings file as assignments: one mapping from names to a
// value or a list of values. A null leaves the default.
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

func readYAML(path string, data []byte) ([]assignment, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		if line, rest, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok && text != rest {
			return nil, fmt.Errorf("%s:%s: %s; YAML of the form name: value expected", path, line, rest)
		}
		return nil, fmt.Errorf("%s:1: %s; YAML of the form name: value expected", path, text)
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
	var problems []error
	var given []assignment
	seen := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		if line, twice := seen[key.Value]; twice {
			problems = append(problems, fmt.Errorf("%s:%d: %s: found a second time; once expected (first in line %d)", path, key.Line, key.Value, line))
		}
		seen[key.Value] = key.Line
		a := assignment{where: fmt.Sprintf("%s:%d: ", path, key.Line), name: key.Value, values: []string{}}
		if node.Kind == yaml.MappingNode {
			var value map[string]any
			err := node.Decode(&value)
			text, jsonErr := marshal(value)
			if err = errors.Join(err, jsonErr); err != nil {
				problems = append(problems, fmt.Errorf("%s:%d: %s: %v; a mapping from names to values expected", path, node.Line, key.Value, err))
				continue
			}
			a.values, a.nested = []string{string(text)}, true
			given = append(given, a)
			continue
		}
		nodes := []*yaml.Node{node}
		if node.Kind == yaml.SequenceNode {
			nodes = node.Content
		}
		null := false
		for _, n := range nodes {
			if n.Kind != yaml.ScalarNode {
				problems = append(problems, fmt.Errorf("%s:%d: %s: %s found; a value or a list of values expected", path, n.Line, key.Value, nodeName(n)))
				null = true
				break
			}
			null = null || n.Tag == "!!null"
			a.values = append(a.values, n.Value)
		}
		if !null {
			given = append(given, a)
		}
	}
	return given, errors.Join(problems...)
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
	var problems []error
	var given []assignment
	seen := map[string]int{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, broken(err)
		}
		name, _ := key.(string)
		at := line()
		if before, twice := seen[name]; twice {
			problems = append(problems, fmt.Errorf("%s:%d: %s: found a second time; once expected (first in line %d)", path, at, name, before))
		}
		seen[name] = at
		var value any
		if err := dec.Decode(&value); err != nil {
			return nil, broken(err)
		}
		a, null, err := jsonAssignment(fmt.Sprintf("%s:%d: ", path, at), name, value)
		problems = append(problems, err)
		if err == nil && !null {
			given = append(given, a)
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, broken(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		problems = append(problems, fmt.Errorf("%s:%d: more found after the closing }; nothing expected", path, line()))
	}
	return given, errors.Join(problems...)
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
