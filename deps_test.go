// Package gorqa_test holds the tests of the module as a whole: which package
// may import which, and where a panic may be recovered.
package gorqa_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The rooms of the project. A path that ends in /... stands for a tree.
var (
	// textSide works on words and token ids: no engine.
	textSide = []string{
		"gorqa/batch", "gorqa/config", "gorqa/evaluate", "gorqa/fetch", "gorqa/godoc", "gorqa/hub", "gorqa/internal/endpoint", "gorqa/internal/jinja", "gorqa/internal/lock", "gorqa/internal/modelfile", "gorqa/internal/pickle", "gorqa/internal/redact", "gorqa/internal/schedule", "gorqa/internal/whole", "gorqa/judge",
		"gorqa/prompt", "gorqa/recipe", "gorqa/report", "gorqa/retrieve", "gorqa/rqa", "gorqa/tokenizer", "gorqa/weights",
	}
	// tensorSide works on tensors, in layers: a package may import those of
	// the layers before its own.
	tensorSide = [][]string{
		{"gorqa/engine/cpu", "gorqa/engine/hostalloc"},
		{"gorqa/engine/xla"},
		{"gorqa/nn"},
		{"gorqa/tape"},
		{"gorqa/arch/bert", "gorqa/arch/llama", "gorqa/arch/t5"},
		{"gorqa/embed", "gorqa/generate", "gorqa/train"},
	}
	programs  = []string{"gorqa/cmd/gorqa", "gorqa/bench/peer"}
	forTests  = []string{"gorqa/internal/enginetest", "gorqa/internal/golden"}
	engine    = []string{"github.com/gomlx/gomlx/...", "github.com/gomlx/compute/...", "github.com/gomlx/go-xla/..."}
	everybody = []string{"gorqa/..."}
)

// rule forbids imports.
type rule struct {
	name  string
	of    []string // whose imports
	ban   []string // what they must not import
	but   []string // exceptions from ban
	not   []string // exceptions from of
	deep  bool     // also through other packages, and in tests
	why   string
	where string // what to do instead
}

func rules() []rule {
	list := []rule{
		{
			name: "text side without engine", of: textSide, ban: engine, deep: true,
			why: "its tests need no plugin and run in milliseconds", where: "hand over host slices, as package batch does",
		},
		{
			name: "tensor side without text", of: slices.Concat(tensorSide...), ban: textSide, but: []string{"gorqa/batch", "gorqa/weights", "gorqa/internal/modelfile", "gorqa/internal/schedule", "gorqa/internal/whole"},
			why: "what passes between the sides is one plain struct of host slices, so each can be checked alone", where: "take a batch",
		},
		{
			name: "weights only where they are loaded and saved", of: slices.Concat(tensorSide...), ban: []string{"gorqa/weights"}, not: []string{"gorqa/train"},
			why: "an architecture names its weights and does not know the files they stand in", where: "let app or train read them",
		},
		{
			name: "weights without the rest", of: []string{"gorqa/weights"}, ban: everybody, but: []string{"gorqa/tokenizer", "gorqa/internal/modelfile", "gorqa/internal/whole"},
			why: "model files are read and written without an engine; only a GGUF file's vocabulary needs the tokenizer", where: "give it bytes and names",
		},
		{
			name: "training without evaluation", of: []string{"gorqa/train"}, ban: []string{"gorqa/evaluate", "gorqa/generate"},
			why: "the loop is the same whatever is measured", where: "let app hand it a hook",
		},
		{
			name: "settings stay outside", of: everybody, not: append([]string{"gorqa/internal/app"}, programs...), ban: []string{"gorqa/config"},
			why: "a package's own options say what it needs; with the run's settings it could not be used without the command line", where: "take a plain struct of options",
		},
		{
			name: "app is the top", of: everybody, not: programs, ban: []string{"gorqa/internal/app"},
			why: "app wires the rooms together; a room that knew it would know all the others", where: "move what is shared into a room",
		},
		{
			name: "one door to the engine", of: everybody, not: []string{"gorqa/engine/xla"}, ban: []string{"github.com/gomlx/go-xla/..."},
			why: "loading the plugin has global effects in a fixed order", where: "take an *xla.Engine",
		},
		{
			name: "what tests share stays in tests", of: everybody, not: forTests, ban: forTests,
			why: "they fetch and fail as tests may", where: "import it in _test.go files only",
		},
	}
	// Lower layers of the tensor side do not know higher ones, nor their neighbours.
	for i, layer := range tensorSide {
		list = append(list, rule{
			name: "layers of " + layer[0], of: layer, ban: slices.Concat(tensorSide[i:]...),
			why: "engine, graph functions, tape, architectures, their users: each is built and checked before the next", where: "move what is shared a layer down",
		})
	}
	// The text side's packages know few of each other. All may write files whole.
	for of, but := range map[string][]string{
		"gorqa/rqa": {"gorqa/internal/pickle"}, "gorqa/internal/pickle": nil, "gorqa/tokenizer": {"gorqa/internal/modelfile"}, "gorqa/internal/modelfile": nil, "gorqa/batch": nil, "gorqa/internal/jinja": nil, "gorqa/internal/lock": nil, "gorqa/internal/redact": nil, "gorqa/internal/whole": nil,
		"gorqa/report": {"gorqa/internal/redact"}, "gorqa/config": {"gorqa/internal/redact", "gorqa/internal/schedule"}, "gorqa/internal/schedule": nil, "gorqa/internal/endpoint": {"gorqa/internal/redact"},
		"gorqa/prompt": {"gorqa/rqa", "gorqa/internal/jinja"}, "gorqa/retrieve": {"gorqa/rqa", "gorqa/internal/endpoint", "gorqa/internal/modelfile"}, "gorqa/godoc": {"gorqa/rqa"},
		"gorqa/recipe":   {"gorqa/rqa", "gorqa/prompt", "gorqa/retrieve", "gorqa/tokenizer", "gorqa/batch"},
		"gorqa/evaluate": {"gorqa/rqa", "gorqa/retrieve"},
		"gorqa/judge":    {"gorqa/rqa", "gorqa/evaluate", "gorqa/internal/endpoint"},
		"gorqa/fetch":    {"gorqa/internal/lock", "gorqa/internal/redact"}, "gorqa/hub": {"gorqa/internal/lock", "gorqa/internal/redact"},
	} {
		list = append(list, rule{
			name: "neighbours of " + of, of: []string{of}, ban: everybody, but: append(but, "gorqa/internal/whole"),
			why: "rows come before prompts and retrieval, these before recipes and evaluation, and the rest stands alone", where: "let app bring them together",
		})
	}
	return list
}

func TestImports(t *testing.T) {
	packages := packages(t)
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, path := range slices.Sorted(maps.Keys(packages)) {
				if !in(path, r.of) || in(path, r.not) {
					continue
				}
				imports := slices.Clone(packages[path].Imports)
				if r.deep {
					imports = slices.Concat(packages[path].Deps, packages[path+".test"].Deps)
				}
				slices.Sort(imports)
				for _, i := range slices.Compact(imports) {
					if i != path && in(i, r.ban) && !in(i, r.but) {
						t.Errorf("%s imports %s; must not: %s; %s", path, i, r.why, r.where)
					}
				}
			}
		})
	}
}

// Every package has its room: a new one is put into the lists above, so that
// the rules hold for it too.
func TestEveryPackageHasARoom(t *testing.T) {
	rooms := slices.Concat(textSide, slices.Concat(tensorSide...), programs, forTests, []string{"gorqa", "gorqa/internal/app"})
	var found []string
	for path := range packages(t) {
		if !strings.HasSuffix(path, ".test") {
			found = append(found, path)
		}
		for _, vague := range []string{"util", "utils", "common", "helper", "helpers", "misc"} {
			if strings.HasSuffix(path, "/"+vague) {
				t.Errorf("package %s: a package is named for what it does", path)
			}
		}
	}
	slices.Sort(rooms)
	slices.Sort(found)
	if diff := cmp.Diff(rooms, found); diff != "" {
		t.Errorf("rooms in deps_test.go (-) and packages (+):\n%s", diff)
	}
}

// A panic is our bug and ends the program with its stack, except where a
// library's panic stands for an error.
func TestRecoverOnlyWhere(t *testing.T) {
	allowed := map[string]string{
		"engine/xla": "graph functions report by panic: the one border where that becomes an error",
	}
	found := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || path == "runs") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		room := filepath.ToSlash(filepath.Dir(path))
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "recover" {
				found[room] = true
				if allowed[room] == "" {
					t.Errorf("%s: a recover; only these packages have one, each for its reason: %v", files.Position(call.Pos()), allowed)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room := range allowed {
		if !found[room] {
			t.Errorf("%s has no recover any more; take it off the list", room)
		}
	}
}

// listed is what the go command tells of a package.
type listed struct {
	ImportPath    string
	Imports, Deps []string
}

// packages are all of the module and every test program, PATH.test.
func packages(t *testing.T) map[string]listed {
	t.Helper()
	p, err := list()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// list asks the go command, once.
var list = sync.OnceValues(func() (map[string]listed, error) {
	out, err := exec.Command("go", "list", "-test", "-json=ImportPath,Imports,Deps", "./...").Output()
	if err != nil {
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			err = fmt.Errorf("go list: %w\n%s", err, exit.Stderr)
		}
		return nil, err
	}
	all := map[string]listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if !strings.Contains(p.ImportPath, " ") { // the others are variants for one test
			all[p.ImportPath] = p
		}
	}
})

// in says whether one of the patterns stands for the path.
func in(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		tree, whole := strings.CutSuffix(p, "/...")
		return path == tree || whole && strings.HasPrefix(path, tree+"/")
	})
}
