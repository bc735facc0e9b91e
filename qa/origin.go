package qa

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/files/weights"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// Origin is where a generator comes from: a model, and the adapter on it where
// there is one.
type Origin struct {
	Base    string        // model: folder or GGUF file
	Adapter string        // folder; "" for an adapter that is not trained yet, or none
	LoRA    *weights.LoRA // nil without an adapter
	seed    int64         // of an adapter that is not trained yet
	Bits    int           // that a value of the linear layers is held in, or 0
}

// Named says which model a generator is, by the names that the user gave.
type Named struct {
	Model    string // a path, or what Locate knows it by; of a model or of an adapter
	Revision string // of a hub's model
	Adapter  string // to put on it; "" for none, or the one that Model is
	Bits     int    // that a value of the linear layers is held in, or 0
}

// mainRevision is a hub model's where nobody says.
const mainRevision = "main"

// Locate finds a model or an adapter on the disk, bringing it there if it must.
type Locate func(ctx context.Context, name, revision string) (path string, err error)

// FindOrigin finds a model and the adapter that is named beside it; or, if it is
// itself an adapter, the base model of that.
func FindOrigin(ctx context.Context, m Named, locate Locate) (Origin, error) {
	path, err := locate(ctx, m.Model, m.Revision)
	if err != nil {
		return Origin{}, err
	}
	o := Origin{Base: path, Bits: m.Bits}
	switch {
	case m.Adapter != "" && weights.IsAdapter(path):
		return Origin{}, fmt.Errorf("%s is an adapter, and adapter_name_or_path names another, %s; a base model and one adapter expected, or one adapter alone", path, m.Adapter)
	case m.Adapter != "":
		if o.Adapter, err = locate(ctx, m.Adapter, mainRevision); err != nil {
			return Origin{}, fmt.Errorf("adapter_name_or_path: %w", err)
		}
		if !weights.IsAdapter(o.Adapter) {
			return Origin{}, fmt.Errorf("adapter_name_or_path: %s has no adapter_config.json; a folder with an adapter in PEFT's format expected", o.Adapter)
		}
	case weights.IsAdapter(path):
		o.Adapter = path
	default:
		return o, nil
	}
	lora, err := weights.ReadLoRA(ctx, o.Adapter)
	if err != nil {
		return Origin{}, err
	}
	o.LoRA = &lora
	if m.Adapter != "" {
		return o, nil
	}
	if o.Base, err = locate(ctx, lora.Base, cmp.Or(lora.Revision, mainRevision)); err != nil {
		return Origin{}, fmt.Errorf("base model of the adapter %s: %w; or give the base model with --model_name_or_path and the adapter with --adapter_name_or_path", path, err)
	}
	return o, nil
}

// AdapterOptions are those of a new adapter.
type AdapterOptions struct {
	Rank           int
	Alpha, Dropout float64
	RSLoRA         bool     // scaled by alpha over the root of the rank
	Targets        []string // ends of layers' names, or AllLinear alone
}

// AllLinear is PEFT's name for all linear layers but the head.
const AllLinear = "all-linear"

// Train prepares training: of an adapter, a new one with the options, or the one
// that is there, as it is; with nil, of the whole model. m is what the origin was
// found by.
func (o *Origin) Train(a *AdapterOptions, m Named, seed int64) error {
	switch {
	case a == nil && o.LoRA != nil:
		return fmt.Errorf("%s is an adapter; a whole model expected: train the adapter on with --use_peft true, or merge it first with gorqa merge", o.Adapter)
	case a == nil:
		return nil
	case o.LoRA == nil:
		o.seed = seed
		o.LoRA = &weights.LoRA{Rank: a.Rank, Alpha: a.Alpha, Dropout: a.Dropout, RSLoRA: a.RSLoRA, Targets: a.Targets}
	case m.Adapter == "":
		return nil // it has its base model
	}
	o.LoRA.Base, o.LoRA.Revision = m.Model, ""
	if m.Revision != mainRevision {
		o.LoRA.Revision = m.Revision
	}
	if modelfile.Exists(m.Model) { // so that it is found from any folder
		var err error
		o.LoRA.Base, err = filepath.Abs(m.Model)
		return err
	}
	return nil
}

// Resumes checks that a checkpoint is of the kind that o trains.
func (o *Origin) Resumes(ctx context.Context, checkpoint string) error {
	if !weights.IsAdapter(checkpoint) {
		if o.LoRA != nil {
			return fmt.Errorf("%s holds a whole model; the checkpoint of an adapter expected: resume with --use_peft false, as the first run was", checkpoint)
		}
		return nil
	}
	saved, err := weights.ReadLoRA(ctx, checkpoint)
	if err != nil {
		return err
	}
	if o.LoRA == nil {
		return fmt.Errorf("%s holds an adapter; the checkpoint of a whole model expected: resume with --use_peft true, as the first run was", checkpoint)
	}
	if saved.Rank != o.LoRA.Rank || saved.Scale() != o.LoRA.Scale() || saved.Dropout != o.LoRA.Dropout || !slices.Equal(saved.Targets, o.LoRA.Targets) {
		return fmt.Errorf("%s: an adapter of rank %d on %s, scaled by %g, dropout %g; this run has rank %d on %s, scaled by %g, dropout %g; resume with the settings of the first run",
			checkpoint, saved.Rank, strings.Join(saved.Targets, ","), saved.Scale(), saved.Dropout,
			o.LoRA.Rank, strings.Join(o.LoRA.Targets, ","), o.LoRA.Scale(), o.LoRA.Dropout)
	}
	return nil
}

// openAdapter puts o's adapter beside the weights of a runner, which has the
// linear layers ws, and gives the files that lie with it.
func (o *Origin) openAdapter(ctx context.Context, r *tape.Runner, ws []tape.Weight, trained bool) (files map[string][]byte, err error) {
	if o.LoRA == nil {
		return nil, nil
	}
	matrices, err := o.matrices(ws)
	if err != nil {
		return nil, err
	}
	source := tape.NewAdapters(matrices, o.seed)
	if o.Adapter != "" {
		m, _, openErr := weights.OpenAdapter(ctx, o.Adapter)
		if openErr != nil {
			return nil, openErr
		}
		defer func() { err = errors.Join(err, m.Close()) }()
		if n := len(m.Names()); n != len(matrices) {
			return nil, fmt.Errorf("%s: %d matrices; the model %s has layers for %d; expected the model that the adapter was trained on, %s", o.Adapter, n, o.Base, len(matrices), o.LoRA.Base)
		}
		files, source = m.Files(), m
	}
	r.Adapter = nn.Adapter{Scale: o.LoRA.Scale(), Dropout: o.LoRA.Dropout}
	if err := r.Params.Load(ctx, matrices, source, trained, nil); err != nil {
		return nil, fmt.Errorf("adapter: %w", err)
	}
	return files, nil
}

// matrices are those of the adapter, none without one, for a model with the
// linear layers ws. In the adapter's list of targets the layers are named then.
func (o *Origin) matrices(ws []tape.Weight) ([]tape.Weight, error) {
	if o.LoRA == nil {
		return nil, nil
	}
	var last []string // parts of the names
	for _, w := range ws {
		module := strings.TrimSuffix(w.Name, ".weight")
		last = append(last, module[strings.LastIndexByte(module, '.')+1:])
	}
	slices.Sort(last)
	last = slices.Compact(last)
	if slices.Equal(o.LoRA.Targets, []string{AllLinear}) {
		o.LoRA.Targets = last
	}
	matches := func(w tape.Weight, target string) bool {
		module := strings.TrimSuffix(w.Name, ".weight")
		return module == target || strings.HasSuffix(module, "."+target)
	}
	var problems []error
	for _, t := range o.LoRA.Targets {
		if !slices.ContainsFunc(ws, func(w tape.Weight) bool { return matches(w, t) }) {
			problems = append(problems, fmt.Errorf("adapter: the model %s has no linear layer %s; expected some of %s, or %s (lora_target_modules)", o.Base, t, strings.Join(last, ", "), AllLinear))
		}
	}
	ws = slices.DeleteFunc(ws, func(w tape.Weight) bool {
		return !slices.ContainsFunc(o.LoRA.Targets, func(t string) bool { return matches(w, t) })
	})
	for _, w := range ws {
		if widest := max(w.Dims[0], w.Dims[1]); o.LoRA.Rank > widest {
			problems = append(problems, fmt.Errorf("adapter: rank %d (lora_r), beyond the %d x %d of %s of the model %s; expected at most %d; an adapter is of low rank", o.LoRA.Rank, w.Dims[0], w.Dims[1], w.Name, o.Base, widest))
			break
		}
	}
	return tape.Adapters(ws, o.LoRA.Rank), errors.Join(problems...)
}

// describe says what the adapter is.
func (o *Origin) describe(p *tape.Params) string {
	matrices, weights := 0, 0
	for _, q := range p.All() {
		if strings.Contains(q.Name, ".lora_") {
			matrices++
			weights += tape.Weight{Dims: q.Dims}.Size()
		}
	}
	where := o.Adapter
	if where == "" {
		where = "a new one"
	}
	return fmt.Sprintf("Adapter (%s): rank %d on %d layers, scaled by %.4g, %d weights", where, o.LoRA.Rank, matrices/2, o.LoRA.Scale(), weights)
}

// TokenizerFolder is where the tokenizer lies: with the adapter, or with the model.
func (o *Origin) TokenizerFolder() string {
	if o.Adapter != "" && modelfile.Exists(filepath.Join(o.Adapter, "tokenizer.json")) {
		return o.Adapter
	}
	return o.Base
}

// save writes what is trained: the adapter, or the whole model with its
// config.json.
func (o *Origin) save(ctx context.Context, dir string, p *tape.Params, config []byte, files map[string][]byte) error {
	var list []weights.Tensor
	for _, q := range p.All() {
		if q.Trained || o.LoRA == nil {
			list = append(list, weights.Tensor{
				Name: q.Name, DType: weights.F32, Shape: q.Dims,
				Data: func() (any, error) { return p.Host(q) },
			})
		}
	}
	if o.LoRA != nil {
		return weights.SaveAdapter(ctx, dir, *o.LoRA, list, files)
	}
	return weights.Save(ctx, dir, weights.Saved{Config: config, DType: weights.F32, Tensors: list, Files: files})
}
