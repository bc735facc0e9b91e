// Package gorqa_test holds the tests of the module as a whole: which package
// may import which, and where a panic may be recovered.
package gorqa_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The wings of the house, from the roof down: a package imports from wings below its own
// only, and in its own as the rules say. A path that ends in /... stands for a tree.
var (
	wings = [][]string{
		{"gorqa/cmd/...", "gorqa/bench/..."},
		{"gorqa/app"},
		{"gorqa/review", "gorqa/serve"},
		{"gorqa/config", "gorqa/qa"},
		{"gorqa/text/...", "gorqa/tensor/..."},
		{"gorqa/files/...", "gorqa/batch", "gorqa/report"},
		{"gorqa/engine/..."},
	}
	// tensorSide works on tensors, in layers: a package may import those of
	// the layers before its own.
	tensorSide = [][]string{
		{"gorqa/engine/cpu", "gorqa/engine/hostalloc", "gorqa/engine/world"},
		{"gorqa/engine/xla"},
		{"gorqa/engine/nccl"},
		{"gorqa/tensor/device", "gorqa/tensor/nn"},
		{"gorqa/tensor/tape"},
		{"gorqa/tensor/arch/bert", "gorqa/tensor/arch/llama", "gorqa/tensor/arch/t5"},
		{"gorqa/tensor/embed", "gorqa/tensor/generate", "gorqa/tensor/train"},
	}
	// neighbours are what the packages of the text side and of the files know of gorqa.
	neighbours = map[string][]string{
		"gorqa/text/audit":               {"gorqa/text/convert", "gorqa/text/dataset", "gorqa/text/retrieve"},
		"gorqa/text/convert":             {"gorqa/text/dataset", "gorqa/text/retrieve", "gorqa/files/modelfile", "gorqa/files/whole"},
		"gorqa/text/dataset":             {"gorqa/files/modelfile", "gorqa/files/pickle", "gorqa/files/whole"},
		"gorqa/text/demodata":            {"gorqa/text/dataset", "gorqa/files/modelfile", "gorqa/files/whole"},
		"gorqa/text/document":            {"gorqa/text/dataset", "gorqa/files/modelfile"},
		"gorqa/text/evaluate":            {"gorqa/text/dataset", "gorqa/text/retrieve", "gorqa/files/modelfile", "gorqa/files/whole"},
		"gorqa/text/evaluate/human":      {"gorqa/text/dataset", "gorqa/text/evaluate", "gorqa/files/modelfile"},
		"gorqa/text/evaluate/judge":      {"gorqa/text/dataset", "gorqa/text/evaluate", "gorqa/files/endpoint", "gorqa/files/endpoint/chatmodel", "gorqa/files/replies"},
		"gorqa/text/jinja":               nil,
		"gorqa/text/prompt":              {"gorqa/text/dataset", "gorqa/text/jinja", "gorqa/files/modelfile"},
		"gorqa/text/questions":           {"gorqa/text/audit", "gorqa/text/dataset", "gorqa/text/document", "gorqa/text/questions/reply", "gorqa/text/retrieve", "gorqa/files/endpoint/chatmodel", "gorqa/files/replies"},
		"gorqa/text/questions/reply":     nil,
		"gorqa/text/recipe":              {"gorqa/text/dataset", "gorqa/text/prompt", "gorqa/text/retrieve", "gorqa/text/tokenizer", "gorqa/batch", "gorqa/files/modelfile", "gorqa/files/whole"},
		"gorqa/text/retrieve":            {"gorqa/text/dataset", "gorqa/files/endpoint", "gorqa/files/lock", "gorqa/files/modelfile", "gorqa/files/pickle", "gorqa/files/whole"},
		"gorqa/text/retrieve/postgres":   {"gorqa/text/dataset", "gorqa/text/retrieve", "gorqa/files/redact"},
		"gorqa/text/tokenizer":           {"gorqa/files/modelfile"},
		"gorqa/tensor/train/schedule":    nil,
		"gorqa/files/endpoint":           {"gorqa/files/redact"},
		"gorqa/files/endpoint/chatmodel": {"gorqa/files/endpoint"},
		"gorqa/files/hfhub":              {"gorqa/files/lock", "gorqa/files/modelfile", "gorqa/files/redact", "gorqa/files/resume"},
		"gorqa/files/lock":               nil,
		"gorqa/files/mlflow":             {"gorqa/files/modelfile", "gorqa/files/redact", "gorqa/files/whole"},
		"gorqa/files/modelfile":          nil,
		"gorqa/files/pickle":             nil,
		"gorqa/files/pyindex":            {"gorqa/files/modelfile", "gorqa/files/redact", "gorqa/files/resume"},
		"gorqa/files/redact":             nil,
		"gorqa/files/replies":            {"gorqa/files/modelfile"},
		"gorqa/files/resume":             {"gorqa/files/modelfile"},
		"gorqa/files/weights":            {"gorqa/files/modelfile", "gorqa/files/pickle", "gorqa/files/whole"},
		"gorqa/files/wheel":              {"gorqa/files/lock", "gorqa/files/modelfile", "gorqa/files/pyindex", "gorqa/files/redact", "gorqa/files/resume"},
		"gorqa/files/webpage":            nil,
		"gorqa/files/whole":              nil,
		"gorqa/batch":                    nil,
		"gorqa/review":                   {"gorqa/files/webpage", "gorqa/text/evaluate", "gorqa/text/evaluate/human"},
		"gorqa/report":                   {"gorqa/files/modelfile", "gorqa/files/redact", "gorqa/files/webpage", "gorqa/files/whole"},
		"gorqa/config":                   {"gorqa/files/modelfile", "gorqa/files/redact", "gorqa/files/whole", "gorqa/tensor/train/schedule", "gorqa/text/retrieve/postgres"},
	}
	programs  = []string{"gorqa/cmd/gorqa", "gorqa/bench/peer"}
	forTests  = []string{"gorqa/internal/endpointtest", "gorqa/internal/enginetest", "gorqa/internal/golden", "gorqa/internal/postgrestest", "gorqa/internal/worldtest"}
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
			name: "text side without engine", of: slices.Collect(maps.Keys(neighbours)), ban: engine, deep: true,
			why: "its tests need no plugin and run in milliseconds", where: "hand over host slices, as package batch does",
		},
		{
			name: "tensor side without text", of: []string{"gorqa/tensor/...", "gorqa/engine/..."}, ban: []string{"gorqa/text/..."},
			why: "what passes between the sides is one plain struct of host slices, so each can be checked alone", where: "take a batch",
		},
		{
			name: "weights only where they are loaded and saved", of: slices.Concat(tensorSide...), ban: []string{"gorqa/files/weights"}, not: []string{"gorqa/tensor/train"},
			why: "an architecture names its weights and does not know the files they stand in", where: "let app or train read them",
		},
		{
			name: "training without answers", of: []string{"gorqa/tensor/train"}, ban: []string{"gorqa/tensor/generate"},
			why: "the loop is the same whatever is measured", where: "let app hand it a hook",
		},
		{
			name: "only qa sees both sides", of: []string{"gorqa/app"}, ban: []string{"gorqa/tensor/..."}, but: []string{"gorqa/tensor/train"},
			why: "models, with what they are made of, are qa's; of the tensor side app has the loop alone, which it gives a run's settings, and whose checkpoints it finds again", where: "ask qa",
		},
		{
			name: "settings stay outside", of: everybody, not: append([]string{"gorqa/app"}, programs...), ban: []string{"gorqa/config"},
			why: "a package's own options say what it needs; with the run's settings it could not be used without the command line", where: "take a plain struct of options",
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
	for i, wing := range wings {
		list = append(list, rule{
			name: "wing of " + wing[0], of: wing, ban: slices.Concat(wings[:i]...),
			why: "the house is built from the cellar up: cmd, app, qa and config, text and tensor, files, engine", where: "move what is shared down, or let qa or app hand it over",
		})
	}
	for of, but := range neighbours {
		list = append(list, rule{
			name: "neighbours of " + of, of: []string{of}, ban: everybody, but: but,
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
	rooms := slices.Concat(slices.Collect(maps.Keys(neighbours)), slices.Concat(tensorSide...), programs, forTests, []string{"gorqa", "gorqa/app", "gorqa/qa", "gorqa/serve"})
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
	eachCall(t, func(path, at string, call *ast.CallExpr) {
		room := filepath.ToSlash(filepath.Dir(path))
		if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "recover" {
			found[room] = true
			if allowed[room] == "" {
				t.Errorf("%s: a recover; only these packages have one, each for its reason: %v", at, allowed)
			}
		}
	})
	for room := range allowed {
		if !found[room] {
			t.Errorf("%s has no recover any more; take it off the list", room)
		}
	}
}

// What a user or a run put somewhere may be a pipe that nobody writes to, a device,
// or what Git LFS left: files/modelfile opens it, and says so.
func TestFilesAreOpenedByModelfile(t *testing.T) {
	allowed := map[string]string{
		"app/available.go":             "what the system tells of itself, under /proc and /sys",
		"app/machine.go":               "the same",
		"app/memory.go":                "the same",
		"app/serve.go":                 "feedback, which is written; regular files only",
		"engine/xla/compiled.go":       "/proc, and regular files of the cache: the engine is below files",
		"files/mlflow/folder.go":       "a regular file, which is added to",
		"files/resume/resume.go":       "a part of a download, which is written",
		"files/lock/folder.go":         "a lock, which is not waited for",
		"files/modelfile/modelfile.go": "the door",
		"files/whole/whole.go":         "what it makes itself, and folders",
		"text/retrieve/vectors.go":     "vectors that are added to; regular files only",
		"files/wheel/unpack.go":        "a new file, which is written",
		"report/appendfile.go":         "a new file or a regular one, which is written",
		"text/evaluate/human/file.go":  "annotations, which are written; regular files only",
	}
	opens := []string{"Open", "OpenFile", "ReadFile", "DirFS", "OpenInRoot", "OpenRoot"}
	found := map[string]bool{}
	eachCall(t, func(path, at string, call *ast.CallExpr) {
		if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "internal/") || strings.HasPrefix(path, "bench/") {
			return
		}
		name, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains(opens, name.Sel.Name) {
			return
		}
		if of, ok := name.X.(*ast.Ident); ok && of.Name == "os" {
			found[path] = true
			if allowed[path] == "" {
				t.Errorf("%s: os.%s; open files by files/modelfile, or enter the file with a reason", at, name.Sel.Name)
			}
		}
	})
	for path := range allowed {
		if !found[path] {
			t.Errorf("%s opens no file any more; take it off the list", path)
		}
	}
}

// eachCall visits every call of the module's Go files, with the file's path and
// the place.
func eachCall(t *testing.T, visit func(path, at string, call *ast.CallExpr)) {
	t.Helper()
	parsed(t, func(path string, files *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				visit(filepath.ToSlash(path), files.Position(call.Pos()).String(), call)
			}
			return true
		})
	})
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
