package modelfile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// What yaml.v3 says of values of the wrong type, of fields that a type has not, and of
// the place of either.
var (
	yamlLine   = regexp.MustCompile(`^line (\d+): (.*)$`)
	yamlType   = regexp.MustCompile("^cannot unmarshal !!(\\w+) (?:`(.*)` )?into (.*)$")
	yamlField  = regexp.MustCompile(`^field (.*) not found in type `)
	yamlString = map[string]string{"seq": "a list", "map": "a mapping"}
)

// YAMLError words what yaml.v3 says of a file as JSON words it of JSON: with the line,
// and without the names of Go's types.
func YAMLError(name string, err error) error {
	said := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if typed, ok := errors.AsType[*yaml.TypeError](err); ok {
		said = typed.Errors
	}
	var all []error
	for _, text := range said {
		line := "1"
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			line, text = m[1], m[2]
		}
		if m := yamlType.FindStringSubmatch(text); m != nil {
			found, ok := yamlString[m[1]]
			if !ok {
				found = fmt.Sprintf("%q", m[2])
			}
			text = fmt.Sprintf("%s found; %s expected", found, yamlWanted(m[3]))
		} else if m := yamlField.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("%q found; no such name is known", m[1])
		} else {
			text += "; YAML expected"
		}
		all = append(all, fmt.Errorf("%s:%s: %s", name, line, text))
	}
	return errors.Join(all...)
}

// yamlWanted is what a Go type is called in YAML.
func yamlWanted(goType string) string {
	switch {
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	case goType == "string":
		return "a text"
	case goType == "bool":
		return "true or false"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "a whole number"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	}
	return "a mapping from names to values"
}
