package embed

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph" //nolint:revive // graph code reads as formulas

	"gorqa/tensor/nn"
	"gorqa/tensor/tape"
)

// StepKind is what a step does.
type StepKind string

// The steps that are known, under the names of sentence-transformers' modules.
const (
	Normalise StepKind = "Normalize" // scale to length 1
	Dense     StepKind = "Dense"     // a linear layer and an activation
	LayerNorm StepKind = "LayerNorm"
)

// Step is something that is done with pooled vectors.
type Step struct {
	Kind       StepKind
	Name       string // of its weights, before ".weight" and ".bias"
	Path       string // the folder that they lie in, in the model's
	In, Out    int    // 0 where it takes vectors of any length
	Bias       bool
	Activation string // of Dense, see nn.Activation
	Residual   bool   // what Dense takes is added to what it gives, by a matrix where the lengths differ
	Epsilon    float64
}

// Weights lists what the step has of them.
func (s Step) Weights() []tape.Weight {
	var ws []tape.Weight
	switch s.Kind {
	case Dense:
		ws = append(ws, tape.Weight{Name: s.Name + ".weight", Dims: []int{s.Out, s.In}})
		if s.Residual && s.In != s.Out {
			ws = append(ws, tape.Weight{Name: s.residual() + ".weight", Dims: []int{s.Out, s.In}})
		}
	case LayerNorm:
		ws = append(ws, tape.Weight{Name: s.Name + ".weight", Dims: []int{s.In}})
	}
	if s.Bias {
		ws = append(ws, tape.Weight{Name: s.Name + ".bias", Dims: []int{s.Out}})
	}
	return ws
}

// residual is the name of the matrix beside Dense's own.
func (s Step) residual() string { return strings.TrimSuffix(s.Name, "linear") + "residual" }

// weightNames are those of all steps.
func (o Options) weightNames() []string {
	var list []string
	for _, step := range o.Steps {
		for _, w := range step.Weights() {
			list = append(list, w.Name)
		}
	}
	return list
}

func (s Step) validate() error {
	switch {
	case s.Kind != Normalise && s.Kind != Dense && s.Kind != LayerNorm:
		return fmt.Errorf("embed: step %q; expected one of %q", s.Kind, []StepKind{Normalise, Dense, LayerNorm})
	case s.Kind != Normalise && (s.In < 1 || s.Out < 1 || s.In > mostWidth || s.Out > mostWidth):
		return fmt.Errorf("embed: %s takes vectors of %d numbers to %d; expected 1 to %d", s.Name, s.In, s.Out, mostWidth)
	case s.Kind == Dense && nn.Activation(s.Activation) == nil:
		return fmt.Errorf("embed: %s has activation %q; expected one of %q", s.Name, s.Activation, nn.Activations())
	}
	return nil
}

// mostWidth bounds what a broken file can make of a vector.
const mostWidth = 1 << 20

// apply takes vectors v [B, W] to [B, W'].
func (s Step) apply(w *nn.Weights, v *Node) *Node {
	switch s.Kind {
	case Dense:
		out := nn.Activation(s.Activation)(nn.Linear(w, s.Name, v))
		switch {
		case s.Residual && s.In == s.Out:
			return Add(out, v)
		case s.Residual:
			return Add(out, nn.Linear(w, s.residual(), v))
		}
		return out
	case LayerNorm:
		var bias *Node
		if s.Bias {
			bias = w.Get(s.Name + ".bias")
		}
		return nn.LayerNorm(v, w.Get(s.Name+".weight"), bias, s.Epsilon)
	}
	norm := MaxScalar(Sqrt(ReduceAndKeep(Square(v), ReduceSum, 1)), 1e-12)
	return Div(v, BroadcastToShape(norm, v.Shape()))
}

// String names the step for a cache.
func (s Step) String() string {
	switch s.Kind {
	case Normalise:
		return " normalised"
	case Dense:
		if s.Residual {
			return fmt.Sprintf(" dense %d %s residual", s.Out, s.Activation)
		}
		return fmt.Sprintf(" dense %d %s", s.Out, s.Activation)
	}
	return " layer norm"
}

// module is an entry of modules.json.
type module struct {
	Path string `json:"path"`
	Type string `json:"type"`
}

// kind is the last part of the type: versions of sentence-transformers differ in what
// stands before it.
func (m module) kind() string { return m.Type[strings.LastIndexByte(m.Type, '.')+1:] }

func readModules(folder string) (list []module, found bool, err error) {
	found, err = readJSON(filepath.Join(folder, "modules.json"), &list)
	return list, found, err
}

// readModule follows module i.
func (s *Settings) readModule(folder string, i int, m module) (err error) {
	path := filepath.Join(folder, "modules.json")
	if !filepath.IsLocal(m.Path) && m.Path != "" {
		return fmt.Errorf("%s: path %q leads out of the folder; expected one inside it", path, m.Path)
	}
	config := filepath.Join(folder, m.Path, "config.json")
	kind := m.kind()
	switch {
	case kind == "Transformer" && i == 0:
		s.Encoder = m.Path
	case kind == "Pooling" && i == 1:
		var whole bool
		s.Pooling, whole, err = readPooling(config)
		s.WithoutPrompt = !whole
	case kind == "Dropout" && i > 1: // does nothing outside training
	case kind == string(Normalise) && i > 1:
		s.Steps = append(s.Steps, Step{Kind: Normalise})
	case kind == string(Dense) && i > 1:
		err = s.addDense(config, i, m.Path)
	case kind == string(LayerNorm) && i > 1:
		var c struct {
			Width int `json:"dimension"`
		}
		if err = needJSON(config, &c); err == nil {
			s.Steps = append(s.Steps, Step{Kind: LayerNorm, Name: fmt.Sprintf("module %d.norm", i), Path: m.Path, In: c.Width, Out: c.Width, Bias: true, Epsilon: 1e-5})
		}
	case slices.Contains([]string{"Transformer", "Pooling", "Dropout", string(Normalise), string(Dense), string(LayerNorm)}, kind):
		err = fmt.Errorf("%s: module %q is number %d; expected a Transformer first, then Pooling, then Dense, LayerNorm, Normalize or nothing; choose another model", path, m.Type, i+1)
	default:
		err = fmt.Errorf("%s: module %q; expected Transformer, Pooling, Dense, LayerNorm and Normalize; choose a model without it", path, m.Type)
	}
	if n := len(s.Steps); err == nil && n > 0 {
		if err = s.Steps[n-1].validate(); err != nil {
			err = fmt.Errorf("%s: %w", config, err)
		}
	}
	return err
}

// torchActivations are the classes of torch.nn that a Dense module can name, as
// nn.Activation knows them.
func torchActivations() map[string]string {
	return map[string]string{
		"Identity": "identity", "Tanh": "tanh", "ReLU": "relu", "GELU": "gelu", "SiLU": "silu", "Sigmoid": "sigmoid",
	}
}

// torchActivation gives the function of a class of torch.nn; what is not torch's own
// sentence-transformers does not run, and takes another.
func torchActivation(class, other string) (string, error) {
	if !strings.HasPrefix(class, "torch.") {
		return other, nil
	}
	name, ok := torchActivations()[class[strings.LastIndexByte(class, '.')+1:]]
	if !ok {
		return other, fmt.Errorf("%q found; expected one of torch.nn's Identity, Tanh, ReLU, GELU, SiLU and Sigmoid; choose another model", class)
	}
	return name, nil
}

// addDense follows a Dense module's config.json.
func (s *Settings) addDense(path string, i int, folder string) error {
	c := struct {
		In         int     `json:"in_features"`
		Out        int     `json:"out_features"`
		Bias       *bool   `json:"bias"`
		Activation *string `json:"activation_function"`
		Input      *string `json:"module_input_name"`
		Output     *string `json:"module_output_name"`
		Residual   bool    `json:"use_residual"`
	}{}
	if err := needJSON(path, &c); err != nil {
		return err
	}
	var errs []error
	for _, name := range []*string{c.Input, c.Output} {
		if name != nil && *name != "sentence_embedding" {
			errs = append(errs, fmt.Errorf("%s: a Dense module from or to %q; expected sentence_embedding, the pooled vector; choose another model", path, *name))
		}
	}
	act := "tanh"
	if c.Activation != nil {
		var err error
		if act, err = torchActivation(*c.Activation, act); err != nil {
			errs = append(errs, fmt.Errorf("%s: activation_function: %w", path, err))
		}
	}
	s.Steps = append(s.Steps, Step{
		Kind: Dense, Name: fmt.Sprintf("module %d.linear", i), Path: folder, In: c.In, Out: c.Out,
		Bias: c.Bias == nil || *c.Bias, Activation: act, Residual: c.Residual,
	})
	return errors.Join(errs...)
}

// needJSON is readJSON of a file that has to be there.
func needJSON(path string, v any) error {
	found, err := readJSON(path, v)
	if err == nil && !found {
		err = fmt.Errorf("%s: not there; expected the settings of the module that modules.json speaks of", path)
	}
	return err
}
