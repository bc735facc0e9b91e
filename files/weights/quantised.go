package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gorqa/files/modelfile"
)

// quantised is how config.json says that weights stand in eight bits and a scale.
type quantised struct {
	method   string
	integers bool   // weights may be whole numbers
	block    [2]int // rows and columns that share a scale, where it is one of blocks
}

// quantisationConfig is what counts of a quantization_config.
type quantisationConfig struct {
	Method    string `json:"quant_method"`
	Algorithm string `json:"quant_algo"`
	Format    string `json:"format"`
	Block     []int  `json:"weight_block_size"`
	Groups    map[string]struct {
		Format  string
		Weights *struct {
			Bits  int    `json:"num_bits"`
			Type  string `json:"type"`
			Block []int  `json:"block_structure"`
		}
	} `json:"config_groups"`
	Sparsity  struct{ Format string } `json:"sparsity_config"`
	Transform map[string]any          `json:"transform_config"`
}

// missing says what of it is not computed, "" where all is.
func (c *quantisationConfig) missing() string {
	switch c.Method {
	case "fp8", "fbgemm_fp8":
		return ""
	case "modelopt":
		if c.Algorithm != "FP8" {
			return fmt.Sprintf("quant_algo %q; FP8 is read", c.Algorithm)
		}
		return ""
	case "compressed-tensors", "":
	default:
		return "a method of which nothing is read; fp8, fbgemm_fp8, compressed-tensors and modelopt's FP8 are"
	}
	formats := []string{c.Format}
	for _, g := range c.Groups {
		if g.Format != "" {
			formats = append(formats, g.Format)
		}
		if g.Weights != nil && g.Weights.Bits != 8 {
			return fmt.Sprintf("%s weights of %d bits; 8 are read", g.Weights.Type, g.Weights.Bits)
		}
	}
	for _, f := range formats {
		if !slices.Contains([]string{"dense", "float-quantized", "int-quantized", "naive-quantized"}, f) {
			return fmt.Sprintf("format %q; dense, float-quantized, int-quantized and naive-quantized are read", f)
		}
	}
	if s := c.Sparsity.Format; s != "" && s != "dense" {
		return fmt.Sprintf("sparsity_config of format %q; dense is read", s)
	}
	if len(c.Transform) > 0 {
		return "transform_config, which turns weights before they are quantised; none is read"
	}
	return ""
}

// quantisedOf reads what config.json says of quantised weights, nil where they are
// plain. Forms that are not computed are an error that names what is missing.
func quantisedOf(config map[string]any) (*quantised, error) {
	for _, key := range []string{quantisationName, "compression_config"} { // the second is an old name
		if off(config[key]) {
			continue
		}
		var c quantisationConfig
		data, err := json.Marshal(config[key])
		if err == nil {
			err = modelfile.JSONPart(data, &c)
		}
		missing := c.missing()
		if err != nil {
			missing = err.Error()
		}
		if missing != "" {
			return nil, fmt.Errorf("%s: quantised weights (quant_method %q), which are not read: %s; expected F32, F16 or BF16, or a .gguf file; take the model that was quantised, or save it with dequantize() of transformers; if its weights are plain, take the key out", key, c.Method, missing)
		}
		q := &quantised{method: c.Method, integers: c.Method == "compressed-tensors" || c.Method == ""}
		blocks := [][]int{c.Block}
		for _, g := range c.Groups {
			if g.Weights != nil {
				blocks = append(blocks, g.Weights.Block)
			}
		}
		for _, b := range blocks {
			if len(b) == 2 && b[0] > 0 && b[1] > 0 {
				q.block = [2]int{b[0], b[1]}
			}
		}
		return q, nil
	}
	return nil, nil
}

// Names of what stands beside a quantised weight: its scale, under one of two names, and
// for integers perhaps the number that means 0. The others are those of activations, which are not
// quantised here.
var (
	scaleNames   = []string{"_scale_inv", "_scale"}
	zeroName     = "_zero_point"
	unusedScales = []string{".input_scale", ".activation_scale", ".input_zero_point", ".k_scale", ".v_scale", ".q_scale", ".output_scale"}
)

// dequantise makes plain weights of those that stand in eight bits: their values times
// their scales, in float32, when they are read.
func (m *Model) dequantise(q *quantised) error {
	var problems []error
	done := 0
	for _, name := range slices.Clone(m.names) {
		t := m.tensors[name]
		if slices.ContainsFunc(unusedScales, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			m.drop(name)
			continue
		}
		if t.stored != "F8_E4M3" && t.stored != "I8" || !strings.HasSuffix(name, ".weight") {
			continue
		}
		if t.stored == "I8" && !q.integers {
			problems = append(problems, fmt.Errorf("%s: tensor %q of format I8, which with quant_method %q are two values of 4 bits; F8_E4M3 expected; take the model that was quantised", m.path, name, q.method))
			continue
		}
		with, scaled := "", tensor{}
		for _, suffix := range scaleNames {
			if s, ok := m.tensors[name+suffix]; ok {
				with, scaled = name+suffix, s
			}
		}
		if with == "" {
			problems = append(problems, fmt.Errorf("%s: tensor %q of format %s has no %s beside it; expected its scale; the model is not whole, or of another form than quant_method %q says", m.path, name, t.stored, name+"_scale", q.method))
			continue
		}
		zero, shifted := m.tensors[name+zeroName]
		perRow, perColumn, err := q.spread(t.shape, scaled.shape)
		if err == nil && shifted && !slices.Equal(zero.shape, scaled.shape) {
			err = fmt.Errorf("zero points of shape %v; expected that of the scales, %v", zero.shape, scaled.shape)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: tensor %q: %w", m.path, name, err))
			continue
		}
		m.tensors[name] = tensor{shape: t.shape, read: func() ([]float32, error) {
			values, errV := t.numbers()
			scales, errS := scaled.numbers()
			var zeros []float32
			var errZ error
			if shifted {
				zeros, errZ = zero.numbers()
			}
			if err := errors.Join(errV, errS, errZ); err != nil {
				return nil, err
			}
			scaleBlocks(values, t.shape, scales, zeros, perRow, perColumn)
			return values, notFinite(m.path, name, values)
		}}
		m.drop(with)
		if shifted {
			m.drop(name + zeroName)
		}
		done++
	}
	if done > 0 {
		m.notes = append(m.notes, fmt.Sprintf("%s: %d weights stand in 8 bits (quant_method %q): they are read as numbers, and what passes between them is not quantised", m.path, done, q.method))
	}
	return errors.Join(problems...)
}

// spread is how many rows and columns of a weight share a scale: all, those of a row,
// of a group in it, or of a block.
func (q *quantised) spread(shape, scales []int) (rows, columns int, err error) {
	if (Info{Shape: scales}).Elements() == 1 {
		return math.MaxInt, math.MaxInt, nil
	}
	if len(shape) != 2 || len(scales) < 1 || len(scales) > 2 || (Info{Shape: shape}).Elements() == 0 {
		return 0, 0, fmt.Errorf("shape %v with scales of shape %v; expected a matrix with a scale, one for each row, group or block", shape, scales)
	}
	down, across := scales[0], 1
	if len(scales) == 2 {
		across = scales[1]
	}
	rows, columns = q.block[0], q.block[1]
	if down == shape[0] {
		rows = 1
		if across > 0 && shape[1]%across == 0 {
			columns = shape[1] / across
		}
	}
	parts := func(n, each int) int { return (n + each - 1) / max(each, 1) }
	if rows < 1 || columns < 1 || parts(shape[0], rows) != down || parts(shape[1], columns) != across {
		return 0, 0, fmt.Errorf("scales of shape %v for a weight of shape %v; expected one for each row, group, or block of %v", scales, shape, q.block)
	}
	return rows, columns, nil
}

// scaleBlocks takes the zero points, where there are some, from a matrix and multiplies
// it with the scales of its blocks.
func scaleBlocks(values []float32, shape []int, scales, zeros []float32, rows, columns int) {
	width := len(values)
	if len(shape) == 2 && shape[1] > 0 {
		width = shape[1]
	}
	across := 1
	if columns < width {
		across = (width + columns - 1) / columns
	}
	for i := range values {
		s := i/width/rows*across + i%width/columns
		v := values[i]
		if zeros != nil {
			v -= zeros[s]
		}
		values[i] = v * scales[s]
	}
}

// float32FromF8E4M3 widens a float of a sign, four bits of exponent and three of
// fraction, without infinities.
func float32FromF8E4M3(b byte) float32 {
	exponent, fraction := int(b>>3&15), float64(b&7)
	var v float64
	switch {
	case exponent == 0:
		v = math.Ldexp(fraction, -9)
	case b&0x7f == 0x7f:
		v = math.NaN()
	default:
		v = math.Ldexp(8+fraction, exponent-10)
	}
	if b&0x80 != 0 {
		v = -v
	}
	return float32(v)
}

// numbers reads a tensor of any format that quantised weights and scales have, as the
// numbers that are stored.
func (f *File) numbers(name string) ([]float32, error) {
	info := f.tensors[name]
	var one func(b byte) float32
	switch info.DType {
	case "F8_E4M3":
		one = float32FromF8E4M3
	case "F8_E8M0":
		one = func(b byte) float32 { return float32(math.Ldexp(1, int(b)-127)) }
	case "I8":
		one = func(b byte) float32 { return float32(int8(b)) }
	default:
		return f.Float32(name)
	}
	values := make([]float32, info.Elements())
	err := f.chunks(name, info, func(i, n int, raw []byte) error {
		for j, b := range raw[:n] {
			values[i+j] = one(b)
		}
		return nil
	})
	return values, err
}
