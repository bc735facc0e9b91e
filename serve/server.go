package serve

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gorqa/files/modelfile"
	"gorqa/qa"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
)

// Citation is a passage that an answer was given.
type Citation struct {
	Index    int // of the document
	Score    float64
	Document dataset.Document
}

// Options say what is served and how.
type Options struct {
	Name  string // of the model, as clients ask for it
	Model qa.Generator
	Batch int // answers under way at a time

	// Retrieve finds the passages of questions, best first; nil without documents.
	Retrieve func(ctx context.Context, queries []evaluate.Query) ([][]Citation, error)
	// Embed gives the vectors of texts, of questions or of passages, and the tokens that
	// were read; nil for none.
	Embed        func(ctx context.Context, texts []string, questions bool) (vectors [][]float32, tokens int, err error)
	EmbedderName string
	// Rerank gives the scores of passages for a question, and the tokens that were read;
	// nil for none.
	Rerank       func(ctx context.Context, query string, passages []string) (scores []float32, tokens int, err error)
	RerankerName string

	Generation qa.GenerationOptions // where a request says nothing
	Key        string               // that clients must send, "" for none
	MaxWaiting int                  // requests that may wait
	Timeout    time.Duration        // of an answer
	Feedback   func(json.RawMessage) error
}

// maxBody is how many bytes a request may have.
const maxBody = 1 << 20

// Server is the handler and the worker behind it.
type Server struct {
	o       Options
	queue   *queue
	worker  *worker
	metrics *metrics
	started time.Time
	drains  atomic.Bool // no more requests are taken
}

// New makes a server; Serve starts it.
func New(o Options) *Server {
	q := newQueue(o.MaxWaiting)
	m := newMetrics(q)
	return &Server{o: o, queue: q, metrics: m, started: time.Now(), worker: &worker{o: o, queue: q, metrics: m}}
}

// Serve answers on the listener until the context ends; then what has begun is answered,
// for so long at most, and nothing else is begun.
func (s *Server) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 1 << 16}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	worked := make(chan error, 1)
	go func() { worked <- s.worker.run(working) }()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	var err error
	select {
	case err = <-worked:
		return errors.Join(err, server.Close())
	case err = <-served:
	case <-ctx.Done():
		s.drains.Store(true)
		last, cancel := context.WithTimeout(working, grace)
		err = server.Shutdown(last)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.Join(fmt.Errorf("answers under way after %s were given up", grace), server.Close())
		}
		<-served
	}
	stop()
	return errors.Join(err, <-worked)
}

// handler is all paths.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	api := func(pattern string, h func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := s.admit(r); err != nil {
				writeError(w, err)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			ctx, cancel := context.WithTimeout(r.Context(), s.o.Timeout)
			defer cancel()
			if err := h(w, r.WithContext(ctx)); err != nil {
				writeError(w, err)
			}
		})
	}
	api("POST /v1/chat/completions", s.chat)
	api("POST /v1/completions", s.complete)
	api("POST /v1/embeddings", s.embed)
	api("POST /v1/rerank", s.rerank)
	api("GET /v1/models", s.models)
	api("GET /v1/models/{model...}", s.model)
	api("POST /feedback", s.feedback)
	mux.HandleFunc("GET /healthz", s.health)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { notServed(mux, w, r) })
	foreign := http.NewCrossOriginProtection() // another site's page, in the browser of one who may ask
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, &apiError{http.StatusForbidden, "invalid_request_error", "", "cross_origin", "a browser sent this for a page of another site; ask from the page at /, or from a program"})
	}))
	return s.counted(foreign.Handler(mux))
}

// notServed answers a request that no other pattern takes: its path has other methods, or
// there is none such.
func notServed(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		writeError(w, &apiError{http.StatusMethodNotAllowed, "invalid_request_error", "", "method_not_allowed", fmt.Sprintf("%s found for %s; %s expected", r.Method, r.URL.Path, strings.Join(allowed, " or "))})
		return
	}
	writeError(w, &apiError{http.StatusNotFound, "invalid_request_error", "", "unknown_url", fmt.Sprintf("%s %s is not served; expected POST /v1/chat/completions, /v1/completions, /v1/embeddings or /v1/rerank, or GET /v1/models", r.Method, r.URL.Path)})
}

// admit looks at the key and whether anything is still begun.
func (s *Server) admit(r *http.Request) error {
	if s.drains.Load() {
		return &apiError{http.StatusServiceUnavailable, "server_error", "", "shutting_down", "the server is shutting down"}
	}
	if s.o.Key == "" {
		return nil
	}
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(key), []byte(s.o.Key)) != 1 {
		return &apiError{http.StatusUnauthorized, "invalid_request_error", "", "invalid_api_key", "the API key is missing or another one; send the server's as Authorization: Bearer KEY"}
	}
	return nil
}

// counted counts requests by path and status.
func (s *Server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(c, r)
		path := r.Pattern
		if path == "" || path == "/" {
			path = "other"
		}
		s.metrics.requests.WithLabelValues(path, strconv.Itoa(c.status)).Inc()
	})
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if s.drains.Load() {
		writeJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "shutting down"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// entry is a model in the list of models.
func (s *Server) entry(name string) map[string]any {
	return map[string]any{"id": name, "object": "model", "created": s.started.Unix(), "owned_by": "gorqa"}
}

// others are the models beside the one that answers.
func (s *Server) others() (names []string) {
	if s.o.Embed != nil {
		names = append(names, s.o.EmbedderName)
	}
	if s.o.Rerank != nil {
		names = append(names, s.o.RerankerName)
	}
	return names
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) error {
	list := []map[string]any{s.entry(s.o.Name)}
	for _, other := range s.others() {
		list = append(list, s.entry(other))
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": list})
	return nil
}

func (s *Server) model(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("model")
	if name != s.o.Name && !slices.Contains(s.others(), name) {
		return s.unknown(name, s.o.Name)
	}
	writeJSON(w, http.StatusOK, s.entry(name))
	return nil
}

// unknown is the error of a model that is not served.
func (s *Server) unknown(name, expected string) error {
	return &apiError{http.StatusNotFound, "invalid_request_error", "model", "model_not_found", fmt.Sprintf("model: %q found; %q expected, the one that is served", name, expected)}
}

// client is who asks, as far as turns go.
func client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host + " " + r.Header.Get("Authorization")
}

// enqueue lets a job wait for the worker.
func (s *Server) enqueue(j *job) error {
	if !s.queue.push(j) {
		return &apiError{http.StatusTooManyRequests, "server_error", "", "overloaded", fmt.Sprintf("%d requests are waiting, as many as may; try again", s.o.MaxWaiting)}
	}
	return nil
}

// read takes the request's JSON.
func read(r *http.Request, to any) error {
	d := json.NewDecoder(r.Body)
	if err := d.Decode(to); err != nil {
		var large *http.MaxBytesError
		var typed *json.UnmarshalTypeError
		var said *apiError
		switch {
		case errors.As(err, &said):
			return said
		case errors.As(err, &large):
			return &apiError{http.StatusRequestEntityTooLarge, "invalid_request_error", "", "too_large", fmt.Sprintf("the request is longer than %d bytes; send less", maxBody)}
		case errors.As(err, &typed):
			field := strings.TrimPrefix(typed.Field, "sampling.") // of a struct that stands in others
			return badRequest(field, "%s: %s found; %s expected", cmp.Or(field, "the request"), typed.Value, modelfile.JSONType(typed.Type))
		}
		return badRequest("", "the request is no JSON object: %v", err)
	}
	return nil
}

func (s *Server) feedback(w http.ResponseWriter, r *http.Request) error {
	if s.o.Feedback == nil {
		return &apiError{http.StatusNotFound, "invalid_request_error", "", "unknown_url", "feedback is not kept; start the server with --feedback_file"}
	}
	var one json.RawMessage
	if err := read(r, &one); err != nil {
		return err
	}
	if err := s.o.Feedback(one); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "kept"})
	return nil
}
