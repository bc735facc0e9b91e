package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"gorqa/config"
	"gorqa/files/mlflow"
	"gorqa/files/modelfile"
	"gorqa/files/whole"
)

// mlflowFile names a training's run on MLflow's side, for when it goes on.
const mlflowFile = "mlflow.json"

// beginTracking begins the run on MLflow's side, or goes on with it, where that is asked
// for: rank 0 tells it.
func (r *run) beginTracking(ctx context.Context, resumes bool) error {
	if !r.c.MLflow() || r.world.Rank() > 0 {
		return nil
	}
	o := mlflow.FromEnvironment(filepath.Join(r.c.OutputDir, "mlruns"))
	o.Name = filepath.Base(r.c.OutputDir)
	path := filepath.Join(r.c.OutputDir, mlflowFile)
	var kept struct {
		ID string `json:"run_id"`
	}
	if resumes && o.ID == "" {
		data, err := modelfile.Read(path, 1<<16)
		if err == nil {
			err = modelfile.JSONPart(data, &kept)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", path, err)
		}
		o.ID = kept.ID
	}
	var err error
	if o.Params, err = params(&r.c); err != nil {
		return err
	}
	if r.tracked, err = mlflow.Open(ctx, o); err != nil {
		return fmt.Errorf("report_to mlflow: %w", err)
	}
	kept.ID = r.tracked.ID
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	return whole.Bytes(path, append(data, '\n'))
}

// params are the settings of a run, by name.
func params(s config.Settings) (map[string]string, error) {
	data, err := config.Resolved(s)
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, value := range all {
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		out[name] = text
	}
	return out, nil
}

// track gives what each figure of the run is told to.
func track(ctx context.Context, m *mlflow.Run) func(time.Time, int, map[string]float64) error {
	if m == nil {
		return nil
	}
	return func(at time.Time, step int, figures map[string]float64) error { return m.Log(ctx, at, step, figures) }
}

// endTracking sends what is left, whatever ended the run: a server that is gone is a
// warning.
func (r *run) endTracking(ctx context.Context, why error) {
	if r.tracked == nil {
		return
	}
	status := mlflow.Finished
	switch {
	case ctx.Err() != nil:
		status = mlflow.Killed
	case why != nil:
		status = mlflow.Failed
	}
	if err := r.tracked.End(context.WithoutCancel(ctx), status); err != nil {
		r.show.Warn("%v", err)
	}
}
