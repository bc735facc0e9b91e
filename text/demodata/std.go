package demodata

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/text/dataset"
)

// maxContent is how many bytes a passage's content may have: about 110 tokens
// of declaration and prose.
const maxContent = 400

// entry is one passage with what questions are made from.
type entry struct {
	path       string // import path
	symbol     string // "" for the package, "Cut", "Builder.Grow"
	name       string // as Go code writes it: strings.Cut, strings.Builder.Grow
	decl       string // one line
	results    string // what a function returns, as declared
	params     string // what a function takes, as declared
	sentence   string // the first sentence of the doc comment
	deprecated string // the first sentence after "Deprecated: "
	since      string // "Go 1.18", "" for Go 1 and where unknown
	isType     bool
	content    string
}

func (e *entry) isFunc() bool { return e.symbol != "" && !e.isType }

// document is the passage that an entry makes.
func (e *entry) document() dataset.Document {
	source := "pkg.go.dev/" + e.path
	title := "package " + e.path
	if e.symbol != "" {
		source += "#" + e.symbol
		title = e.name
	}
	d := dataset.Document{
		Content:  e.content,
		Metadata: map[string]any{"source": source, "title": title},
	}
	d.Formatted = d.Text()
	return d
}

// readStd returns every usable passage of the standard library, by package
// and name.
func readStd(ctx context.Context, goroot string) ([]*entry, error) {
	src := filepath.Join(goroot, "src")
	if info, err := os.Stat(filepath.Join(src, "fmt")); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s: found no source of the standard library; expected the folder src/fmt in it; set GOROOT to a Go installation with its source (your system may keep it in a package of its own, such as golang-src), or install Go from https://go.dev/dl", goroot)
	}
	versions, err := readAPI(filepath.Join(goroot, "api"))
	if err != nil {
		return nil, err
	}
	// Some systems keep the source elsewhere and link to it.
	if src, err = filepath.EvalSymlinks(src); err != nil {
		return nil, err
	}
	packages, err := readPackages(ctx, src)
	if err != nil {
		return nil, err
	}
	names := map[string]int{} // how many packages bear a name
	for _, p := range packages {
		names[p.Name]++
	}
	var entries []*entry
	for _, p := range packages {
		qualifier := p.Name
		if names[p.Name] > 1 {
			qualifier = p.ImportPath
		}
		entries = append(entries, packageEntries(p, qualifier, versions)...)
	}
	slices.SortFunc(entries, byName)
	return entries, nil
}

// skipped are folders of GOROOT/src that are no packages for users, or whose
// documentation is long lists of one system's constants.
var skipped = []string{"builtin", "cmd", "internal", "syscall", "testdata", "unsafe", "vendor"}

type stdPackage struct {
	*doc.Package
	fset *token.FileSet
}

// readPackages parses the packages of linux/amd64, whichever this machine is.
func readPackages(ctx context.Context, src string) ([]stdPackage, error) {
	target := build.Default
	target.GOOS, target.GOARCH, target.CgoEnabled = "linux", "amd64", false
	var packages []stdPackage
	err := filepath.WalkDir(src, func(dir string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !d.IsDir() || dir == src {
			return nil
		}
		if name := d.Name(); slices.Contains(skipped, name) || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(src, dir)
		if err != nil {
			return err
		}
		p, err := readPackage(target, dir, filepath.ToSlash(rel))
		if p != nil {
			packages = append(packages, *p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("%s: found no packages; expected the standard library; install Go anew", src)
	}
	return packages, nil
}

// readPackage parses a folder's files for the target; nil where they are not one
// package.
func readPackage(target build.Context, dir, importPath string) (*stdPackage, error) {
	listed, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	byPackage := map[string][]*ast.File{}
	for _, file := range listed {
		name := file.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if match, err := target.MatchFile(dir, name); err != nil || !match {
			continue // another system's file, or one that go itself cannot read
		}
		parsed, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("%w; expected the source of a Go release; install Go anew", err)
		}
		byPackage[parsed.Name.Name] = append(byPackage[parsed.Name.Name], parsed)
	}
	delete(byPackage, "main")
	if len(byPackage) != 1 {
		return nil, nil
	}
	for _, files := range byPackage {
		p, err := doc.NewFromFiles(fset, files, importPath)
		return &stdPackage{p, fset}, err
	}
	return nil, nil
}

// readAPI reads which release after Go 1 brought which symbol, keyed "path
// symbol". Not every installation has the files; without them nothing is
// known.
func readAPI(dir string) (map[string]string, error) {
	since := map[string]string{}
	for minor := 0; ; minor++ {
		name, version := "go1.txt", "" // no news
		if minor > 0 {
			name, version = fmt.Sprintf("go1.%d.txt", minor), "Go 1."+strconv.Itoa(minor)
		}
		f, _, err := modelfile.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return since, nil
		} else if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if m := apiLine.FindStringSubmatch(lines.Text()); m != nil {
				symbol := m[4]
				if m[3] != "" {
					symbol = m[3] + "." + m[4]
				}
				key := m[1] + " " + symbol
				if _, ok := since[key]; !ok {
					since[key] = version
				}
			}
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
	}
}

// apiLine is, for example, "pkg bytes, method (*Buffer) Available() int".
var apiLine = regexp.MustCompile(`^pkg ([^ ,]+)(?: \([^)]*\))?, (func|type|method) (?:\(\*?(\w+)(?:\[[^\]]*\])?\) )?(\w+)`)

// packageEntries makes the passages of one package.
func packageEntries(p stdPackage, qualifier string, since map[string]string) []*entry {
	var entries []*entry
	add := func(e *entry, text string) {
		e.path = p.ImportPath
		e.since = since[e.path+" "+e.symbol]
		if fill(e, p.Package, text) {
			entries = append(entries, e)
		}
	}
	addFunc := func(f *doc.Func, symbol string) {
		e := &entry{symbol: symbol, name: qualifier + "." + symbol}
		e.decl = oneLine(p.fset, &ast.FuncDecl{Recv: f.Decl.Recv, Name: f.Decl.Name, Type: f.Decl.Type})
		e.params, e.results = signature(e.decl)
		add(e, f.Doc)
	}
	add(&entry{name: "package " + p.ImportPath, decl: "package " + p.ImportPath}, p.Doc)
	for _, f := range p.Funcs {
		addFunc(f, f.Name)
	}
	for _, t := range p.Types {
		for _, spec := range t.Decl.Specs {
			if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.Name == t.Name {
				add(&entry{symbol: t.Name, name: qualifier + "." + t.Name, decl: typeDecl(p.fset, spec), isType: true}, t.Doc)
			}
		}
		for _, f := range t.Funcs {
			addFunc(f, f.Name)
		}
		for _, f := range t.Methods {
			if f.Level == 0 && ast.IsExported(t.Name) { // not promoted from an embedded field
				addFunc(f, t.Name+"."+f.Name)
			}
		}
	}
	return entries
}

// fill sets an entry's texts. It returns false where the documentation makes
// no passage.
func fill(e *entry, p *doc.Package, text string) bool {
	if e.decl == "" || len(e.decl) > maxContent/2 {
		return false
	}
	var paragraphs []string
	plain := &comment.Printer{TextWidth: -1}
	for _, block := range p.Parser().Parse(text).Content {
		if _, ok := block.(*comment.Paragraph); !ok {
			continue // code, lists and headings make no sentences
		}
		t := strings.Join(strings.Fields(string(plain.Text(&comment.Doc{Content: []comment.Block{block}}))), " ")
		if rest, ok := strings.CutPrefix(t, "Deprecated: "); ok {
			if e.deprecated == "" {
				e.deprecated = sentences(rest)[0]
			}
			continue
		}
		paragraphs = append(paragraphs, t)
	}
	if len(paragraphs) == 0 {
		return false
	}
	e.sentence = sentences(paragraphs[0])[0]

	lines := []string{e.decl}
	if e.symbol != "" {
		lines = []string{"package " + e.path, e.decl}
	}
	var tail string
	if e.deprecated != "" {
		tail += " Deprecated: " + e.deprecated
	}
	if e.since != "" {
		tail += " Added in " + e.since + "."
	}
	room := maxContent - len(tail)
	for _, l := range lines {
		room -= len(l) + 1
	}
	var prose []string
	for _, s := range sentences(strings.Join(paragraphs, " ")) {
		if room -= len(s) + 1; room < 0 {
			break
		}
		prose = append(prose, s)
	}
	if len(prose) == 0 {
		return false // not even the first sentence fits
	}
	e.content = strings.Join(lines, "\n") + "\n" + strings.Join(prose, " ") + tail
	return true
}

// sentences splits prose where a full stop, a question mark or an exclamation
// mark ends a word and a sentence seems to follow. There is at least one.
func sentences(text string) []string {
	var out []string
	start := 0
	for i := 0; i+2 < len(text); i++ {
		if !strings.ContainsRune(".?!", rune(text[i])) || text[i+1] != ' ' {
			continue
		}
		if next := text[i+2]; next >= 'a' && next <= 'z' {
			continue // "e.g. this"
		}
		word := text[strings.LastIndexByte(text[:i], ' ')+1 : i+1]
		initial := len(word) == 2 && word[0] >= 'A' && word[0] <= 'Z'
		if initial || word == "vs." || word == "cf." || strings.HasSuffix(word, "e.g.") || strings.HasSuffix(word, "i.e.") {
			continue
		}
		out = append(out, text[start:i+1])
		start = i + 2
	}
	return append(out, text[start:])
}

// oneLine prints a declaration, "" if it needs several lines.
func oneLine(fset *token.FileSet, node ast.Node) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, fset, node); err != nil || bytes.ContainsRune(b.Bytes(), '\n') {
		return ""
	}
	return b.String()
}

// typeDecl prints a type's declaration without the insides of structs and
// interfaces.
func typeDecl(fset *token.FileSet, spec *ast.TypeSpec) string {
	short := *spec
	short.Doc, short.Comment = nil, nil
	switch spec.Type.(type) {
	case *ast.StructType:
		short.Type = ast.NewIdent("struct")
	case *ast.InterfaceType:
		short.Type = ast.NewIdent("interface")
	}
	line := oneLine(fset, &short)
	if line == "" {
		return ""
	}
	return "type " + line
}

// signature cuts a function's declaration into what it takes and returns.
func signature(decl string) (params, results string) {
	rest := strings.TrimPrefix(decl, "func ")
	if strings.HasPrefix(rest, "(") { // the receiver
		rest = rest[closing(rest)+1:]
	}
	for rest != "" && rest[0] != '(' {
		if rest[0] == '[' { // type parameters
			rest = rest[closing(rest)+1:]
			continue
		}
		rest = rest[1:]
	}
	if rest == "" {
		return "", ""
	}
	end := closing(rest)
	return rest[:end+1], strings.TrimSpace(rest[end+1:])
}

// closing is where the bracket that s begins with closes, the last byte of s
// if it does not.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(s) - 1
}
