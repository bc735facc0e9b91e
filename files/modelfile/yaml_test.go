package modelfile

import (
	"bytes"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestYAMLErrorsNameLineAndValueAsTheFileHasThem(t *testing.T) {
	var to struct {
		Scales []struct {
			Name   string   `yaml:"name"`
			Labels []string `yaml:"labels"`
			Most   int      `yaml:"most"`
		} `yaml:"scales"`
	}
	for _, test := range []struct{ name, why, text, want string }{
		{"list", "quoted", "scales:\n- name: a\n  labels: good\n", `a.yaml:3: "good" found; a list expected`},
		{"several", "all together", "scales:\n- most: x\n  labels: {a: b}\n", "a.yaml:2: \"x\" found; a whole number expected\na.yaml:3: a mapping found; a list expected"},
		{"mapping", "no Go struct", "scales: [a]\n", `a.yaml:1: "a" found; a mapping from names to values expected`},
		{"whole", "a list", "- a\n", "a.yaml:1: a list found; a mapping from names to values expected"},
		{"unknown", "misspelt", "scales:\n- nmae: a\n", `a.yaml:2: "nmae" found; no such name is known`},
		{"syntax", "the line is kept", "a: b\nc: d: e\n", "a.yaml:2: mapping values are not allowed in this context; YAML expected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := yaml.NewDecoder(bytes.NewReader([]byte(test.text)))
			d.KnownFields(true)
			err := d.Decode(&to)
			if err == nil {
				t.Fatal("no error")
			}
			if err = YAMLError("a.yaml", err); err.Error() != test.want {
				t.Errorf("%v; expected %s (%s)", err, test.want, test.why)
			}
		})
	}
}
