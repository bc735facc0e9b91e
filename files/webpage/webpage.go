// Package webpage is what gorqa's pages share: their look, and a page as one file that
// asks for nothing else, with a content security policy that lets nothing but its own
// style and script do anything.
//
// It must not know what a page shows.
package webpage

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"net/http"
)

//go:embed style.css
var style string

//go:embed marked.js
var marked string

// Page is the parts of a page: a template of html/template, which is given Style, Script
// and Policy beside its own data, and the style and the script that are its own. The
// script finds element and marked, which pages share.
type Page struct{ Text, Style, Script string }

// hash names a text in a content security policy.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// policy lets the page's own style and script act, and whatever connect allows.
func (p Page) policy(connect string) string {
	return "default-src 'none'; " + connect + "img-src data:; base-uri 'none'; form-action 'none'; style-src " + hash(p.look()) + "; script-src " + hash(p.acts())
}

// look is the style that all pages share, and then the page's own.
func (p Page) look() string { return style + p.Style }

// acts is the script that all pages share, and then the page's own.
func (p Page) acts() string { return marked + p.Script }

func (p Page) execute(w io.Writer, data map[string]any, policy string) error {
	t, err := template.New("page").Parse(p.Text)
	if err != nil {
		return err
	}
	all := map[string]any{"Style": template.CSS(p.look()), "Script": template.JS(p.acts()), "Policy": policy}
	for name, value := range data {
		all[name] = value
	}
	return t.Execute(w, all)
}

// Write writes the page as a file, which reaches no network; its template has the policy
// in a meta element.
func (p Page) Write(w io.Writer, data map[string]any) error {
	return p.execute(w, data, p.policy(""))
}

// Send is the page as the reply of a server, which the page alone may ask, and which no
// other page may hold in a frame.
func (p Page) Send(w http.ResponseWriter, data map[string]any) error {
	policy := p.policy("connect-src 'self'; ") + "; frame-ancestors 'none'"
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Cache-Control", "no-store")
	return p.execute(w, data, policy)
}
