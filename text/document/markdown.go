package document

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	goldhtml "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"gopkg.in/yaml.v3"
)

// tooDeep is nesting that the reader of HTML would refuse, after Markdown's has taken
// quadratic time for it.
var tooDeep = regexp.MustCompile(`(?m)^(?:[ \t]{512,}(?:[-*+]|\d+[.)])[ \t]|(?:>[ \t]?){200})`)

// readMarkdown reads GitHub's Markdown, with HTML in it and front matter before it.
func readMarkdown(source string, data []byte) (File, error) {
	plain, err := decode(source, data)
	if err != nil {
		return File{}, err
	}
	f := File{Source: source}
	f.Title, plain = frontMatter(plain)
	if tooDeep.MatchString(plain) {
		return File{}, problem(source, "lists or quotes nested too deeply", "at most 200 levels", "correct the file")
	}
	md := goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote, extension.DefinitionList), goldmark.WithRendererOptions(goldhtml.WithUnsafe()))
	var page bytes.Buffer
	if err := md.Convert([]byte(plain), &page); err != nil {
		return File{}, problem(source, fmt.Sprintf("Markdown that cannot be read: %v", err), "Markdown", "correct the file")
	}
	doc, err := html.Parse(&page)
	if err != nil {
		return File{}, problem(source, fmt.Sprintf("Markdown that makes HTML which cannot be read: %v", err), "lists and quotes nested less deeply", "correct the file")
	}
	var w htmlWriter
	w.walk(find(doc, atom.Body))
	w.flush()
	f.Blocks = w.blocks
	return f, nil
}

// frontMatter takes the title out of the YAML between two lines of --- at the
// beginning, which site generators read, and drops the rest of it.
func frontMatter(text string) (title, rest string) {
	body, ok := strings.CutPrefix(text, "---\n")
	if !ok {
		return "", text
	}
	head, rest, ok := strings.Cut(body, "\n---\n")
	var fields struct {
		Title any `yaml:"title"`
	}
	if !ok || yaml.Unmarshal([]byte(head), &fields) != nil {
		return "", text
	}
	if fields.Title != nil {
		title = strings.TrimSpace(fmt.Sprint(fields.Title))
	}
	return title, rest
}
