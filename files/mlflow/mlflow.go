// Package mlflow keeps the settings and the figures of a run where MLflow shows them: on
// a tracking server, by its REST API, or in a folder as its file store has it. Where that
// is, and with which credentials, is what MLflow's own variables say (MLFLOW_…).
//
// It knows nothing of what the figures mean.
package mlflow

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"os"
	"strings"
	"time"
)

// Options say where a run goes and what is known of it at its beginning.
type Options struct {
	URI        string            // of a server, or a folder
	Experiment string            // by name; made where it is not there
	Name       string            // of the run
	ID         string            // of a run that goes on; "" begins one
	Params     map[string]string // its settings
}

// FromEnvironment is what MLflow's variables say; without a URI figures go to a folder.
func FromEnvironment(folder string) Options {
	o := Options{URI: os.Getenv("MLFLOW_TRACKING_URI"), Experiment: os.Getenv("MLFLOW_EXPERIMENT_NAME"), ID: os.Getenv("MLFLOW_RUN_ID")}
	if o.URI == "" {
		o.URI = folder
	}
	if o.Experiment == "" {
		o.Experiment = "gorqa"
	}
	return o
}

// Status is how a run stands.
type Status string

// The states that a run ends in.
const (
	Finished Status = "FINISHED"
	Failed   Status = "FAILED"
	Killed   Status = "KILLED"
)

// metric is one figure.
type metric struct {
	Key   string  `json:"key"`
	Value float64 `json:"value"`
	Time  int64   `json:"timestamp"` // milliseconds
	Step  int     `json:"step"`
}

// store is where runs are kept.
type store interface {
	begin(ctx context.Context, o Options, at time.Time) (id string, err error)
	resume(ctx context.Context, id string) error
	log(ctx context.Context, id string, metrics []metric) error
	end(ctx context.Context, id string, status Status, at time.Time) error
}

// Run is a run under way. It is not safe for concurrent use.
type Run struct {
	ID      string
	store   store
	pending []metric
	sent    time.Time // when figures were sent last, or could not be
	pause   time.Duration
}

// Figures are sent together, so often at most; after an error later.
const (
	sendEvery  = time.Second
	retryAfter = time.Minute
	mostAtOnce = 1000 // as the API has it
)

// Open begins a run, or goes on with one.
func Open(ctx context.Context, o Options) (*Run, error) {
	s, err := storeOf(o.URI)
	if err != nil {
		return nil, err
	}
	if o.ID != "" {
		return &Run{ID: o.ID, store: s}, s.resume(ctx, o.ID)
	}
	id, err := s.begin(ctx, o, time.Now())
	return &Run{ID: id, store: s}, err
}

func storeOf(uri string) (store, error) {
	u, err := url.Parse(uri)
	switch {
	case err == nil && (u.Scheme == "http" || u.Scheme == "https"):
		return newServer(u), nil
	case err == nil && u.Scheme == "file":
		return folder(u.Path), nil
	case err == nil && u.Scheme != "":
		return nil, fmt.Errorf("MLFLOW_TRACKING_URI: an address of kind %q found; that of a server (http://host:5000) or a folder expected", u.Scheme)
	}
	return folder(uri), nil
}

// Log keeps the figures of a step. An error says that they are not sent yet; they go with
// later ones.
func (r *Run) Log(ctx context.Context, at time.Time, step int, figures map[string]float64) error {
	for key, value := range figures {
		if !math.IsNaN(value) && !math.IsInf(value, 0) {
			r.pending = append(r.pending, metric{key, value, at.UnixMilli(), step})
		}
	}
	if time.Since(r.sent) < max(sendEvery, r.pause) {
		return nil
	}
	return r.send(ctx)
}

func (r *Run) send(ctx context.Context) error {
	r.sent = time.Now()
	for len(r.pending) > 0 {
		some := r.pending[:min(mostAtOnce, len(r.pending))]
		if err := r.store.log(ctx, r.ID, some); err != nil {
			r.pause = retryAfter
			return fmt.Errorf("MLflow: %w", err)
		}
		r.pending = r.pending[len(some):]
	}
	r.pause = 0
	return nil
}

// End sends what is left and says how the run ended.
func (r *Run) End(ctx context.Context, status Status) error {
	if err := r.send(ctx); err != nil {
		return fmt.Errorf("%w; %d figures are not sent, metrics.jsonl has them", err, len(r.pending))
	}
	if err := r.store.end(ctx, r.ID, status, time.Now()); err != nil {
		return fmt.Errorf("MLflow: %w", err)
	}
	return nil
}

// clean is a key as MLflow takes it: letters, digits and _-./: and spaces.
func clean(key string) string {
	return strings.Map(func(r rune) rune {
		if r < 128 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./: ", r)) {
			return r
		}
		return '_'
	}, key)
}
