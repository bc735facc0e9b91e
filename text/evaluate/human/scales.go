package human

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"gopkg.in/yaml.v3"

	"gorqa/files/modelfile"
)

// Scale is what an answer is rated by: its labels, the worst first, stand for 1, 2 and
// so on.
type Scale struct {
	Name     string   `yaml:"name" json:"name"`
	Question string   `yaml:"question" json:"question"`
	Labels   []string `yaml:"labels" json:"labels"`
}

// Preference is the name of the judgement on a pair of answers.
const Preference = "Preference"

// mostLabels is how many there are keys for.
const mostLabels = 5

// DefaultScales ask whether an answer is correct, faithful to its passages and complete.
// The first has the name that it has in LocalRQA.
func DefaultScales() []Scale {
	return []Scale{
		{"Correctness", "Is what the answer says right?", []string{"wrong", "mostly wrong", "half right", "mostly right", "right"}},
		{"Faithfulness", "Does it say only what the passages say?", []string{"invented", "mostly invented", "half and half", "mostly theirs", "all theirs"}},
		{"Completeness", "Does it answer all of the question?", []string{"nothing", "little", "half", "most", "all"}},
	}
}

// ReadScales reads scales from a YAML file: a list scales of name, question and labels.
func ReadScales(path string) ([]Scale, error) {
	text, err := modelfile.Read(path, 1<<20)
	if err != nil {
		return nil, err
	}
	var file struct {
		Scales []Scale `yaml:"scales"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w; a list scales of name, question and labels expected", modelfile.YAMLError(path, err))
	}
	problems := []error{nil}
	if len(file.Scales) == 0 {
		problems = append(problems, fmt.Errorf("%s: no scales found; a list scales of name, question and labels expected", path))
	}
	for i, s := range file.Scales {
		wrong := func(found, expected string) {
			problems = append(problems, fmt.Errorf("%s: scale %d (%s): %s found; %s expected", path, i+1, s.Name, found, expected))
		}
		if s.Name == "" || s.Name == Preference {
			wrong(fmt.Sprintf("the name %q", s.Name), "a name of its own")
		}
		if slices.ContainsFunc(file.Scales[:i], func(o Scale) bool { return o.Name == s.Name }) {
			wrong("its name twice", "each once")
		}
		if n := len(s.Labels); n < 2 || n > mostLabels {
			wrong(fmt.Sprintf("%d labels", n), fmt.Sprintf("2 to %d, the worst first, for as many keys", mostLabels))
		}
	}
	return file.Scales, errors.Join(problems...)
}
