package gorqa_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// A context says how long a call may take, so it comes with the call: one that a struct
// keeps outlives it, and nobody sees at the call what can end it.
func TestNoContextInAStruct(t *testing.T) {
	sources(t, func(path string, files *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, f := range s.Fields.List {
				if x, ok := f.Type.(*ast.SelectorExpr); ok && x.Sel.Name == "Context" {
					if of, ok := x.X.(*ast.Ident); ok && of.Name == "context" {
						t.Errorf("%s: a context in a struct; pass it to the methods that wait", files.Position(f.Pos()))
					}
				}
			}
			return true
		})
	})
}

// A function that does not fit a page has parts with names of their own.
func TestFunctionsFitAPage(t *testing.T) {
	const most = 60 // lines, from func to the closing brace
	sources(t, func(path string, files *token.FileSet, file *ast.File) {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1; n > most {
				t.Errorf("%s: %s has %d lines; at most %d expected; give its parts names", files.Position(f.Pos()), f.Name.Name, n, most)
			}
		}
	})
}

// sources reads the module's Go files but tests.
func sources(t *testing.T, look func(path string, files *token.FileSet, file *ast.File)) {
	t.Helper()
	parsed(t, func(path string, files *token.FileSet, file *ast.File) {
		if !strings.HasSuffix(path, "_test.go") {
			look(path, files, file)
		}
	})
}

// parsed reads the module's Go files.
func parsed(t *testing.T, look func(path string, files *token.FileSet, file *ast.File)) {
	t.Helper()
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
		if err == nil {
			look(filepath.ToSlash(path), files, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
