package review

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gorqa/files/webpage"
	"gorqa/text/evaluate/human"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

// Options say what is judged and how.
type Options struct {
	Items  []human.Item
	Scales []human.Scale // of answers alone; pairs are judged by which is better
	Said   human.Said    // before
	Seed   int64         // of which answer of a pair stands on the left
	Key    string        // that raters must give, "" for none
	Host   string        // that the server is asked by, beside addresses and localhost

	// Keep writes a judgement, and returns once it lasts.
	Keep func(human.Annotation) error
}

// Server is the handler of the page.
type Server struct {
	o     Options
	pairs bool

	mu   sync.Mutex
	said human.Said
}

// New makes a server; Serve starts it.
func New(o Options) *Server {
	s := &Server{o: o, said: o.Said, pairs: len(o.Items) > 0 && o.Items[0].Second != nil}
	if s.said == nil {
		s.said = human.Said{}
	}
	if s.pairs {
		s.o.Scales = nil
	}
	return s
}

// Serve answers on the listener until the context ends, and then what has begun.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 1 << 16}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := server.Shutdown(last)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-served
	return err
}

// refusal is an error that the page is told.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

// maxBody is how many bytes a request may have.
const maxBody = 1 << 20

// request is what the page sends.
type request struct {
	Rater      string         `json:"rater"`
	Item       int            `json:"item"`
	Annotation map[string]any `json:"annotation"`
	Comment    string         `json:"comment"`
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_ = webpage.Page{Text: pageText, Style: pageStyle, Script: pageScript}.Send(w, map[string]any{"Pairs": s.pairs, "Key": s.o.Key != "", "Scales": s.o.Scales}) // the client may have gone
	})
	for path, do := range map[string]func(request) (any, error){"POST /state": s.state, "POST /item": s.item, "POST /annotate": s.annotate} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			reply, err := s.read(w, r, do)
			status := http.StatusOK
			if err != nil {
				status = http.StatusInternalServerError
				var refused *refusal
				if errors.As(err, &refused) {
					status = refused.status
				}
				reply = map[string]string{"error": err.Error()}
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(reply) // the client may have gone
		})
	}
	foreign := http.NewCrossOriginProtection() // another site's page, in the browser of a rater
	return s.ownHost(foreign.Handler(mux))
}

// ownHost refuses requests by a name that is not the server's: a site whose name was
// made to lead here.
func (s *Server) ownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		host = strings.Trim(host, "[]")
		if net.ParseIP(host) == nil && host != "localhost" && host != s.o.Host {
			http.Error(w, fmt.Sprintf("asked as %q; ask by an address, or as localhost", host), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// read looks at the key, the rater and the item.
func (s *Server) read(w http.ResponseWriter, r *http.Request, do func(request) (any, error)) (any, error) {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if s.o.Key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(s.o.Key)) != 1 {
		return nil, &refusal{http.StatusUnauthorized, "the key is missing or another one; ask who started the review for it"}
	}
	var q request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&q); err != nil {
		return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("the request cannot be read: %v", err)}
	}
	q.Rater = strings.TrimSpace(q.Rater)
	if n := utf8.RuneCountInString(q.Rater); n < 1 || n > 64 {
		return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("a name of %d letters found; 1 to 64 expected", n)}
	}
	if q.Item < 0 || q.Item >= len(s.o.Items) {
		return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("item %d found; one of %d expected", q.Item, len(s.o.Items))}
	}
	return do(q)
}

// state is how far a rater is.
func (s *Server) state(q request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]any{"items": len(s.o.Items), "rated": s.rated(q.Rater)}, nil
}

// rated are the items that a rater is done with.
func (s *Server) rated(rater string) []int {
	done := []int{}
	for i := range s.o.Items {
		if a, ok := s.said[rater][i]; ok && s.whole(a) {
			done = append(done, i)
		}
	}
	return done
}

// whole says whether nothing is left to judge.
func (s *Server) whole(a human.Annotation) bool {
	if s.pairs {
		_, ok := a.Value(human.Preference)
		return ok
	}
	for _, scale := range s.o.Scales {
		if _, ok := a.Value(scale.Name); !ok {
			return false
		}
	}
	return true
}

// swapped says whether the second run's answer stands on the left: by the seed, so that
// a rater who comes again sees it there again.
func (s *Server) swapped(q request) bool {
	p := s.o.Items[q.Item].First
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q %q %q %d", s.o.Seed, q.Rater, p.Context, p.Question, q.Item))
	return sum[0]&1 == 1
}

// The sides of a pair, as the page names them.
const (
	left  = "left"
	right = "right"
)

// annotate keeps what a rater says.
func (s *Server) annotate(q request) (any, error) {
	judged, err := s.judged(q)
	if err != nil {
		return nil, err
	}
	a := s.o.Items[q.Item].Annotation(q.Rater, judged, q.Comment)
	if s.pairs {
		if a.Metadata.Left = human.First; s.swapped(q) {
			a.Metadata.Left = human.Second
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.o.Keep(a); err != nil {
		return nil, fmt.Errorf("the judgement could not be kept: %w", err)
	}
	s.said.Add(q.Item, a)
	return map[string]any{"rated": s.rated(q.Rater)}, nil
}

// judged checks the judgement, and names the runs where the page names sides.
func (s *Server) judged(q request) (map[string]any, error) {
	wrong := func(name string, found any, expected string) error {
		return &refusal{http.StatusBadRequest, fmt.Sprintf("%s: %v found; %s expected", name, found, expected)}
	}
	judged := map[string]any{}
	for name, value := range q.Annotation {
		if s.pairs {
			sides := map[any]string{left: human.First, "tie": human.Tie, right: human.Second}
			if s.swapped(q) {
				sides[left], sides[right] = human.Second, human.First
			}
			text, _ := value.(string)
			if name != human.Preference || sides[text] == "" {
				return nil, wrong(name, value, "a Preference of left, tie or right")
			}
			judged[name] = sides[text]
			continue
		}
		known := false
		for _, scale := range s.o.Scales {
			if known = scale.Name == name; known {
				n, ok := value.(float64)
				if !ok || n != float64(int(n)) || n < 1 || int(n) > len(scale.Labels) {
					return nil, wrong(name, value, fmt.Sprintf("a number from 1 to %d", len(scale.Labels)))
				}
				judged[name] = n
				break
			}
		}
		if !known {
			return nil, wrong(name, value, "one of the scales")
		}
	}
	return judged, nil
}
