package mlflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"gorqa/files/redact"
)

// server is a tracking server.
type server struct {
	base          *url.URL
	authorisation string
	secrets       []string
}

// newServer takes the credentials of the address, or those of MLflow's variables.
func newServer(u *url.URL) *server {
	s := &server{secrets: append(redact.InAddress(u.String()), os.Getenv("MLFLOW_TRACKING_PASSWORD"), os.Getenv("MLFLOW_TRACKING_TOKEN"))}
	name, password := os.Getenv("MLFLOW_TRACKING_USERNAME"), os.Getenv("MLFLOW_TRACKING_PASSWORD")
	if u.User != nil {
		name = u.User.Username()
		password, _ = u.User.Password()
	}
	bare := *u
	bare.User = nil
	s.base = &bare
	if name != "" {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(name, password)
		s.authorisation = r.Header.Get("Authorization")
	} else if token := os.Getenv("MLFLOW_TRACKING_TOKEN"); token != "" {
		s.authorisation = "Bearer " + token
	}
	return s
}

// errMissing is the error of what the server does not have.
var errMissing = errors.New("not there")

// call sends a request of the API and reads its reply.
func (s *server) call(ctx context.Context, method, name string, query url.Values, body, reply any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	u := s.base.JoinPath("api/2.0/mlflow", name)
	u.RawQuery = query.Encode()
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(data))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.authorisation != "" {
		r.Header.Set("Authorization", s.authorisation)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("the tracking server is out of reach: %s; check MLFLOW_TRACKING_URI", redact.Text(err.Error(), s.secrets...))
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var problem struct {
			Code    string `json:"error_code"`
			Message string `json:"message"`
		}
		_ = json.Unmarshal(said, &problem)
		err := fmt.Errorf("%s of the tracking server: %s: %s", name, response.Status, redact.Text(problem.Message, s.secrets...))
		if problem.Code == "RESOURCE_DOES_NOT_EXIST" {
			err = fmt.Errorf("%w: %w", errMissing, err)
		}
		return err
	}
	if err := json.Unmarshal(said, reply); err != nil {
		return fmt.Errorf("%s does not answer as a tracking server does: %w", redact.Address(s.base.String()), err)
	}
	return nil
}

// experiment finds an experiment by its name, or makes it.
func (s *server) experiment(ctx context.Context, name string) (id string, err error) {
	var found struct {
		Experiment struct {
			ID    string `json:"experiment_id"`
			Stage string `json:"lifecycle_stage"`
		}
	}
	err = s.call(ctx, http.MethodGet, "experiments/get-by-name", url.Values{"experiment_name": {name}}, nil, &found)
	switch {
	case err == nil && found.Experiment.Stage == "deleted":
		return "", fmt.Errorf("experiment %q was deleted; another name expected in MLFLOW_EXPERIMENT_NAME, or restore it", name)
	case err == nil:
		return found.Experiment.ID, nil
	case !errors.Is(err, errMissing):
		return "", err
	}
	var made struct {
		ID string `json:"experiment_id"`
	}
	err = s.call(ctx, http.MethodPost, "experiments/create", nil, map[string]string{"name": name}, &made)
	return made.ID, err
}

// mostParams is how many settings a request may have, and how long a value may be.
const mostParams, longestParam = 100, 6000

func (s *server) begin(ctx context.Context, o Options, at time.Time) (id string, err error) {
	experiment, err := s.experiment(ctx, o.Experiment)
	if err != nil {
		return "", err
	}
	var made struct {
		Run struct {
			Info struct {
				ID string `json:"run_id"`
			}
		}
	}
	err = s.call(ctx, http.MethodPost, "runs/create", nil, map[string]any{
		"experiment_id": experiment, "run_name": o.Name, "start_time": at.UnixMilli(),
		"tags": []map[string]string{{"key": "mlflow.source.name", "value": "gorqa"}, {"key": "mlflow.source.type", "value": "LOCAL"}},
	}, &made)
	if err != nil {
		return "", err
	}
	id = made.Run.Info.ID
	var params []map[string]string
	for key, value := range o.Params {
		params = append(params, map[string]string{"key": clean(key), "value": value[:min(len(value), longestParam)]})
	}
	for len(params) > 0 {
		n := min(mostParams, len(params))
		if err := s.call(ctx, http.MethodPost, "runs/log-batch", nil, map[string]any{"run_id": id, "params": params[:n]}, &struct{}{}); err != nil {
			return id, err
		}
		params = params[n:]
	}
	return id, nil
}

func (s *server) resume(ctx context.Context, id string) error {
	return s.call(ctx, http.MethodPost, "runs/update", nil, map[string]any{"run_id": id, "status": "RUNNING"}, &struct{}{})
}

func (s *server) log(ctx context.Context, id string, metrics []metric) error {
	named := make([]metric, len(metrics))
	for i, m := range metrics {
		m.Key = clean(m.Key)
		named[i] = m
	}
	return s.call(ctx, http.MethodPost, "runs/log-batch", nil, map[string]any{"run_id": id, "metrics": named}, &struct{}{})
}

func (s *server) end(ctx context.Context, id string, status Status, at time.Time) error {
	return s.call(ctx, http.MethodPost, "runs/update", nil, map[string]any{"run_id": id, "status": strings.ToUpper(string(status)), "end_time": at.UnixMilli()}, &struct{}{})
}
