package qa

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"gorqa/files/wheel"
	"gorqa/internal/golden"

	"github.com/google/go-cmp/cmp"
)

// The vocabulary of Gemma 3's GGUF file gives llama.cpp's ids, where the model has been
// fetched: runs of spaces, tabs and new lines, byte tokens, its 6,414 special ones.
func TestGemma3Tokens(t *testing.T) {
	var g struct {
		golden.Header
		Values struct {
			Rows [][2]json.RawMessage `json:"rows"` // a text and its ids
		} `json:"values"`
	}
	golden.ReadJSON(t, "testdata/gemma3_tokens.json", &g)
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	cache, err := wheel.Cache()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "models", "gemma-3-270m.gguf")
	if _, err := os.Stat(path); err != nil {
		t.Skip("gorqa fetch model gemma-3-270m (238 MB) has not been run")
	}
	tok, err := LoadTokenizer(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range g.Values.Rows {
		var text string
		var want []int32
		if err := json.Unmarshal(row[0], &text); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(row[1], &want); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, tok.Encode(text, true)); d != "" {
			t.Errorf("%q, -llama.cpp +gorqa:\n%s", text, d)
		}
	}
}
