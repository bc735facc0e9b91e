package modelfile

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestJSONErrorNamesWhatTheFileNames(t *testing.T) {
	type Inner struct {
		Answer string  `json:"answer"`
		Rate   float32 `json:"rate"`
	}
	var to struct {
		Inner
		List []int `json:"list"`
		Deep struct {
			On *bool `json:"on"`
		} `json:"deep"`
	}
	for _, test := range []struct{ text, want string }{
		{`{"answer": 5}`, "answer: number found; a text expected"},
		{`{"rate": "x"}`, "rate: string found; a number expected"},
		{`{"list": {}}`, "list: object found; a list expected"},
		{`{"list": [1.5]}`, "list: number 1.5 found; a whole number expected"},
		{`{"deep": {"on": 1}}`, "deep.on: number found; true or false expected"},
		{`[]`, "the whole: array found; an object expected"},
	} {
		if err := JSONError(json.Unmarshal([]byte(test.text), &to)); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v; expected %q", test.text, err, test.want)
		}
	}
	other := errors.New("other")
	if JSONError(other) != other || JSONError(nil) != nil {
		t.Error("another error is changed")
	}
}
