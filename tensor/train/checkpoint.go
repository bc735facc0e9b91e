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

	"gorqa/engine/world"
	"gorqa/files/modelfile"
	"gorqa/files/weights"
	"gorqa/files/whole"
	"gorqa/tensor/tape"
	"gorqa/tensor/train/schedule"
)

// Saves says where checkpoints go and which of them stay.
type Saves struct {
	Dir     string // the run's output folder; checkpoints are Dir/checkpoint-N
	Limit   int    // how many of the newest to keep, 0 for all; the best one is kept besides
	Greater bool   // a greater score is better
}

// State is where a run stands, as trainer_state.json holds it.
type State struct {
	Step      int               `json:"global_step"`
	Epoch     float64           `json:"epoch"`
	BestStep  int               `json:"best_global_step"` // 0 before the first evaluation
	BestScore float64           `json:"best_metric"`
	Waited    int               `json:"early_stopping_patience_counter,omitempty"` // evaluations that brought nothing, see EarlyStop
	Schedule  schedule.Schedule `json:"schedule"`
	Rows      []int             `json:"rows"`              // of the last step: a resumed run must meet the same ones
	Made      *Origin           `json:"made_of,omitempty"` // nil in checkpoints of older versions
}

const (
	stateFile   = "trainer_state.json"
	momentsFile = "optimizer.safetensors"
	prefix      = "checkpoint-"
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
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || strconv.Itoa(n) != digits {
			continue
		}
		// A link to a folder elsewhere is a checkpoint, too.
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.IsDir() {
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
	data, err := modelfile.Read(path, maxState)
	if err != nil {
		return s, fmt.Errorf("%s is no checkpoint: %w", checkpoint, err)
	}
	if s, err = parseState(data); err != nil {
		return s, fmt.Errorf("%s: %w; take another checkpoint", path, err)
	}
	return s, nil
}

// maxState bounds trainer_state.json; the rows of a step are what makes it long.
const maxState = 64 << 20

func parseState(data []byte) (s State, err error) {
	if len(data) > maxState {
		return s, fmt.Errorf("longer than %d bytes; the state of a run expected", maxState)
	}
	if err := modelfile.JSON("", data, &s); err != nil {
		return State{}, err
	}
	if s.Step < 1 || s.BestStep < 0 || s.BestStep > s.Step || s.Step > s.Schedule.Steps {
		return State{}, fmt.Errorf("step %d of %d, the best one %d; steps from 1 on, in this order, expected", s.Step, s.Schedule.Steps, s.BestStep)
	}
	return s, s.Schedule.Validate()
}

// save writes the checkpoint of the current step, which is whole or not there,
// and removes those that are over the limit; of several processes, rank 0 does.
func (l *Loop) save(ctx context.Context) (string, error) {
	work, err := l.Job.Work(l.state.Step)
	if err != nil {
		return "", err
	}
	l.state.Schedule, l.state.Rows, l.state.Made = l.Schedule, work.Rows, &l.Made
	final := l.Saves.Name(l.state.Step)
	if err := l.optimiser.zero.giveLow(); err != nil {
		return "", err
	}
	if l.World.Rank() > 0 {
		if err := l.optimiser.zero.serve(); err != nil {
			return "", err
		}
		// Who ended before rank 0 has written would have it ended, too.
		return world.Decide[string](l.World, nil)
	}
	if err := os.MkdirAll(l.Saves.Dir, 0o777); err != nil {
		return "", err
	}
	if err := l.write(ctx, final); err != nil {
		return "", fmt.Errorf("checkpoint of step %d: %w", l.state.Step, err)
	}
	if err := l.optimiser.zero.dismiss(); err != nil {
		return "", err
	}
	return world.Decide(l.World, func() (string, error) { return final, l.rotate() })
}

// write makes the folder of a checkpoint.
func (l *Loop) write(ctx context.Context, final string) (err error) {
	temp, err := whole.NewTemp(l.Saves.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.Remove()) }()
	dir := temp.Path(filepath.Base(final))
	if err := l.Job.Save(ctx, dir); err != nil {
		return err
	}
	if err := l.optimiser.save(ctx, filepath.Join(dir, momentsFile)); err != nil {
		return err
	}
	if err := writeState(filepath.Join(dir, stateFile), l.state); err != nil {
		return err
	}
	if err := seal(ctx, dir); err != nil {
		return err
	}
	if info, err := os.Lstat(final); err == nil && info.Mode()&os.ModeSymlink != 0 { // one that leads nowhere
		if err := os.Remove(final); err != nil {
			return err
		}
	}
	if err := os.Rename(dir, final); err != nil {
		return err
	}
	return whole.Sync(l.Saves.Dir)
}

// rotate removes all but the newest checkpoints, as many as the limit says; the
// best one stays besides.
func (l *Loop) rotate() error {
	if l.Saves.Limit <= 0 {
		return nil
	}
	all, err := Checkpoints(l.Saves.Dir)
	if err != nil {
		return err
	}
	best := l.Saves.Name(l.state.BestStep)
	for _, dir := range all[:max(0, len(all)-l.Saves.Limit)] {
		if dir == best {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func writeState(path string, s State) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return whole.Bytes(path, append(data, '\n'))
}

// load takes up a checkpoint: weights, moments and position.
func (l *Loop) load(ctx context.Context, checkpoint string) error {
	s, err := ReadState(checkpoint)
	if err != nil {
		return err
	}
	if err := s.Check(checkpoint, l.Made, l.Scores); err != nil {
		return err
	}
	if s.Schedule != l.Schedule {
		return fmt.Errorf("%s was made with the schedule %+v; this run has %+v; resume with the settings of the first run", checkpoint, s.Schedule, l.Schedule)
	}
	work, err := l.Job.Work(s.Step)
	if err != nil {
		return err
	}
	if !slices.Equal(work.Rows, s.Rows) {
		return fmt.Errorf("%s: its step %d stood on rows %v; this run would give it %v; resume with the data, seed and batch sizes of the first run", checkpoint, s.Step, s.Rows, work.Rows)
	}
	if err := l.optimiser.load(filepath.Join(checkpoint, momentsFile)); err != nil {
		return err
	}
	if err := LoadWeights(ctx, l.Runner.Params, checkpoint); err != nil {
		return err
	}
	if err := l.optimiser.zero.takeLow(); err != nil {
		return err
	}
	l.optimiser.steps = s.Step
	l.state = s
	return nil
}

// save writes the moments, streaming.
func (o *Optimiser) save(ctx context.Context, path string) error {
	var out []weights.Tensor
	for i, q := range o.params.All() {
		if !q.Trained {
			continue
		}
		if o.zero == nil {
			out = append(out, o.moments[q.Name].saved(q.Name)...)
			continue
		}
		for square, name := range []string{"exp_avg.", "exp_avg_sq."} {
			out = append(out, weights.Tensor{
				Name: name + q.Name, DType: weights.F32, Shape: q.Dims,
				Data: func() (any, error) { return o.zero.ask(i, square == 1) },
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
	if o.zero != nil {
		return o.zero.load(path, f)
	}
	for _, q := range o.params.All() {
		m := o.moments[q.Name]
		if m == nil {
			continue
		}
		if err := m.load(o.engine, f, q); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// readMoment reads a moment of a weight with these dimensions.
func readMoment(f *weights.File, name string, dims []int) ([]float32, error) {
	info, ok := f.Info(name)
	if !ok || info.DType != weights.F32 || !slices.Equal(info.Shape, dims) {
		return nil, fmt.Errorf("%s: %s of shape %v found; F32 of %v expected; take another checkpoint", name, info.DType, info.Shape, dims)
	}
	values, err := f.Float32(name)
	if err != nil {
		return nil, err
	}
	square := strings.HasPrefix(name, "exp_avg_sq.") || strings.HasPrefix(name, "absmax")
	for i, x := range values {
		if !finite(float64(x)) || square && x < 0 {
			return nil, fmt.Errorf("%s: value %d is %v; a moment expected, which is finite, and not negative where it is of squares or a size; take another checkpoint", name, i, x)
		}
	}
	return values, nil
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
