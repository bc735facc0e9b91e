package endpoint_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"

	"gorqa/files/endpoint"
)

const secret = "sk-very/secret+key"

// call asks an endpoint for a chat, as the judge does, and for vectors, as the
// retriever does.
func call(ctx context.Context, opt endpoint.Options) (string, error) {
	chats := openai.NewChatCompletionService(opt.Request()...)
	reply, err := chats.New(ctx, openai.ChatCompletionNewParams{Model: "m", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("q")}})
	if err != nil {
		return "", opt.Explain(ctx, "m", err)
	}
	vectors := openai.NewEmbeddingService(opt.Request()...)
	if _, err := vectors.New(ctx, openai.EmbeddingNewParams{Model: "m"}); err != nil {
		return "", opt.Explain(ctx, "m", err)
	}
	return reply.RawJSON(), nil
}

func options(address string) endpoint.Options {
	opt := endpoint.Default()
	opt.BaseURL, opt.Key, opt.Retries, opt.Timeout, opt.MaxReplyBytes = address, secret, 1, 5*time.Second, 1<<20
	return opt
}

// Whatever a server says, it is an error that names the endpoint, within bounds
// of time and memory, and without the key.
func TestWhateverAServerSaysNamesTheEndpoint(t *testing.T) {
	t.Parallel()
	say := func(status int, kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Retry-After-Ms", "1")
			w.WriteHeader(status)
			fmt.Fprint(w, text)
		}
	}
	const js = "application/json"
	for _, test := range []struct {
		name, why string
		handler   http.HandlerFunc
		want      []string
		requests  int32
	}{
		{"an error for a reply", "gateways say 200 and mean no", say(200, js, `{"error":{"message":"overloaded"}}`), []string{"overloaded", "expected no error in it"}, 1},
		{"null", "no object to look into", say(200, js, "null"), []string{`the reply is "null"; expected a JSON object`}, 1},
		{"array", "another shape", say(200, js, `[{"choices":[]}]`), []string{`[{\"choices`, "JSON object"}, 1},
		{"string", "another shape", say(200, js, `"fine"`), []string{"JSON object"}, 1},
		{"nothing", "an empty body", say(200, js, ""), []string{`the reply is ""`}, 1},
		{"cut off", "half an object", say(200, js, `{"choices": [`), []string{"JSON object"}, 1},
		{"a page", "a proxy's login page", say(200, "text/html", "<!DOCTYPE html>\n<p>Log in"), []string{`<!DOCTYPE html>\n<p>Log in`, "OPENAI_BASE_URL"}, 1},
		{"deep", "nested as deep as the bound allows", say(200, js, `{"data":`+strings.Repeat("[", 1<<19)), []string{"JSON object"}, 1},
		{"another type", "an object where a list is expected", say(200, js, `{"choices": 3, "data": {"a": 1}}`), nil, 2},
		{"error page", "a status with HTML", say(502, "text/html", "<h1>Bad gateway"), []string{"502 Bad Gateway: <h1>Bad gateway"}, 2},
		{"error is a text", "as FastAPI servers say it", say(404, js, `{"detail": "no such model"}`), []string{"404 Not Found: no such model", "the model's name"}, 1},
		{"error is null", "nothing is said", say(401, js, `null`), []string{"401", "OPENAI_API_KEY"}, 1},
		{"the key comes back", "servers name the wrong key", say(401, js, `{"error": {"message": "no such key: `+secret+`"}}`), []string{"no such key: ***"}, 1},
		{"the key comes back, escaped", "JSON can write it otherwise", say(401, js, `{"error": {"message": "key: sk-\u0076ery\/secret+key"}}`), []string{"key: ***"}, 1},
		{"the key in a page", "not only in JSON", say(200, "text/html", "<p>"+secret), []string{"<p>***"}, 1},
		{"endless", "a body without end", func(w http.ResponseWriter, r *http.Request) {
			part := bytes.Repeat([]byte(" "), 1<<16)
			for r.Context().Err() == nil {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
		}, []string{"a reply of more than 1048576 bytes"}, 1},
		{"endless error", "the same with a status", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			part := bytes.Repeat([]byte("x"), 1<<16)
			for r.Context().Err() == nil {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
		}, []string{"400 Bad Request"}, 1},
		{"packed", "a small body that unpacks to a large one", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", js)
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(bytes.Repeat([]byte("["), 8<<20))
			_ = z.Close()
		}, []string{"a reply of more than 1048576 bytes"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n.Add(1)
				test.handler(w, r)
			}))
			defer server.Close()
			_, err := call(t.Context(), options(server.URL+"/v1"))
			if test.want == nil {
				return // either is right: no panic is
			}
			if err == nil {
				t.Fatalf("no error (%s)", test.why)
			}
			for _, part := range append(test.want, server.URL+"/v1") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q; it should hold %q (%s)", err, part, test.why)
				}
			}
			if strings.Contains(err.Error(), secret) || len(err.Error()) > 1000 {
				t.Errorf("error %q holds the key, or is too long", err)
			}
			if n.Load() != test.requests {
				t.Errorf("%d requests; want %d (%s)", n.Load(), test.requests, test.why)
			}
		})
	}
}

// A body that goes on for ever in small pieces ends with the time of a try.
func TestBodyThatNeverEndsIsCutOff(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	}))
	defer server.Close()
	opt := options(server.URL)
	opt.Timeout = 100 * time.Millisecond
	began := time.Now()
	_, err := call(t.Context(), opt)
	if err == nil || !strings.Contains(err.Error(), "longer than 100ms") || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// The key goes to the host and port that it is for, and to no other.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, test := range []struct {
		name, why string
		status    int
		to        string
		want      string
	}{
		{"another port", "the same name, another server", 307, other.URL + "/v1?key=abcdef", other.URL + "/v1;"},
		{"another port, by GET", "the same", 302, other.URL, "OPENAI_BASE_URL"},
		{"another method", "what was sent is lost", 302, "/elsewhere", "/elsewhere"},
		{"in a circle", "no end", 308, "/v1/chat/completions", "sends requests on"},
	} {
		var n atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			http.Redirect(w, r, test.to, test.status)
		}))
		_, err := call(t.Context(), options(server.URL+"/v1"))
		server.Close()
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "abcdef") || n.Load() > 5 {
			t.Errorf("%s: %d requests, %v; want %q (%s)", test.name, n.Load(), err, test.want, test.why)
		}
	}
	if elsewhere.Load() > 0 {
		t.Errorf("%d requests went to another host", elsewhere.Load())
	}
}

// A password in the address is sent and never shown.
func TestPasswordInAddress(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, password, _ := r.BasicAuth()
		fmt.Fprintf(w, `{"error": {"message": "%s %s %s"}}`, r.Header.Get("Authorization"), password, r.URL)
	}))
	defer server.Close()
	opt := options(strings.Replace(server.URL, "://", "://me:hunter2@", 1) + "/v1")
	opt.Key = ""
	_, err := call(t.Context(), opt)
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "bWU6aHVudGVyMg==") || !strings.Contains(err.Error(), "Basic ***") {
		t.Errorf("%v", err)
	}
	opt.BaseURL = "ftp://me:hunter2@host"
	if err := opt.Validate(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
	opt.Key = "a\nb"
	if err := opt.Validate(); err == nil || !strings.Contains(err.Error(), "OPENAI_API_KEY") || strings.Contains(err.Error(), "a\nb") {
		t.Errorf("%v", err)
	}
}

func TestEnvironment(t *testing.T) {
	for _, name := range []string{"OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_PROJECT"} {
		t.Setenv(name, "")
	}
	t.Setenv("OPENAI_API_KEY", " key\n")
	t.Setenv("OPENAI_ORGANIZATION", "theirs") // LocalRQA's name
	if opt := endpoint.Default(); opt.Organization != "theirs" || opt.Key != "key" || opt.Project != "" || opt.BaseURL != "https://api.openai.com/v1" {
		t.Errorf("%+v", opt)
	}
	t.Setenv("OPENAI_ORG_ID", "ours")
	t.Setenv("OPENAI_PROJECT", "project")
	if opt := endpoint.Default(); opt.Organization != "ours" || opt.Project != "project" {
		t.Errorf("%+v", opt)
	}
}
