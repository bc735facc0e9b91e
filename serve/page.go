package serve

import (
	_ "embed"
	"net/http"

	"gorqa/files/webpage"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// page is GET /: a chat with the model.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	_ = webpage.Page{Text: pageText, Style: pageStyle, Script: pageScript}.Send(w, map[string]any{ // the client may have gone
		"Model": s.o.Name, "Documents": s.o.Retrieve != nil, "Feedback": s.o.Feedback != nil, "Key": s.o.Key != "",
		"MaxTokens": s.o.Generation.MaxNewTokens,
	})
}
