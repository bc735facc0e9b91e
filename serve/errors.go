package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// apiError is an error as OpenAI's API tells it.
type apiError struct {
	status  int
	kind    string // "type" of the object
	param   string // what of the request is wrong
	code    string
	message string
}

func (e *apiError) Error() string { return e.message }

// badRequest is an error of what the client sent.
func badRequest(param, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, "invalid_request_error", param, "invalid_value", fmt.Sprintf(format, args...)}
}

// unsupported refuses a parameter that would change the answer.
func unsupported(param, found, expected string) *apiError {
	return &apiError{http.StatusBadRequest, "invalid_request_error", param, "unsupported_parameter", fmt.Sprintf("%s: %s found; %s expected", param, found, expected)}
}

// body is the error's JSON.
func (e *apiError) body() map[string]any {
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return map[string]any{"error": map[string]any{"message": e.message, "type": e.kind, "param": null(e.param), "code": null(e.code)}}
}

// asAPIError is what a client is told of any error.
func asAPIError(err error) *apiError {
	var e *apiError
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &apiError{http.StatusGatewayTimeout, "server_error", "", "timeout", "the answer took longer than the server allows; ask for fewer tokens (max_tokens), or later"}
	}
	return &apiError{http.StatusInternalServerError, "server_error", "", "", err.Error()}
}

func writeError(w http.ResponseWriter, err error) {
	e := asAPIError(err)
	if e.status == http.StatusTooManyRequests || e.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, e.status, e.body())
}

func writeJSON(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content) // the client may have gone
}
