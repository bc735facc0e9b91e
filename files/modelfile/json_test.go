package modelfile

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// itself reads itself, as types do for which a key left out is not null.
type itself struct{ value float64 }

func (i *itself) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &i.value) }

func TestJSONNamesLineKeyAndValueAsTheFileHasThem(t *testing.T) {
	type Inner struct {
		Answer string  `json:"answer"`
		Rate   float32 `json:"rate"`
	}
	type layer struct {
		Sizes []int              `json:"sizes"`
		Named map[string]float64 `json:"named"`
		Pair  [2]string          `json:"pair"`
	}
	var to struct {
		Inner
		Layers []layer           `json:"layers"`
		Files  map[string]string `json:"files"`
		On     *bool             `json:"on"`
		Theta  itself            `json:"theta"`
		Most   uint8             `json:"most"`
		Time   time.Time         `json:"time"`
	}
	for _, test := range []struct{ name, why, text, want string }{
		{"text", "what stands there is quoted", `{"answer": 5}`, "1: answer: 5 found; a text expected"},
		{"line", "counted from 1", "{\n\"answer\": \"a\",\n\"rate\": \"x\"}", `3: rate: "x" found; a number expected`},
		{"list", "the keys of all that it stands in", `{"layers": [{}, {"sizes": {}}]}`, "1: layers[1].sizes: an object found; a list expected"},
		{"in a list", "by its place", `{"layers": [{"sizes": [1, 2.5]}]}`, "1: layers[0].sizes[1]: 2.5 found; a whole number expected"},
		{"in a map", "Go has no name for it", "{\"layers\": [{\"named\":\n{\"a\": 1, \"b\": \"c\"}}]}", `2: layers[0].named.b: "c" found; a number expected`},
		{"map of texts", "as an index of shards is", `{"files": {"a": "b", "c": [1]}}`, "1: files.c: a list found; a text expected"},
		{"pair", "a list of a fixed length", `{"layers": [{"pair": "ab"}]}`, `1: layers[0].pair: "ab" found; a list expected`},
		{"true or false", "no word of Go's", `{"on": 1}`, "1: on: 1 found; true or false expected"},
		{"no text", "a bool is shown as it is", `{"answer": false}`, "1: answer: false found; a text expected"},
		{"reads itself", "its own offsets are others", "{\"answer\": \"x\",\n\"theta\": \"10k\"}", `2: theta: "10k" found; a number expected`},
		{"too large", "for the type, but no type is named", `{"most": 256}`, "1: most: 256 found; a whole number nearer to 0 expected"},
		{"below 0", "as before", `{"most": -1}`, "1: most: -1 found; a whole number nearer to 0 expected"},
		{"long", "cut", `{"rate": "` + strings.Repeat("ä", 50) + `"}`, `1: rate: "` + strings.Repeat("ä", 40) + `…" found; a number expected`},
		{"whole", "no key", `[]`, "1: a list found; an object expected"},
		{"whole text", "no key", ` "x"`, `1: "x" found; an object expected`},
		{"syntax", "where it is", "{\"answer\": \"a\",\n}", "2: invalid character '}' looking for beginning of object key string; JSON expected"},
		{"two", "one value is one file", "{}\n{}", "2: more found after the closing } or ]; nothing expected"},
		{"torn", "as a kill leaves it", "{\"answer\":\n", "2: the end found; more JSON expected"},
		{"empty", "as a full disk leaves it", "", "1: the end found; more JSON expected"},
		{"time", "which reads itself, too", `{"time": "now"}`, `1: "now" found; a time such as "2006-01-02T15:04:05Z07:00" expected`},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := JSON("a.json", []byte(test.text), &to)
			if err == nil || err.Error() != "a.json:"+test.want {
				t.Errorf("%v; expected a.json:%s (%s)", err, test.want, test.why)
			}
			if err := JSON("", []byte(test.text), &to); err == nil || err.Error() != "line "+test.want {
				t.Errorf("%v; expected line %s", err, test.want)
			}
			_, part, _ := strings.Cut(test.want, ": ")
			if err := JSONPart([]byte(test.text), &to); err == nil || err.Error() != part {
				t.Errorf("%v; expected %s", err, part)
			}
		})
	}
	other := errors.New("other")
	if !errors.Is(JSONError(nil, other), other) || JSONError(nil, nil) != nil || JSON("", []byte(`{"rate": 1}`), &to) != nil {
		t.Error("another error is changed")
	}
}

func FuzzJSONErrorsHaveNoGoNames(f *testing.F) {
	for _, text := range []string{`{"a": [1, {"b": "c"}]}`, `{"a":{"x":[[]]}}`, `[`, `{"c":{"A":1}}`, `{"b":{"1":2}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var to struct {
			A []struct {
				B map[int]float64 `json:"b"`
			} `json:"a"`
			C itself
		}
		if err := JSON("", []byte(text), &to); err != nil && strings.Contains(err.Error(), "Go ") {
			t.Errorf("%q: %v", text, err)
		}
	})
}
