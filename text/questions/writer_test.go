package questions

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gorqa/files/endpoint"
	"gorqa/files/endpoint/chatmodel"
	"gorqa/files/replies"
	"gorqa/internal/endpointtest"
	"gorqa/text/dataset"
)

// server counts requests, and says back what the user asked.
type server struct {
	before         endpointtest.Answer // may answer the n-th itself
	mu             sync.Mutex
	n, under, most int
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.n++
	n := s.n
	s.under++
	s.most = max(s.most, s.under)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.under--
		s.mu.Unlock()
	}()
	var body struct {
		Messages []struct{ Role, Content string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Messages) != 2 {
		return // the client is gone
	}
	if s.before != nil && s.before(n, w, r) {
		return
	}
	time.Sleep(2 * time.Millisecond)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"choices": []any{map[string]any{"message": map[string]string{"content": body.Messages[0].Content + "|" + body.Messages[1].Content}}},
		"usage":   map[string]int{"prompt_tokens": 7, "completion_tokens": 3},
	})
}

func serve(t *testing.T, s *server) chatmodel.Options {
	t.Helper()
	at := httptest.NewServer(s)
	t.Cleanup(at.Close)
	o := chatmodel.Options{Options: endpoint.Default(), Model: "m"}
	o.BaseURL, o.Key, o.Retries = at.URL+"/v1", "secret", 1
	return o
}

func requests(n int) (all []Request) {
	for i := range n {
		all = append(all, Request{System: "s", Passages: []dataset.Document{{Content: "p", Formatted: "text"}}, Task: fmt.Sprint("task ", i)})
	}
	return all
}

// Each request has its reply, under the bound of requests at a time; a second time no
// request is made, and with one more that one alone.
func TestEndpointWriterKeepsReplies(t *testing.T) {
	s := &server{}
	o := serve(t, s)
	folder := replies.Folder(t.TempDir())
	w := Kept(NewEndpoint(o, 3), folder)
	var dones []int
	all, err := Ask(t.Context(), w, requests(20), func(done int, r Reply) {
		dones = append(dones, done)
		if r.Kept || r.PromptTokens != 7 || r.Tokens != 3 {
			t.Errorf("%+v", r)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		if want := fmt.Sprintf("s|Passage:\ntext\n\ntask %d", i); r.Text != want {
			t.Errorf("%q; want %q", r.Text, want)
		}
	}
	if s.n != 20 || s.most > 3 || s.most < 2 || !slices.IsSorted(dones) || len(dones) != 20 {
		t.Errorf("%d requests, %d at a time, %v", s.n, s.most, dones)
	}
	kept := 0
	again, err := Ask(t.Context(), w, append(requests(20), Request{Begin: "text"}), func(_ int, r Reply) {
		if r.Kept {
			kept++
		}
	})
	if err != nil || s.n != 21 || kept != 20 || again[3].Text != all[3].Text || !strings.HasSuffix(again[20].Text, "|text") {
		t.Errorf("%v: %d requests, %d kept, %+v", err, s.n, kept, again[20])
	}
	o.Model = "other"
	if _, err := Ask(t.Context(), Kept(NewEndpoint(o, 3), folder), requests(1), nil); err != nil || s.n != 22 {
		t.Errorf("%v: another model's reply was taken: %d requests", err, s.n)
	}
}

// A request that fails is a reply; an endpoint that fails is the end, after five.
func TestEndpointWriterFailures(t *testing.T) {
	refuse := endpointtest.Refuse(400, 1000)
	for _, tc := range []struct {
		name, why string
		before    endpointtest.Answer
		failed    int
		err       string
		requests  int
	}{
		{"one", "a passage that the endpoint refuses", func(n int, w http.ResponseWriter, r *http.Request) bool { return n == 3 && refuse(n, w, r) }, 1, "", 20},
		{"all", "a wrong key: asking on is of no use", endpointtest.Refuse(401, 1000), 0, "5 requests in a row failed, the last one: ", 5},
		{"trouble", "it is tried again", endpointtest.Refuse(503, 1), 0, "", 21},
	} {
		s := &server{before: tc.before}
		all, err := Ask(t.Context(), Kept(NewEndpoint(serve(t, s), 1), replies.Folder(t.TempDir())), requests(20), nil)
		if (err == nil) != (tc.err == "") || err != nil && (!strings.Contains(err.Error(), tc.err) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s (%s): %v", tc.name, tc.why, err)
		}
		if s.n != tc.requests {
			t.Errorf("%s (%s): %d requests; want %d", tc.name, tc.why, s.n, tc.requests)
		}
		if n := len(slices.DeleteFunc(all, func(r Reply) bool { return r.Err == nil })); err == nil && n != tc.failed {
			t.Errorf("%s: %d failed; want %d", tc.name, n, tc.failed)
		}
	}
}

// A context that ends ends the asking at once, with what was replied kept.
func TestEndpointWriterStops(t *testing.T) {
	s := &server{before: func(n int, w http.ResponseWriter, r *http.Request) bool { return n > 4 && endpointtest.Hang(n, w, r) }}
	folder := replies.Folder(t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	opt := serve(t, s)
	w := Kept(NewEndpoint(opt, 2), folder)
	_, err := Ask(ctx, w, requests(20), func(done int, _ Reply) {
		if done == 4 {
			cancel()
		}
	})
	if ctx.Err() != context.Canceled || err == nil {
		t.Fatalf("%v, %v", err, ctx.Err())
	}
	kept := 0
	w = Kept(NewEndpoint(serve(t, &server{}), 2), folder)
	w.(*keptWriter).Writer.(*endpointWriter).opt = opt // by the same name
	if _, err := Ask(t.Context(), w, requests(20), func(_ int, r Reply) {
		if r.Kept {
			kept++
		}
	}); err != nil || kept < 4 || kept > 5 {
		t.Errorf("%v: %d replies were kept; the 4 before the end expected, or one more that was under way", err, kept)
	}
}
