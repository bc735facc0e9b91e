package gorqa_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the tour of CONTRIBUTING.md anew")

// CONTRIBUTING.md's tour of the rooms is the first sentence of each package's comment:
// go test . -run Tour -update writes it.
func TestTourIsThePackageComments(t *testing.T) {
	const from, to = "<!-- tour: go test . -run Tour -update -->\n", "<!-- end of the tour -->\n"
	file, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := bytes.Cut(file, []byte(from))
	now, after, ended := bytes.Cut(rest, []byte(to))
	if !found || !ended {
		t.Fatalf("CONTRIBUTING.md has no tour between %q and %q", from, to)
	}
	want := tour(t)
	if *update {
		if err := os.WriteFile("CONTRIBUTING.md", slices.Concat(before, []byte(from), []byte(want), []byte(to), after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(now), want); diff != "" {
		t.Errorf("CONTRIBUTING.md (-) and the package comments (+); write it with go test . -run Tour -update:\n%s", diff)
	}
}

// tour is a table for each wing, from the roof down.
func tour(t *testing.T) string {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}\t{{.Name}}\t{{.Doc}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	link := regexp.MustCompile(`\[([A-Za-z0-9.]+)\]`)
	for _, wing := range append(slices.Clone(wings), []string{"gorqa/internal/..."}) {
		b.WriteString("| package | what it is for |\n| --- | --- |\n")
		for line := range strings.Lines(string(out)) {
			f := strings.Split(strings.TrimSpace(line), "\t")
			if !in(f[0], wing) {
				continue
			}
			if len(f) < 3 {
				t.Fatalf("%s has no package comment; say what it is for and what it must not know", f[0])
			}
			doc := strings.TrimPrefix(strings.TrimPrefix(f[2], "Package "+f[1]+" "), "Command ")
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.TrimPrefix(f[0], "gorqa/"), link.ReplaceAllString(doc, "$1"))
		}
		b.WriteString("\n")
	}
	return b.String()
}
