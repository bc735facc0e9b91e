package serve

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A path or a method that is not served is told as any error is, so that a client can read it.
func TestWhatIsNotServedIsAnAPIError(t *testing.T) {
	handler := New(Options{Name: "tiny"}).handler()
	for _, test := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/v1/chat/completions", 405, "method_not_allowed", "POST"},
		{"DELETE", "/v1/models/tiny", 405, "method_not_allowed", "GET"},
		{"POST", "/healthz", 405, "method_not_allowed", "GET"},
		{"PUT", "/", 405, "method_not_allowed", "GET"},
		{"GET", "/feedback", 405, "method_not_allowed", "POST"},
		{"GET", "/v1/engines", 404, "unknown_url", ""},
		{"POST", "/chat/completions", 404, "unknown_url", ""},
		{"GET", "/favicon.ico", 404, "unknown_url", ""},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
			var said struct {
				Error struct{ Message, Type, Code string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
				t.Fatalf("%v: %s", err, w.Body)
			}
			if w.Code != test.status || said.Error.Code != test.code || said.Error.Type != "invalid_request_error" || said.Error.Message == "" || w.Header().Get("Allow") != test.allow || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%d %v: %s; expected %d, %s, Allow: %q", w.Code, w.Header(), w.Body, test.status, test.code, test.allow)
			}
		})
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
	if w.Code != http.StatusOK {
		t.Errorf("GET /healthz: %d", w.Code)
	}
}
