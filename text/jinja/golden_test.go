package jinja

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// golden is what parity/make_jinja.py and parity/check_chat_templates.py write.
type golden struct {
	Now   string `json:"now"`
	Cases []struct {
		Name      string          `json:"name"`
		Source    string          `json:"source"`
		Variables json.RawMessage `json:"variables"`
		Text      *string         `json:"text"`
		Refusal   *string         `json:"refusal"` // what raise_exception said
		Error     string          `json:"error"`   // another fault
	} `json:"cases"`
}

func readGoldenFile(path string) (golden, error) {
	var g golden
	data, err := os.ReadFile(path)
	if err != nil {
		return g, err
	}
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return g, err
		}
		if data, err = io.ReadAll(z); err != nil {
			return g, err
		}
	}
	if err := json.Unmarshal(data, &g); err != nil {
		return g, err
	}
	if len(g.Cases) == 0 {
		return g, fmt.Errorf("%s: no cases", path)
	}
	return g, nil
}

// ordered reads JSON with its dictionaries in order.
func ordered(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		if i, err := t.Int64(); err == nil {
			return i, nil
		}
		return t.Float64()
	case json.Delim:
		if t == '[' {
			l := []any{}
			for d.More() {
				v, err := ordered(d)
				if err != nil {
					return nil, err
				}
				l = append(l, v)
			}
			_, err := d.Token()
			return l, err
		}
		dict := Dict{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := ordered(d)
			if err != nil {
				return nil, err
			}
			dict = append(dict, Item{fmt.Sprint(k), v})
		}
		_, err := d.Token()
		return dict, err
	}
	return t, nil
}

func variables(t *testing.T, data []byte) Dict {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := ordered(d)
	if err != nil {
		t.Fatal(err)
	}
	return v.(Dict)
}

// sharesWords says whether two messages have four words in a row in common.
func sharesWords(a, b string) bool {
	words := func(s string) []string {
		return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) })
	}
	own, others := words(a), " "+strings.Join(words(b), " ")+" "
	for i := range max(0, len(own)-3) {
		if strings.Contains(others, " "+strings.Join(own[i:i+4], " ")+" ") {
			return true
		}
	}
	return false
}

// compareWith renders what Jinja2 rendered in transformers' environment, and
// refuses what it refuses. It returns how many cases are as they should be.
func compareWith(t *testing.T, path string) {
	g, err := readGoldenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now, err := time.Parse("2006-01-02T15:04:05", g.Now)
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	wrong := map[string]bool{}
	for _, tc := range g.Cases {
		template, err := Parse(tc.Source, DefaultLimits())
		var got string
		if err == nil {
			got, err = template.Render(variables(t, tc.Variables), now)
		}
		var refusal *Refusal
		switch {
		case tc.Text != nil && err != nil:
			t.Errorf("%s: %v", tc.Name, err)
		case tc.Text != nil && got != *tc.Text:
			t.Errorf("%s (-jinja2 +gorqa):\n%s", tc.Name, cmp.Diff(*tc.Text, got))
		case tc.Refusal != nil && (!errors.As(err, &refusal) || refusal.Message != *tc.Refusal):
			t.Errorf("%s: %q, error %v; want the refusal %q", tc.Name, got, err, *tc.Refusal)
		case tc.Error != "" && err == nil:
			t.Errorf("%s: %q; want an error as jinja2's %q", tc.Name, got, tc.Error)
		case tc.Error != "" && sharesWords(err.Error(), tc.Error):
			t.Errorf("%s: the error %q is worded as jinja2's %q; want words of gorqa's", tc.Name, err, tc.Error)
		default:
			right++
			continue
		}
		name, _, _ := strings.Cut(tc.Name, "\t")
		wrong[name] = true
	}
	t.Logf("%d of %d renderings are jinja2's; templates with others: %d", right, len(g.Cases), len(wrong))
}

func TestLikeJinja2(t *testing.T) { compareWith(t, "testdata/golden.json.gz") }

// TestPublicTemplates compares with what parity/check_chat_templates.py made
// of a folder of templates, which calls it.
func TestPublicTemplates(t *testing.T) {
	path := os.Getenv("GORQA_CHAT_TEMPLATES")
	if path == "" {
		t.Skip("parity/check_chat_templates.py runs it over a folder of templates")
	}
	compareWith(t, path)
}
