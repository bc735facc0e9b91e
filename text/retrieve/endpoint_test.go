package retrieve_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gorqa/internal/endpointtest"
	"gorqa/text/retrieve"
)

// standIn answers as an embeddings endpoint: the vector of a text is its length
// and 1. before, if not nil, may answer the n-th request (from 1) itself.
type standIn struct {
	before endpointtest.Answer
	answer func(texts []string) []map[string]any

	mu       sync.Mutex
	requests [][]string
	headers  []http.Header
	body     map[string]any // the last
}

func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	err := json.NewDecoder(r.Body).Decode(&body)
	if err != nil || r.URL.Path != "/v1/embeddings" || r.Method != http.MethodPost {
		http.Error(w, "no such call", http.StatusNotFound)
		return
	}
	var texts []string
	for _, t := range body["input"].([]any) {
		texts = append(texts, t.(string))
	}
	s.mu.Lock()
	s.requests, s.headers, s.body = append(s.requests, texts), append(s.headers, r.Header.Clone()), body
	n := len(s.requests)
	s.mu.Unlock()
	if s.before != nil && s.before(n, w, r) {
		return
	}
	answer := s.answer
	if answer == nil {
		answer = lengths
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "model": "m", "data": answer(texts), "usage": map[string]int{"prompt_tokens": 1, "total_tokens": 1}})
}

func vector(index int, v ...float64) map[string]any {
	return map[string]any{"object": "embedding", "index": index, "embedding": v}
}

// lengths answers in the reverse order, which the index allows.
func lengths(texts []string) []map[string]any {
	var data []map[string]any
	for i := len(texts) - 1; i >= 0; i-- {
		data = append(data, vector(i, float64(len(texts[i])), 1))
	}
	return data
}

func endpoint(t *testing.T, s *standIn, change func(*retrieve.EndpointOptions)) *retrieve.Endpoint {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	opt := retrieve.DefaultEndpointOptions()
	opt.Model, opt.BaseURL, opt.Key, opt.Organization, opt.Project = "m", server.URL+"/v1", "secret", "org", ""
	opt.Retries = 2
	if change != nil {
		change(&opt)
	}
	e, err := retrieve.NewEndpoint(opt)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEndpointBatches(t *testing.T) {
	t.Parallel()
	s := &standIn{}
	e := endpoint(t, s, func(o *retrieve.EndpointOptions) {
		o.BatchTexts, o.BatchBytes, o.PassagePrompt, o.QueryPrompt = 3, 12, "p:", "q:"
	})
	got, err := e.Embed(t.Context(), []string{"a", "bb", "c", "a text that is longer than a request may be", "d"}, retrieve.Passage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]float32{{3, 1}, {4, 1}, {3, 1}, {45, 1}, {3, 1}}, got); diff != "" {
		t.Errorf("vectors (-want +got)\n%s", diff)
	}
	want := [][]string{{"p:a", "p:bb", "p:c"}, {"p:a text that is longer than a request may be"}, {"p:d"}}
	if diff := cmp.Diff(want, s.requests); diff != "" {
		t.Errorf("requests (-want +got)\n%s", diff)
	}
	if _, err := e.Embed(t.Context(), []string{"x"}, retrieve.Query); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"q:x"}, s.requests[3]); diff != "" {
		t.Errorf("a query (-want +got)\n%s", diff)
	}
	h := s.headers[0]
	if h.Get("Authorization") != "Bearer secret" || h.Get("OpenAI-Organization") != "org" || s.body["model"] != "m" || s.body["encoding_format"] != "float" {
		t.Errorf("headers %v, body %v", h, s.body)
	}
	if e.Width() != 2 {
		t.Errorf("width %d after an answer of 2 numbers", e.Width())
	}
}

func TestEndpointRetries(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, why string
		status    int
	}{
		{"429", "a rate limit passes", http.StatusTooManyRequests},
		{"500", "so does a server's trouble", http.StatusInternalServerError},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &standIn{before: func(n int, w http.ResponseWriter, _ *http.Request) bool {
				if n > 2 {
					return false
				}
				w.Header().Set("Retry-After-Ms", "1")
				http.Error(w, `{"error":{"message":"slow down"}}`, test.status)
				return true
			}}
			got, err := endpoint(t, s, nil).Embed(t.Context(), []string{"abc"}, retrieve.Passage)
			if err != nil {
				t.Fatalf("%v (%s)", err, test.why)
			}
			if diff := cmp.Diff([][]float32{{3, 1}}, got); diff != "" || len(s.requests) != 3 {
				t.Errorf("%d requests\n%s", len(s.requests), diff)
			}
		})
	}
}

// A server that numbers no vector keeps the order of the texts.
func TestEndpointWithoutIndex(t *testing.T) {
	t.Parallel()
	s := &standIn{answer: func(texts []string) []map[string]any {
		var data []map[string]any
		for _, text := range texts {
			data = append(data, map[string]any{"embedding": []float64{float64(len(text)), 1}})
		}
		return data
	}}
	got, err := endpoint(t, s, nil).Embed(t.Context(), []string{"a", "ccc", "bb"}, retrieve.Passage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]float32{{1, 1}, {3, 1}, {2, 1}}, got); diff != "" {
		t.Errorf("vectors (-want +got)\n%s", diff)
	}
}

func TestEndpointErrors(t *testing.T) {
	t.Parallel()
	give := func(data ...map[string]any) func([]string) []map[string]any {
		return func([]string) []map[string]any { return data }
	}
	for _, test := range []struct {
		name, why string
		s         *standIn
		change    func(*retrieve.EndpointOptions)
		texts     []string
		want      []string
		requests  int
	}{
		{"429 for good", "after the retries it is an error", &standIn{before: endpointtest.Refuse(429, 9)}, nil, []string{"a"}, []string{"429", "the reason", "rate limit", "model m"}, 3},
		{"401", "a wrong key is not tried again", &standIn{before: endpointtest.Refuse(401, 9)}, nil, []string{"a"}, []string{"401", "OPENAI_API_KEY"}, 1},
		{"404", "a wrong address", &standIn{before: endpointtest.Refuse(404, 9)}, nil, []string{"a"}, []string{"404", "OPENAI_BASE_URL"}, 1},
		{"400", "a text too long", &standIn{before: endpointtest.Refuse(400, 9)}, nil, []string{"a"}, []string{"400", "the reason", "limits"}, 1},
		{"too few", "vectors would be given to the wrong texts", &standIn{answer: give(vector(0, 1, 2))}, nil, []string{"a", "b"}, []string{"1 vectors for 2 texts"}, 1},
		{"too many", "likewise", &standIn{answer: give(vector(0, 1), vector(1, 1))}, nil, []string{"a"}, []string{"2 vectors for 1 texts"}, 1},
		{"some without an index", "whose they are is not known", &standIn{answer: give(map[string]any{"embedding": []float64{1, 2}}, vector(0, 1, 1))}, nil, []string{"a", "b"}, []string{"comes twice"}, 1},
		{"twice", "two vectors for one text", &standIn{answer: give(vector(1, 1), vector(1, 1))}, nil, []string{"a", "b"}, []string{"text 1 of 2 comes twice"}, 1},
		{"outside", "a vector for no text", &standIn{answer: give(vector(5, 1))}, nil, []string{"a"}, []string{"text 5 of 1"}, 1},
		{"width", "vectors of two widths", &standIn{answer: give(vector(0, 1, 2), vector(1, 1))}, nil, []string{"a", "b"}, []string{"1 numbers; expected 2"}, 1},
		{"asked width", "not what was asked for", &standIn{}, func(o *retrieve.EndpointOptions) { o.Dimensions = 3 }, []string{"a"}, []string{"2 numbers; expected 3"}, 1},
		{"another width later", "the width of the first answer holds", &standIn{answer: func(texts []string) []map[string]any {
			return []map[string]any{vector(0, []float64{1, 2, 3}[:len(texts[0])]...)}
		}}, func(o *retrieve.EndpointOptions) { o.BatchTexts = 1 }, []string{"ab", "abc"}, []string{"3 numbers; expected 2"}, 2},
		{"too large", "no float32 holds it", &standIn{answer: give(vector(0, 1e300, 1))}, nil, []string{"a"}, []string{"finite"}, 1},
		{"zeros", "a vector that points nowhere", &standIn{answer: give(vector(0, 0, 0))}, nil, []string{"a"}, []string{"text 0 of 1 is all zeros"}, 1},
		{"null", "no object", &standIn{before: endpointtest.Say("null")}, nil, []string{"a"}, []string{"http://127.0.0.1:", `the reply is "null"`}, 1},
		{"nulls", "no vectors in it", &standIn{before: endpointtest.Say(`{"data": [null]}`)}, nil, []string{"a"}, []string{"http://127.0.0.1:", "text 0 of 1 has no numbers"}, 1},
		{"words", "numbers that are none", &standIn{before: endpointtest.Say(`{"data": [{"index": 0, "embedding": ["a", NaN]}]}`)}, nil, []string{"a"}, []string{"http://127.0.0.1:", "JSON object"}, 1},
		{"an object for a list", "another shape", &standIn{before: endpointtest.Say(`{"data": {"0": [1, 2]}}`)}, nil, []string{"a"}, []string{"http://127.0.0.1:", "0 vectors for 1 texts"}, 1},
		{"no vector", "nothing in it", &standIn{answer: give(vector(0))}, nil, []string{"a"}, []string{"text 0 of 1 has no numbers"}, 1},
		{"empty text", "nothing is sent", &standIn{}, nil, []string{"a", ""}, []string{"text 2 of 2 is empty"}, 0},
		{"slow", "a time-out says how long it was", &standIn{before: endpointtest.Hang}, func(o *retrieve.EndpointOptions) { o.Timeout = 30 * time.Millisecond }, []string{"a"}, []string{"longer than 30ms"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := endpoint(t, test.s, test.change).Embed(t.Context(), test.texts, retrieve.Passage)
			if got != nil {
				t.Errorf("vectors %v beside the error", got)
			}
			wantError(t, test.why, err, test.want)
			if len(test.s.requests) != test.requests {
				t.Errorf("%d requests; want %d (%s)", len(test.s.requests), test.requests, test.why)
			}
		})
	}

	opt := retrieve.DefaultEndpointOptions()
	opt.Model, opt.BaseURL, opt.BatchTexts, opt.BatchBytes, opt.Retries, opt.Timeout, opt.Dimensions = "", "localhost", 0, 0, -1, 0, -1
	_, err := retrieve.NewEndpoint(opt)
	wantError(t, "all problems together", err, []string{"no model", `"localhost"`, "BatchTexts", "BatchBytes", "retries", "timeout", "Dimensions"})
}

// A run that is cut off by the endpoint goes on where it stopped.
func TestEndpointIndex(t *testing.T) {
	t.Parallel()
	s := &standIn{}
	s.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n != 3 {
			return false
		}
		http.Error(w, "no more", http.StatusBadRequest)
		return true
	}
	e := endpoint(t, s, nil)
	opt, dir := retrieve.DefaultOptions(), t.TempDir()
	opt.ChunkTexts = 2
	if _, err := retrieve.Build(t.Context(), dir, numbered(5), e, opt); err == nil {
		t.Fatal("no error from the third request")
	}
	x, err := retrieve.Build(t.Context(), dir, numbered(5), e, opt)
	if err != nil {
		t.Fatal(err)
	}
	if want := (retrieve.BuildStats{Cached: 4, Embedded: 1}); x.Stats() != want {
		t.Errorf("%+v; want %+v", x.Stats(), want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.TopK(ctx, []string{"q"}, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error after cancelling is %v", err)
	}
	if !strings.Contains(e.Name(), "m of http") || strings.Contains(e.Name(), "secret") {
		t.Errorf("name %q", e.Name())
	}
}

func TestEndpointWithoutKey(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "")
	s := &standIn{}
	if _, err := endpoint(t, s, func(o *retrieve.EndpointOptions) { o.Key = "" }).Embed(t.Context(), []string{"a"}, retrieve.Query); err != nil {
		t.Errorf("a local endpoint that wants no key: %v", err)
	}
}

// FuzzEndpointReply reads what a server may say: vectors for the texts, or an
// error.
func FuzzEndpointReply(f *testing.F) {
	var reply atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(*reply.Load())
	}))
	f.Cleanup(server.Close)
	for _, seed := range []string{
		`{"data": [{"index": 1, "embedding": [1, 2]}, {"index": 0, "embedding": [3, 4]}]}`, `null`, `[]`, `{"data": null}`,
		`{"data": [{"index": 0, "embedding": "AACAPw=="}, {"embedding": {}}]}`, `{"data": [{"index": 1e9, "embedding": [1e400]}, 3]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		reply.Store(&data)
		opt := retrieve.DefaultEndpointOptions()
		opt.Model, opt.BaseURL, opt.Key, opt.Retries = "m", server.URL, "key", 0
		e, err := retrieve.NewEndpoint(opt)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Embed(t.Context(), []string{"a", "b"}, retrieve.Query)
		if err == nil && (len(got) != 2 || len(got[0]) == 0 || len(got[0]) != len(got[1]) || len(got[0]) != e.Width()) {
			t.Errorf("vectors %v of width %d", got, e.Width())
		}
	})
}
