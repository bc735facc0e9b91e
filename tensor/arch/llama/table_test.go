package llama

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
)

var update = flag.Bool("update", false, "write what TestParity measures, and the table of docs/models.md")

// difference is how far a model's values are from transformers', at most.
type difference struct{ Logits, Loss, Gradients float64 }

const measured = "testdata/differences.json"

// writeDifferences keeps what was measured, with -update and if all was.
func writeDifferences(t *testing.T, all map[string]difference) {
	if !*update || t.Failed() || len(all) != len(enginetest.Families()) {
		return
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(measured, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestTableOfModels holds the table of docs/models.md to the goldens and to what
// TestParity measured: go test ./tensor/arch/llama -run 'Parity|Table' -update writes both.
func TestTableOfModels(t *testing.T) {
	const page, from, to = "../../../docs/models.md", "<!-- generators: go test ./tensor/arch/llama -run 'Parity|Table' -update -->\n", "<!-- end of generators -->\n"
	var all map[string]difference
	golden.ReadJSON(t, measured, &all)
	var b strings.Builder
	b.WriteString("| family | what is special | logits | loss | gradients | versions |\n| --- | --- | --- | --- | --- | --- |\n")
	shown := map[string]bool{}
	for _, m := range enginetest.Families() {
		folder := filepath.Join("testdata", m.Name)
		files := enginetest.Files(t, folder)
		c, err := ParseConfig(files.Config())
		if err != nil {
			t.Fatal(err)
		}
		shown[c.Type] = true
		made := golden.Load(t, folder).Versions
		versions := fmt.Sprintf("transformers %s, torch %s", made["transformers"], made["python_torch"])
		family := c.Type
		if m.Wrapper != "" {
			family = fmt.Sprintf("%s of a %s", c.Type, m.Wrapper)
		}
		d, ok := all[m.Name]
		if !ok {
			t.Errorf("%s: nothing measured; write it with -update", m.Name)
		}
		fmt.Fprintf(&b, "| %s | %s | %.1g | %.1g | %.1g | %s |\n", family, m.Why, d.Logits, d.Loss, d.Gradients, versions)
	}
	for _, known := range Known() {
		if !shown[known] {
			t.Errorf("%s has no tiny model; expected one of every type", known)
		}
	}
	if extra := len(all) - len(enginetest.Families()); extra != 0 {
		t.Errorf("measured are %s; expected the tiny models", slices.Sorted(maps.Keys(all)))
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := bytes.Cut(text, []byte(from))
	now, after, ended := bytes.Cut(rest, []byte(to))
	if !found || !ended {
		t.Fatalf("%s has no table between %q and %q", page, from, to)
	}
	if *update {
		if err := os.WriteFile(page, slices.Concat(before, []byte(from), []byte(b.String()), []byte(to), after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(now), b.String()); diff != "" {
		t.Errorf("%s (-) and what was measured (+); write it with -update:\n%s", page, diff)
	}
}
