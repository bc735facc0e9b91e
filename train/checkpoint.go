package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gorqa/engine/xla"
	"gorqa/internal/schedule"
	"gorqa/tape"
	"gorqa/weights"

	"github.com/gomlx/gomlx/core/tensors"
)

// Saves says where checkpoints go and which of them stay.
type Saves struct {
	Dir     string // the run's output folder; checkpoints are Dir/checkpoint-N
	Limit   int    // how many to keep, 0 for all; the best one is kept besides
	Greater bool   // a greater score is better
}

// State is where a run stands, as trainer_state.json holds it.
type State struct {
	Step      int               `json:"global_step"`
	Epoch     float64           `json:"epoch"`
	BestStep  int               `json:"best_global_step"` // 0 before the first evaluation
	BestScore float64           `json:"best_metric"`
	Schedule  schedule.Schedule `json:"schedule"`
	Rows      []int             `json:"rows"` // of the last step: a resumed run must meet the same ones
}

const (
	stateFile   = "trainer_state.json"
	momentsFile = "optimizer.safetensors"
	prefix      = "checkpoint-"
	unfinished  = ".tmp-"
)

// Name is the folder of a step's checkpoint.
func (s Saves) Name(step int) string {
	return filepath.Join(s.Dir, prefix+strconv.Itoa(step))
}

// Checkpoints lists the whole checkpoints under a folder, oldest first.
func Checkpoints(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	steps := []int{}
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), prefix)
		if n, err := strconv.Atoi(digits); ok && err == nil && e.IsDir() {
			steps = append(steps, n)
		}
	}
	slices.Sort(steps)
	out := make([]string, len(steps))
	for i, n := range steps {
		out[i] = Saves{Dir: dir}.Name(n)
	}
	return out, nil
}

// ReadState reads a checkpoint's state.
func ReadState(checkpoint string) (State, error) {
	var s State
	path := filepath.Join(checkpoint, stateFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("%s is no checkpoint: %w", checkpoint, err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("%s: %w; take another checkpoint", path, err)
	}
	return s, nil
}

// save writes the checkpoint of the current step: into a temporary folder,
// synced, then renamed, so that a checkpoint is whole or not there.
func (l *Loop[B]) save(ctx context.Context) (string, error) {
	work, err := l.Work(l.state.Step)
	if err != nil {
		return "", err
	}
	l.state.Schedule, l.state.Rows = l.Schedule, work.Rows
	final := l.Saves.Name(l.state.Step)
	if s, err := ReadState(final); err == nil && s.Step == l.state.Step {
		return final, nil // a resumed run comes by its own start
	}
	if err := os.MkdirAll(l.Saves.Dir, 0o755); err != nil {
		return "", err
	}
	if err := l.dropUnfinished(); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(l.Saves.Dir, unfinished)
	if err != nil {
		return "", err
	}
	err = errors.Join(
		l.SaveModel(ctx, tmp),
		l.optimiser.save(ctx, filepath.Join(tmp, momentsFile)),
		writeState(filepath.Join(tmp, stateFile), l.state),
	)
	if err == nil {
		err = errors.Join(os.Chmod(tmp, 0o755), syncDir(tmp), os.Rename(tmp, final), syncDir(l.Saves.Dir))
	}
	if err != nil {
		return "", fmt.Errorf("checkpoint of step %d: %w", l.state.Step, errors.Join(err, os.RemoveAll(tmp)))
	}
	return final, l.rotate()
}

// dropUnfinished removes what a killed run left half written.
func (l *Loop[B]) dropUnfinished() error {
	left, err := filepath.Glob(filepath.Join(l.Saves.Dir, unfinished+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// rotate removes the oldest checkpoints over the limit, never the best one.
func (l *Loop[B]) rotate() error {
	if l.Saves.Limit <= 0 {
		return nil
	}
	all, err := Checkpoints(l.Saves.Dir)
	if err != nil {
		return err
	}
	best := l.Saves.Name(l.state.BestStep)
	for len(all) > l.Saves.Limit {
		oldest := slices.IndexFunc(all, func(c string) bool { return c != best })
		if oldest < 0 {
			break
		}
		if err := os.RemoveAll(all[oldest]); err != nil {
			return err
		}
		all = slices.Delete(all, oldest, oldest+1)
	}
	return nil
}

func writeState(path string, s State) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// load takes up a checkpoint: weights, moments and position.
func (l *Loop[B]) load(ctx context.Context, checkpoint string) error {
	s, err := ReadState(checkpoint)
	if err != nil {
		return err
	}
	if s.Schedule != l.Schedule {
		return fmt.Errorf("%s was made with the schedule %+v; this run has %+v; resume with the settings of the first run", checkpoint, s.Schedule, l.Schedule)
	}
	if s.Step > 0 {
		work, err := l.Work(s.Step)
		if err != nil {
			return err
		}
		if !slices.Equal(work.Rows, s.Rows) {
			return fmt.Errorf("%s: its step %d stood on rows %v; this run would give it %v; resume with the data, seed and batch sizes of the first run", checkpoint, s.Step, s.Rows, work.Rows)
		}
	}
	if err := l.optimiser.load(filepath.Join(checkpoint, momentsFile)); err != nil {
		return err
	}
	if err := LoadWeights(ctx, l.Runner.Params, checkpoint); err != nil {
		return err
	}
	l.optimiser.steps = s.Step
	l.state = s
	return nil
}

// save writes the moments, streaming.
func (o *Optimiser) save(ctx context.Context, path string) error {
	var out []weights.Tensor
	for _, q := range o.params.All() {
		m := o.moments[q.Name]
		if m == nil {
			continue
		}
		for _, part := range []struct {
			name string
			t    *tensors.Tensor
		}{{"exp_avg.", m.mean}, {"exp_avg_sq.", m.square}} {
			out = append(out, weights.Tensor{
				Name: part.name + q.Name, DType: weights.F32, Shape: q.Dims,
				Data: func() (any, error) { return xla.ToHost[float32](part.t) },
			})
		}
	}
	return weights.WriteSafetensors(ctx, path, out, nil)
}

// load replaces the moments by saved ones.
func (o *Optimiser) load(path string) (err error) {
	f, err := weights.ReadSafetensors(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	read := func(name string, dims []int, t **tensors.Tensor) error {
		values, err := f.Float32(name)
		if err != nil {
			return err
		}
		loaded, err := xla.FromHost(o.engine, values, dims...)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, name, err)
		}
		err = xla.Free(*t)
		*t = loaded
		return err
	}
	for _, q := range o.params.All() {
		m := o.moments[q.Name]
		if m == nil {
			continue
		}
		if err := errors.Join(read("exp_avg."+q.Name, q.Dims, &m.mean), read("exp_avg_sq."+q.Name, q.Dims, &m.square)); err != nil {
			return err
		}
	}
	return nil
}

// LoadWeights replaces the trained weights by those saved in a folder, of a
// whole model or of an adapter.
func LoadWeights(ctx context.Context, p *tape.Params, folder string) (err error) {
	var m *weights.Model
	if weights.IsAdapter(folder) {
		m, _, err = weights.OpenAdapter(ctx, folder)
	} else {
		m, err = weights.Open(ctx, folder)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	for _, q := range p.All() {
		if !q.Trained {
			continue
		}
		values, err := m.Float32(q.Name)
		if err != nil {
			return err
		}
		if err := p.SetHost(q, values); err != nil {
			return fmt.Errorf("%s: %s: %w", folder, q.Name, err)
		}
	}
	return nil
}
