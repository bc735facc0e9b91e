package gorqa_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// make parity makes every golden that a script of parity makes.
func TestMakeAllIsAll(t *testing.T) {
	all, err := os.ReadFile("parity/make_all.sh")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("parity/make_*.py")
	if err != nil || len(scripts) == 0 {
		t.Fatal(scripts, err)
	}
	for _, script := range scripts {
		if !strings.Contains(string(all), " "+script) {
			t.Errorf("%s is not called by parity/make_all.sh", script)
		}
	}
}
