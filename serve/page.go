package serve

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// page is GET /: a chat with the model, of one file that asks for nothing else.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		writeError(w, err)
		return
	}
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src "+hash(pageStyle)+"; script-src "+hash(pageScript))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	_ = t.Execute(w, map[string]any{ // the client may have gone
		"Model": s.o.Name, "Documents": s.o.Retrieve != nil, "Feedback": s.o.Feedback != nil, "Key": s.o.Key != "",
		"Style": template.CSS(pageStyle), "Script": template.JS(pageScript),
		"MaxTokens": s.o.Generation.MaxNewTokens,
	})
}
