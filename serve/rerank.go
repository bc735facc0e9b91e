package serve

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
)

// passage is a document to rank: a text, or an object with one.
type passage string

func (p *passage) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*p = passage(text)
		return nil
	}
	var object struct {
		Text *string `json:"text"`
	}
	if json.Unmarshal(data, &object) != nil || object.Text == nil {
		return badRequest("documents", "documents: %.60s found; texts, or objects with a text, expected", data)
	}
	*p = passage(*object.Text)
	return nil
}

// rerank is POST /v1/rerank, with the fields that Jina and Cohere have: passages by how
// well they answer the query, best first, with the reranker's own scores.
func (s *Server) rerank(w http.ResponseWriter, r *http.Request) error {
	var c struct {
		Model           string    `json:"model"`
		Query           string    `json:"query"`
		Documents       []passage `json:"documents"`
		TopN            *int      `json:"top_n"`
		ReturnDocuments bool      `json:"return_documents"`
	}
	if err := read(r, &c); err != nil {
		return err
	}
	switch {
	case s.o.Rerank == nil:
		return &apiError{http.StatusNotFound, "invalid_request_error", "model", "model_not_found", "no reranker is served; start the server with --reranker"}
	case c.Model != "" && c.Model != s.o.RerankerName:
		return s.unknown(c.Model, s.o.RerankerName)
	case c.Query == "":
		return badRequest("query", "query: missing; a question expected")
	case len(c.Documents) == 0 || len(c.Documents) > maxTexts:
		return badRequest("documents", "documents: %d found; 1 to %d expected", len(c.Documents), maxTexts)
	case c.TopN != nil && *c.TopN < 1:
		return badRequest("top_n", "top_n: %d found; 1 or more expected", *c.TopN)
	}
	texts := make([]string, len(c.Documents))
	for i, d := range c.Documents {
		texts[i] = string(d)
	}
	j := newJob(r.Context().Done(), client(r))
	scores, tokens := make([]float32, 0, len(texts)), 0
	j.do = func(ctx context.Context) (more bool, err error) {
		some, n, err := s.o.Rerank(ctx, c.Query, texts[len(scores):min(len(scores)+portion, len(texts))])
		scores, tokens = append(scores, some...), tokens+n
		return len(scores) < len(texts), err
	}
	if err := s.enqueue(j); err != nil {
		return err
	}
	if _, err := j.wait(r.Context()); err != nil {
		return err
	}
	places := ranked(scores)
	if c.TopN != nil {
		places = places[:min(*c.TopN, len(places))]
	}
	results := make([]map[string]any, len(places))
	for i, at := range places {
		results[i] = map[string]any{"index": at, "relevance_score": scores[at]}
		if c.ReturnDocuments {
			results[i]["document"] = map[string]string{"text": texts[at]}
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id": "rerank-" + rand.Text(), "object": "list", "model": s.o.RerankerName, "results": results,
		"usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens},
	})
	return nil
}

// ranked are the places of scores, the best first.
func ranked(scores []float32) []int {
	places := make([]int, len(scores))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return places
}
