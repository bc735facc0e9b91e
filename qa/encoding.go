package qa

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/files/weights"
	"gorqa/tensor/embed"
	"gorqa/tensor/tape"
)

// loadEncoder puts an encoder's weights on the device and into the hash.
func loadEncoder(ctx context.Context, p *tape.Params, source *weights.Model, shape encoderShape, content hash.Hash) error {
	stored := encoderSource{source, map[string]string{}, shape}
	for _, name := range source.Names() {
		if other, ok := stored.names[shape.name(name)]; ok {
			return fmt.Errorf("tensors %s and %s are the same weight under two names; expected one; save the model again", other, name)
		}
		stored.names[shape.name(name)] = name
	}
	return p.Load(ctx, shape.weights, stored, false, hashing(content))
}

// hashing puts values into a hash.
func hashing(content hash.Hash) func(values []float32) {
	var raw []byte
	return func(values []float32) {
		raw = slices.Grow(raw[:0], 4*len(values))
		for _, v := range values {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		content.Write(raw)
	}
}

// encoderSource is a stored model whose weights go by other names, or are parts of
// others.
type encoderSource struct {
	*weights.Model
	names map[string]string
	shape encoderShape
}

// find gives the tensor of a weight, of which it is a part of so many.
func (s encoderSource) find(name string) (tensor string, part, parts int) {
	if stored, ok := s.names[name]; ok {
		return stored, 0, 1
	}
	if whole, part, parts := s.shape.part(name); whole != "" && s.names[whole] != "" {
		return s.names[whole], part, parts
	}
	return "", 0, 1
}

func (s encoderSource) Shape(name string) ([]int, bool) {
	tensor, _, parts := s.find(name)
	dims, ok := s.Model.Shape(tensor)
	if !ok || len(dims) == 0 || dims[0]%parts != 0 {
		return dims, ok
	}
	dims = slices.Clone(dims)
	dims[0] /= parts
	return dims, ok
}

func (s encoderSource) Float32(name string) ([]float32, error) {
	tensor, part, parts := s.find(name)
	values, err := s.Model.Float32(tensor)
	n := len(values) / parts
	return values[n*part : n*(part+1)], err
}

// unused are the tensors of a stored encoder that are neither weights nor known to be
// of no need.
func (s encoderShape) unused(source *weights.Model) []string {
	used := map[string]bool{}
	for _, w := range s.weights {
		used[w.Name] = true
		if whole, _, _ := s.part(w.Name); whole != "" {
			used[whole] = true
		}
	}
	return source.Unused(func(name string) bool {
		name = s.name(name)
		return used[name] || s.other(name)
	})
}

// loadSteps puts the weights of a folder's modules on the device and into the hash.
func loadSteps(ctx context.Context, p *tape.Params, folder string, steps []embed.Step, content hash.Hash) error {
	for _, step := range steps {
		if len(step.Weights()) == 0 {
			continue
		}
		if err := loadStep(ctx, p, filepath.Join(folder, step.Path), step, content); err != nil {
			return err
		}
	}
	return nil
}

func loadStep(ctx context.Context, p *tape.Params, folder string, step embed.Step, content hash.Hash) (err error) {
	source, err := OpenModel(ctx, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	names := map[string]string{}
	for _, w := range step.Weights() {
		_, names[w.Name], _ = strings.Cut(w.Name, ".") // without the module that it is of
	}
	if err := p.Load(ctx, step.Weights(), renamed{source, names}, false, hashing(content)); err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	return nil
}

// renamed is a stored model whose weights go by other names.
type renamed struct {
	*weights.Model
	names map[string]string
}

func (r renamed) Shape(name string) ([]int, bool) { return r.Model.Shape(r.names[name]) }

func (r renamed) Float32(name string) ([]float32, error) { return r.Model.Float32(r.names[name]) }
