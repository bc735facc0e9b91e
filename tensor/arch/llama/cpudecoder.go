package llama

import (
	"fmt"

	"gorqa/engine/cpu"
	"gorqa/engine/xla"
	"gorqa/tensor/nn"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
)

// CPUDecoder runs a decoder one token further in the host's memory, where a graph
// would pack every weight anew for a handful of rows. It reads the runner's
// weights as they are when it is made, and is gone when they change.
type CPUDecoder struct {
	config  Config
	bf16    bool
	adapter nn.Adapter
	embed   cpu.Matrix
	head    cpu.Matrix
	norm    []float32
	layers  []cpuLayer
	scratch cpu.Workspace
}

// cpuLayer are a layer's weights by their local names.
type cpuLayer struct {
	matrices map[string]cpu.Matrix // adapters among them
	vectors  map[string][]float32  // norms and biases
}

// CPUDecoder makes ready for Step; nil where the weights are not in the host's
// memory, or held in fewer bits than its products take.
func (m *Model) CPUDecoder(r *tape.Runner) (*CPUDecoder, error) {
	if !r.Device.Native {
		return nil, nil
	}
	d := &CPUDecoder{config: m.Config, bf16: m.dtype == dtypes.BFloat16, adapter: r.Adapter, layers: make([]cpuLayer, m.Config.Layers)}
	for i := range d.layers {
		d.layers[i] = cpuLayer{map[string]cpu.Matrix{}, map[string][]float32{}}
	}
	for _, p := range r.Params.All() {
		if p.Scale != nil {
			return nil, nil
		}
		var layer int
		local := ""
		if n, _ := fmt.Sscanf(p.Name, "model.layers.%d.", &layer); n == 1 && layer < len(d.layers) {
			local = p.Name[len(layerPrefix(layer)):]
		}
		if len(p.Dims) == 1 {
			values, err := xla.Memory[float32](p.Compute)
			switch {
			case err != nil:
				return nil, err
			case local != "":
				d.layers[layer].vectors[local] = values
			case p.Name == "model.norm.weight":
				d.norm = values
			}
			continue
		}
		matrix, err := cpuMatrix(p)
		if err != nil {
			return nil, err
		}
		if p.Name == "model.embed_tokens.weight" {
			d.embed = matrix
		}
		if p.Short.Out > 0 {
			if matrix, err = matrix.Beside(p.Short); err != nil {
				return nil, fmt.Errorf("weight %s: %w", p.Name, err)
			}
		}
		if local != "" {
			d.layers[layer].matrices[local] = matrix
		}
		if p.Name == m.Config.HeadName() {
			d.head = matrix
		}
	}
	return d, nil
}

func cpuMatrix(p *tape.Param) (m cpu.Matrix, err error) {
	if p.Compute.DType() == dtypes.BFloat16 {
		err = xla.View(p.Compute, func(flat []bfloat16.BFloat16) (err error) {
			m, err = cpu.NewMatrix(flat, p.Dims[0], p.Dims[1])
			return err
		})
		return m, err
	}
	flat, err := xla.Memory[float32](p.Compute)
	if err != nil {
		return m, err
	}
	return cpu.NewMatrix(flat, p.Dims[0], p.Dims[1])
}

// KVCaches are the keys and values of one row, layer by layer.
type KVCaches []*cpu.KVCache

// Add adds a layer's keys and values at the given places of Prefill's k and v [S, N, C].
func (kv KVCaches) Add(layer int, k, v *tape.Value, places []int32) error {
	if k.Tensor.DType() == dtypes.BFloat16 {
		return appendKV[bfloat16.BFloat16](kv[layer], k, v, places)
	}
	return appendKV[float32](kv[layer], k, v, places)
}

func appendKV[T float32 | bfloat16.BFloat16](c *cpu.KVCache, k, v *tape.Value, places []int32) error {
	return xla.View(k.Tensor, func(keys []T) error {
		return xla.View(v.Tensor, func(values []T) error { return cpu.AppendKV(c, keys, values, places) })
	})
}

// NewKVCaches makes empty ones.
func (d *CPUDecoder) NewKVCaches() (KVCaches, error) {
	kv := make(KVCaches, 0, d.config.Layers)
	for range d.config.Layers {
		c, err := cpu.NewKVCache(d.config.KVHeads, d.config.HeadWidth, d.bf16)
		if err != nil {
			kv.Free()
			return nil, err
		}
		kv = append(kv, c)
	}
	return kv, nil
}

// Truncate drops what is behind the first so many tokens and keeps the memory.
func (kv KVCaches) Truncate(length int) {
	for _, c := range kv {
		c.Truncate(length)
	}
}

// Free gives its memory back.
func (kv KVCaches) Free() {
	for _, c := range kv {
		c.Free()
	}
}

// step is the tokens of one step, B of them from one row after the other, each with
// what it attends to.
type step struct {
	cos, sin [][]float32 // of its position, for each of Config.ropeKinds: [B, R/2]
	caches   []KVCaches  // its row's
	lengths  []int32     // tokens of it that are seen, itself the last
}

// Step runs rows further, each by one token or more, behind what its caches hold, to which
// they are added: B tokens in all to logits [B, V], which hold until the next step. What is
// computed for a token does not depend on what else a step holds.
func (d *CPUDecoder) Step(tokens [][]int32, caches []KVCaches) ([]float32, error) {
	c := d.config
	if len(caches) != len(tokens) || len(tokens) == 0 {
		return nil, fmt.Errorf("llama: tokens of %d rows, caches of %d", len(tokens), len(caches))
	}
	kinds, scale := c.ropeKinds(), d.embedScale()
	s := step{cos: make([][]float32, len(kinds)), sin: make([][]float32, len(kinds))}
	var x []float32
	for r, ids := range tokens {
		for i, id := range ids {
			if id < 0 || int(id) >= c.Vocabulary {
				return nil, fmt.Errorf("llama: token id %d; expected one of the model's %d", id, c.Vocabulary)
			}
			x = append(x, make([]float32, c.Width)...)
			row := x[len(x)-c.Width:]
			d.embed.Row(int(id), row)
			multiply(row, scale)
			position := caches[r][0].Length() + i
			for k, rope := range kinds {
				cos, sin := rope.At(position)
				s.cos[k], s.sin[k] = append(s.cos[k], cos...), append(s.sin[k], sin...)
			}
			s.caches, s.lengths = append(s.caches, caches[r]), append(s.lengths, int32(position+1))
		}
	}
	for i := range d.layers {
		if err := d.layer(i, x, &s); err != nil {
			return nil, err
		}
	}
	d.scratch.Reset()
	last, err := d.normed(x, d.norm)
	if err != nil {
		return nil, err
	}
	logits, err := d.scratch.Multiply(last, len(s.caches), d.head)
	if err != nil {
		return nil, err
	}
	multiply(logits[0], float32(c.Scales.Logits))
	if c.LogitCap != 0 {
		cpu.SoftCap(logits[0], c.LogitCap)
	}
	return logits[0], nil
}

// embedScale is what embeddings are multiplied with, as the graphs' type holds it.
func (d *CPUDecoder) embedScale() float32 {
	scale := float32(d.config.Scales.Embedding)
	if d.bf16 {
		return bfloat16.FromFloat32(scale).Float32()
	}
	return scale
}

// multiply scales x in place, by 0 as by 1.
func multiply(x []float32, scale float32) {
	if scale == 0 || scale == 1 {
		return
	}
	for i := range x {
		x[i] *= scale
	}
}

// layer runs x [B, D] through layer i, in place.
func (d *CPUDecoder) layer(i int, x []float32, s *step) error {
	d.scratch.Reset()
	c, l, rows := d.config, d.layers[i], len(s.caches)
	places, kind := c.places(), c.ropeKind(i)
	qkv, err := d.projected(l, places.attentionIn, x, rows)
	if err != nil {
		return err
	}
	for j, name := range []string{queryNorm, keyNorm} {
		if w := l.vectors[name]; w != nil {
			if qkv[j], err = d.normed(qkv[j], w); err != nil {
				return err
			}
		}
		if err := cpu.Rotate(qkv[j], s.cos[kind], s.sin[kind], len(qkv[j])/rows/c.HeadWidth, c.HeadWidth); err != nil {
			return err
		}
	}
	caches := make([]*cpu.KVCache, rows)
	for r, row := range s.caches {
		caches[r] = row[i]
		if err := cpu.AppendKV(caches[r], qkv[1], qkv[2], []int32{int32(r)}); err != nil {
			return err
		}
	}
	o := d.scratch.Floats(len(qkv[0]))
	if err := cpu.DecodeAttention(caches, s.lengths, c.Heads, c.Slide[i], c.Scores, qkv[0], o); err != nil {
		return err
	}
	out, err := d.linear(l, o, rows, "self_attn.o_proj")
	if err != nil {
		return err
	}
	if err := d.add(l, places.attentionOut, x, out[0]); err != nil {
		return err
	}
	inner, err := d.gates(l, places.mlpIn, x, rows)
	if err != nil {
		return err
	}
	act := cpu.SiLU
	if c.GELU {
		act = cpu.GELUTanh
	}
	if err := cpu.Gated(act, inner[0], inner[0], inner[1]); err != nil {
		return err
	}
	down, err := d.linear(l, inner[0], rows, "mlp.down_proj")
	if err != nil {
		return err
	}
	return d.add(l, places.mlpOut, x, down[0])
}

// projected gives queries [B, H·C], keys and values [B, N·C] of x [B, D] behind a norm.
func (d *CPUDecoder) projected(l cpuLayer, norm string, x []float32, rows int) ([][]float32, error) {
	x, err := d.normedBy(l, norm, x)
	if err != nil {
		return nil, err
	}
	if !d.config.Fused {
		return d.linear(l, x, rows, "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
	}
	all, err := d.linear(l, x, rows, "self_attn.qkv_proj")
	if err != nil {
		return nil, err
	}
	return d.cut(all[0], rows, d.config.queryWidth(), d.config.keyWidth(), d.config.keyWidth()), nil
}

// gates gives gate and up [B, Inner] of x [B, D] behind a norm.
func (d *CPUDecoder) gates(l cpuLayer, norm string, x []float32, rows int) ([][]float32, error) {
	x, err := d.normedBy(l, norm, x)
	if err != nil {
		return nil, err
	}
	if !d.config.Fused {
		return d.linear(l, x, rows, "mlp.gate_proj", "mlp.up_proj")
	}
	all, err := d.linear(l, x, rows, "mlp.gate_up_proj")
	if err != nil {
		return nil, err
	}
	return d.cut(all[0], rows, d.config.Inner, d.config.Inner), nil
}

// cut divides each row of x.
func (d *CPUDecoder) cut(x []float32, rows int, widths ...int) [][]float32 {
	parts, from, whole := make([][]float32, len(widths)), 0, len(x)/rows
	for i, width := range widths {
		parts[i] = d.scratch.Floats(rows * width)
		for r := range rows {
			copy(parts[i][r*width:(r+1)*width], x[r*whole+from:])
		}
		from += width
	}
	return parts
}

// normedBy is normed by a layer's norm, without a name x itself.
func (d *CPUDecoder) normedBy(l cpuLayer, name string, x []float32) ([]float32, error) {
	if name == "" {
		return x, nil
	}
	return d.normed(x, l.vectors[name])
}

// add adds what a part of a layer gives to x, normed and scaled.
func (d *CPUDecoder) add(l cpuLayer, name string, x, part []float32) error {
	part, err := d.normedBy(l, name, part)
	if err != nil {
		return err
	}
	multiply(part, float32(d.config.Scales.Residual))
	add(x, part)
	return nil
}

// linear is nn.Linear for each of the names over x [B, in].
func (d *CPUDecoder) linear(l cpuLayer, x []float32, rows int, names ...string) ([][]float32, error) {
	var ms []cpu.Matrix
	for _, name := range names {
		m, ok := l.matrices[name+".weight"]
		if !ok {
			return nil, fmt.Errorf("llama: no weight %s", name)
		}
		ms = append(ms, m)
	}
	ys, err := d.scratch.Multiply(x, rows, ms...)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		y := ys[i]
		if a, ok := l.matrices[name+".lora_A.weight"]; ok {
			low, err := d.scratch.Multiply(x, rows, a)
			if err != nil {
				return nil, err
			}
			up, err := d.scratch.Multiply(low[0], rows, l.matrices[name+".lora_B.weight"])
			if err != nil {
				return nil, err
			}
			for j, v := range up[0] {
				y[j] += float32(d.adapter.Scale) * v
			}
		}
		if bias := l.vectors[name+".bias"]; bias != nil {
			for r := range rows {
				add(y[r*len(bias):(r+1)*len(bias)], bias)
			}
		}
	}
	return ys, nil
}

// normed is nn.RMSNorm of rows as wide as the weight.
func (d *CPUDecoder) normed(x, weight []float32) ([]float32, error) {
	n := cpu.Norm{Weight: weight, Epsilon: d.config.Epsilon}
	if d.config.PlusOne {
		n.Offset = 1
	}
	y := d.scratch.Floats(len(x))
	return y, cpu.NormRows(n, y, x)
}

func add(x, y []float32) {
	for i, v := range y {
		x[i] += v
	}
}
