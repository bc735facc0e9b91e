package serve

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
)

// maxTexts is how many texts a request of embeddings may have, as OpenAI's; portion is
// how many of them are embedded between two steps of the answers under way.
const (
	maxTexts = 2048
	portion  = 64
)

// embed is POST /v1/embeddings. Texts are embedded as passages, with "input_type":
// "query" as questions, where the model has a prompt of its own for these.
func (s *Server) embed(w http.ResponseWriter, r *http.Request) error {
	var c struct {
		Model      string          `json:"model"`
		Input      json.RawMessage `json:"input"`
		Format     string          `json:"encoding_format"`
		Dimensions *int            `json:"dimensions"`
		InputType  string          `json:"input_type"`
	}
	if err := read(r, &c); err != nil {
		return err
	}
	switch {
	case s.o.Embed == nil:
		return &apiError{http.StatusNotFound, "invalid_request_error", "model", "model_not_found", "no embedding model is served; start the server with --eval_embedding_model"}
	case c.Model != "" && c.Model != s.o.EmbedderName:
		return s.unknown(c.Model, s.o.EmbedderName)
	case c.Dimensions != nil:
		return unsupported("dimensions", fmt.Sprint(*c.Dimensions), "none")
	case c.Format != "" && c.Format != "float" && c.Format != "base64":
		return badRequest("encoding_format", "encoding_format: %q found; float or base64 expected", c.Format)
	case c.InputType != "" && c.InputType != "query" && c.InputType != "document":
		return badRequest("input_type", "input_type: %q found; query or document expected", c.InputType)
	}
	var texts []string
	var one string
	if json.Unmarshal(c.Input, &one) == nil {
		texts = []string{one}
	} else if json.Unmarshal(c.Input, &texts) != nil {
		return badRequest("input", "input: a text or a list of texts expected")
	}
	if len(texts) == 0 || len(texts) > maxTexts {
		return badRequest("input", "input: %d texts found; 1 to %d expected", len(texts), maxTexts)
	}
	j := newJob(r.Context().Done(), client(r))
	vectors, tokens := make([][]float32, 0, len(texts)), 0
	j.do = func(ctx context.Context) (more bool, err error) {
		next := texts[len(vectors):min(len(vectors)+portion, len(texts))]
		some, n, err := s.o.Embed(ctx, next, c.InputType == "query")
		vectors, tokens = append(vectors, some...), tokens+n
		return len(vectors) < len(texts), err
	}
	if err := s.enqueue(j); err != nil {
		return err
	}
	if _, err := j.wait(r.Context()); err != nil {
		return err
	}
	data := make([]map[string]any, len(vectors))
	for i, v := range vectors {
		data[i] = map[string]any{"object": "embedding", "index": i, "embedding": v}
		if c.Format == "base64" {
			data[i]["embedding"] = packed(v)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "model": s.o.EmbedderName, "data": data, "usage": map[string]int{"prompt_tokens": tokens, "total_tokens": tokens}})
	return nil
}

// packed are the values as little-endian f32 in base64, which OpenAI's Python client asks for.
func packed(v []float32) string {
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(raw)
}
