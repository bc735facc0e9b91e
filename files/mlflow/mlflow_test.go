package mlflow

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A file store has what MLflow's own reads (parity/check_mlflow.py reads it by MLflow).
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	r, err := Open(t.Context(), Options{URI: dir, Experiment: "colours", Name: "first", Params: map[string]string{"max_steps": "4", "odd;name": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1700000000123)
	for step, loss := range []float64{2.5, 1.25} {
		if err := r.Log(t.Context(), at, step+1, map[string]float64{"loss": loss, "eval_gen/f1": 0.5}); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Open(t.Context(), Options{URI: "file://" + dir, ID: r.ID})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.End(t.Context(), Killed); err != nil {
		t.Fatal(err)
	}
	if err := again.Log(t.Context(), at, 3, map[string]float64{"loss": 1}); err != nil {
		t.Fatal(err)
	}
	if err := again.End(t.Context(), Finished); err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(dir, experimentID("colours"), r.ID)
	for name, want := range map[string]string{
		"metrics/loss": "1700000000123 2.5 1\n1700000000123 1.25 2\n1700000000123 1 3\n", "metrics/eval_gen/f1": "1700000000123 0.5 1\n1700000000123 0.5 2\n",
		"params/max_steps": "4", "params/odd_name": "x", "tags/mlflow.runName": "first",
	} {
		if data, err := os.ReadFile(filepath.Join(run, name)); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v; expected %q", name, data, err, want)
		}
	}
	meta, err := os.ReadFile(filepath.Join(run, "meta.yaml"))
	if err != nil || !strings.Contains(string(meta), "\nstatus: 3\n") || strings.Contains(string(meta), "end_time: null") {
		t.Errorf("%s, %v; expected a run that is finished", meta, err)
	}
}

// A server gets what its API takes, with the credentials of the variables; one that does
// not answer keeps nobody, and what it did not take goes with what comes later.
func TestServer(t *testing.T) {
	t.Setenv("MLFLOW_TRACKING_USERNAME", "me")
	t.Setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
	var asked []string
	var logged []metric
	broken := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Metrics []metric
			Params  []any
			Status  string
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		name, password, _ := r.BasicAuth()
		asked = append(asked, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(r.URL.Path, "/at/api/2.0/mlflow/")+" "+name+password+" "+body.Status))
		switch {
		case broken:
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte(`{"message": "hunter2 is no good"}`))
		case strings.HasSuffix(r.URL.Path, "get-by-name"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"error_code": "RESOURCE_DOES_NOT_EXIST"}`))
		default:
			logged = append(logged, body.Metrics...)
			_, _ = w.Write([]byte(`{"experiment_id": "7", "run": {"info": {"run_id": "r1"}}}`))
		}
	}))
	defer server.Close()
	r, err := Open(t.Context(), Options{URI: server.URL + "/at", Experiment: "colours", Params: map[string]string{"a": "b"}})
	if err != nil || r.ID != "r1" {
		t.Fatalf("%+v, %v", r, err)
	}
	broken = true
	if err := r.Log(t.Context(), time.UnixMilli(5), 1, map[string]float64{"loss": 2}); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "502") {
		t.Errorf("%v; expected the server's status without the password", err)
	}
	if err := r.Log(t.Context(), time.UnixMilli(6), 2, map[string]float64{"loss": 1}); err != nil {
		t.Errorf("soon after an error nothing is sent: %v", err)
	}
	broken = false
	if err := r.End(t.Context(), Finished); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]metric{{"loss", 2, 5, 1}, {"loss", 1, 6, 2}}, logged); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"GET experiments/get-by-name mehunter2", "POST experiments/create mehunter2", "POST runs/create mehunter2", "POST runs/log-batch mehunter2",
		"POST runs/log-batch mehunter2", "POST runs/log-batch mehunter2", "POST runs/update mehunter2 FINISHED",
	}, asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if _, err := Open(t.Context(), Options{URI: "sqlite:///x.db"}); err == nil || !strings.Contains(err.Error(), `of kind "sqlite"`) {
		t.Errorf("%v", err)
	}
}
