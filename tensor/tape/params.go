package tape

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"gorqa/engine/cpu"
	"gorqa/engine/xla"
	"gorqa/tensor/nn"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"
	"golang.org/x/sync/errgroup"
)

// Weight is the name and the dimensions of a weight that a model has.
type Weight struct {
	Name  string
	Dims  []int
	Table bool // rows are looked up: embeddings, biases of relative positions
}

// Size is how many values the weight holds.
func (w Weight) Size() int {
	n := 1
	for _, d := range w.Dims {
		n *= d
	}
	return n
}

// mostValues is far more than any machine holds, and so few that what is reckoned
// from them stays a number.
const mostValues = 1 << 42

// CheckSize refuses weights that a damaged configuration asks for.
func CheckSize(ws []Weight) error {
	var n float64
	for _, w := range ws {
		size := 1.0
		for _, d := range w.Dims {
			size *= float64(d)
		}
		n += size
	}
	if n > mostValues {
		return fmt.Errorf("config.json: it asks for %.3g weights; expected at most %.3g; is the file damaged?", n, float64(mostValues))
	}
	return nil
}

// Param is one weight of a model on the device.
type Param struct {
	Weight
	Trained bool
	Decay   bool // weight decay applies: matrices, not norms and biases

	Compute *tensors.Tensor // what the graphs read: f32, bf16, or quantised
	Low     *tensors.Tensor // i16: what a trained weight in bf16 lacks of its f32 value, see cpu.SplitWeight; else nil
	Short   cpu.Matrix      // the same values in fewer bytes, for products of a few rows on the host; or the zero value, see Shorten
	Scale   *tensors.Tensor // of Compute where that is quantised, in the shapes of nn.Dequantise, else nil
	Grad    *tensors.Tensor // f32 sum over the micro-batches so far, nil for none
}

// Source gives a model's weights from where they are stored.
type Source interface {
	Shape(name string) ([]int, bool)
	Float32(name string) ([]float32, error)
}

// bf16Source is a Source that gives weights which are stored in bf16 as they are, in
// little-endian order as the device's; nil for others.
type bf16Source interface {
	BF16(name string) ([]byte, error)
}

// quantisedSource is a Source that gives matrices which are stored quantised as numbers, as
// cpu.Quantised has them; no numbers for others.
type quantisedSource interface {
	Quantised(name string) (numbers []int8, scales, lowest []float32, err error)
}

// Load adds all the weights of a model, each checked against its dimensions.
// each, where it is not nil, sees the values of every weight. A source of weights that
// Shorten names is read by several goroutines.
func (p *Params) Load(ctx context.Context, ws []Weight, s Source, trained bool, each func([]float32)) error {
	var copies errgroup.Group // second ones, made while the next weights are read
	copies.SetLimit(runtime.GOMAXPROCS(0))
	var err error
	for _, w := range ws {
		if err = p.load(ctx, w, s, trained, each); err != nil {
			break
		}
		if q := p.byName[w.Name]; p.short[w.Name] && !q.Trained && q.Scale == nil {
			copies.Go(func() error { return p.shorten(q, s) })
		}
	}
	return errors.Join(err, copies.Wait())
}

// load adds one weight.
func (p *Params) load(ctx context.Context, w Weight, s Source, trained bool, each func([]float32)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	shape, ok := s.Shape(w.Name)
	if !ok {
		return fmt.Errorf("no weight %s; expected one of dimensions %v; is this the folder of a whole model?", w.Name, w.Dims)
	}
	if !slices.Equal(shape, w.Dims) {
		return fmt.Errorf("weight %s has dimensions %v; expected %v, as config.json says", w.Name, shape, w.Dims)
	}
	if each == nil && !trained {
		added, err := p.addStored(w, s)
		if added || err != nil {
			return err
		}
	}
	values, err := s.Float32(w.Name)
	if err != nil {
		return err
	}
	if each != nil {
		each(values)
	}
	return p.Add(w, values, trained)
}

// Params are the weights of a model by their Hugging Face names, in a fixed
// order.
type Params struct {
	engine *xla.Engine
	bf16   bool           // Compute is bf16
	bits   map[string]int // of those that are quantised once they are frozen
	short  map[string]bool
	list   []*Param
	byName map[string]*Param
}

// NewParams makes an empty set whose graphs compute in bf16 or f32.
func NewParams(e *xla.Engine, bf16 bool) *Params {
	return &Params{engine: e, bf16: bf16, byName: map[string]*Param{}}
}

// Add puts f32 host values on the device as a weight. Frozen weights are rounded to
// what graphs read; vectors (norms, biases) are computed with in f32 always.
func (p *Params) Add(w Weight, values []float32, trained bool) error {
	q := &Param{Weight: w, Trained: trained, Decay: len(w.Dims) > 1}
	if err := p.SetHost(q, values); err != nil {
		return fmt.Errorf("weight %s: %w", w.Name, err)
	}
	return p.add(q)
}

func (p *Params) add(q *Param) error {
	if _, ok := p.byName[q.Name]; ok {
		return errors.Join(fmt.Errorf("weight %s: added twice", q.Name), xla.Free(q.Compute, q.Low, q.Scale))
	}
	p.list = append(p.list, q)
	p.byName[q.Name] = q
	return nil
}

// addStored is Add for a frozen weight, if the source has it as graphs read it.
func (p *Params) addStored(w Weight, s Source) (added bool, err error) {
	q := &Param{Weight: w, Decay: len(w.Dims) > 1}
	from, ok := s.(bf16Source)
	if !ok || !p.InBF16(q) || p.bits[w.Name] > 0 {
		return false, nil
	}
	raw, err := from.BF16(w.Name)
	if raw == nil || err != nil {
		return false, err
	}
	if q.Compute, err = xla.FromHost(p.engine, inBF16(raw), w.Dims...); err != nil {
		return false, fmt.Errorf("weight %s: %w", w.Name, err)
	}
	return true, p.add(q)
}

// Quantise has these weights, matrices whose rows are whole blocks, held in 8 or
// 4 bits once they are added, unless they are trained: beside an adapter they
// take little over a quarter or less than a fifth of their f32 size (QLoRA, arXiv
// 2305.14314, with values in even steps as GGUF has them).
func (p *Params) Quantise(ws []Weight, bits int) {
	p.bits = map[string]int{}
	for _, w := range ws {
		if len(w.Dims) == 2 && w.Dims[1]%nn.QuantBlock == 0 {
			p.bits[w.Name] = bits
		}
	}
}

// Shorten has these weights, matrices, held a second time, where their source stores them
// in fewer bytes than graphs read: decoding on the host takes about as long as the weights take to
// arrive from memory. The copy has the same values; it takes at most ShortBytes a weight.
func (p *Params) Shorten(ws []Weight) {
	p.short = map[string]bool{}
	for _, w := range ws {
		p.short[w.Name] = true
	}
}

// ShortBytes are those of a weight's Short at most: bf16 beside f32, or blocks beside bf16.
func ShortBytes(bf16 bool) float64 {
	if bf16 {
		return 8./cpu.QuantBlock + 1
	}
	return 2
}

// shorten sets a weight's Short, where its source has it in fewer bytes.
func (p *Params) shorten(q *Param, s Source) error {
	if from, ok := s.(quantisedSource); ok && cpu.MultipliesQuantised(p.bf16) {
		numbers, scales, lowest, err := from.Quantised(q.Name)
		if err != nil {
			return err
		}
		if numbers != nil {
			short, found, err := cpu.Quantised{Numbers: numbers, Scales: scales, Lowest: lowest}.Matrix(q.Dims[0], q.Dims[1], p.bf16)
			if found && err == nil {
				q.Short = short
			}
			return err
		}
	}
	if from, ok := s.(bf16Source); ok && !p.bf16 {
		raw, err := from.BF16(q.Name)
		if raw == nil || err != nil {
			return err
		}
		short, err := cpu.NewMatrix(inBF16(raw), q.Dims[0], q.Dims[1])
		q.Short = short.InF32()
		return err
	}
	return nil
}

// inBF16 are bytes of bf16 in little-endian order as values.
func inBF16(raw []byte) []bfloat16.BFloat16 {
	return unsafe.Slice((*bfloat16.BFloat16)(unsafe.Pointer(unsafe.SliceData(raw))), len(raw)/2)
}

// setQuantised replaces the value of a weight that is held in 8 or 4 bits.
func (p *Params) setQuantised(q *Param, values []float32) error {
	var compute *tensors.Tensor
	var scales []float32
	var err error
	blocks := q.Dims[1] / nn.QuantBlock
	if p.bits[q.Name] == 4 {
		var pairs []uint8
		pairs, scales = nn.Quantise4(values)
		compute, err = xla.FromHost(p.engine, pairs, q.Dims[0], blocks, nn.QuantBlock/2)
	} else {
		var eight []int8
		eight, scales = nn.Quantise8(values)
		compute, err = xla.FromHost(p.engine, eight, q.Dims[0], blocks, nn.QuantBlock)
	}
	if err != nil {
		return err
	}
	scale, err := xla.FromHost(p.engine, scales, q.Dims[0], blocks, len(scales)/(q.Dims[0]*blocks))
	if err != nil {
		return errors.Join(err, xla.Free(compute))
	}
	err = xla.Free(q.Compute, q.Low, q.Scale)
	q.Compute, q.Scale = compute, scale
	return err
}

// SetHost replaces a weight's value by f32 host values.
func (p *Params) SetHost(q *Param, values []float32) error {
	if !q.Trained && p.bits[q.Name] > 0 {
		return p.setQuantised(q, values)
	}
	if !p.InBF16(q) {
		whole, err := xla.FromHost(p.engine, values, q.Dims...)
		if err != nil {
			return err
		}
		return p.Replace(q, whole, nil)
	}
	var low *tensors.Tensor
	high, err := xla.Fill(p.engine, func(high []bfloat16.BFloat16) (err error) {
		if !q.Trained {
			return cpu.SplitWeight{BF16: high}.Split(values)
		}
		low, err = xla.Fill(p.engine, func(low []int16) error { return cpu.SplitWeight{BF16: high, Residual: low}.Split(values) }, q.Dims...)
		return err
	}, q.Dims...)
	if err != nil {
		return errors.Join(err, xla.Free(low))
	}
	return p.Replace(q, high, low)
}

// Replace sets what a weight is held in and frees the old.
func (p *Params) Replace(q *Param, compute, low *tensors.Tensor) error {
	err := xla.Free(q.Compute, q.Low)
	q.Compute, q.Low, q.Short = compute, low, cpu.Matrix{}
	return err
}

// InBF16 says whether graphs read a weight in bf16.
func (p *Params) InBF16(q *Param) bool { return p.bf16 && len(q.Dims) > 1 }

// BF16 says whether activations are bf16.
func (p *Params) BF16() bool { return p.bf16 }

// dtype is what matrices are multiplied in.
func (p *Params) dtype() dtypes.DType {
	if p.bf16 {
		return dtypes.BFloat16
	}
	return dtypes.Float32
}

// All gives the weights in the order they were added.
func (p *Params) All() []*Param { return p.list }

// Get gives a weight by name, or nil.
func (p *Params) Get(name string) *Param { return p.byName[name] }

// Host copies a weight's value to the host as f32.
func (p *Params) Host(q *Param) ([]float32, error) {
	if q.Scale != nil {
		return hostQuantised(q)
	}
	if !p.InBF16(q) {
		return xla.ToHost[float32](q.Compute)
	}
	out := make([]float32, q.Size())
	err := q.Split(func(h cpu.SplitWeight) error { return h.Join(out) })
	return out, err
}

// Split gives fn a weight in bf16, without Low where it is frozen. What fn sets is
// the weight's new value where the engine computes OnHost.
func (q *Param) Split(fn func(cpu.SplitWeight) error) error {
	return xla.View(q.Compute, func(high []bfloat16.BFloat16) error {
		if q.Low == nil {
			return fn(cpu.SplitWeight{BF16: high})
		}
		return xla.View(q.Low, func(low []int16) error { return fn(cpu.SplitWeight{BF16: high, Residual: low}) })
	})
}

// hostQuantised is Host for a weight that is held in 8 or 4 bits.
func hostQuantised(q *Param) ([]float32, error) {
	scales, err := xla.ToHost[float32](q.Scale)
	if err != nil {
		return nil, err
	}
	if q.Compute.DType() == dtypes.Uint8 {
		pairs, err := xla.ToHost[uint8](q.Compute)
		return nn.Dequantised4(pairs, scales), err
	}
	eight, err := xla.ToHost[int8](q.Compute)
	return nn.Dequantised8(eight, scales), err
}

// addGradient adds d, f32 or bf16, to a weight's gradient on the host, in place,
// which graphs cannot.
func (p *Params) addGradient(q *Param, d *tensors.Tensor) error {
	sum, first, err := p.gradient(q)
	if err != nil {
		return err
	}
	if d.DType() == dtypes.BFloat16 {
		return xla.View(d, func(flat []bfloat16.BFloat16) error { return cpu.Accumulate(sum, flat, first) })
	}
	return xla.View(d, func(flat []float32) error { return cpu.Accumulate(sum, flat, first) })
}

// addProduct adds what nn.Product is of y and x to a matrix's gradient, on the host.
func (p *Params) addProduct(q *Param, y, x *tensors.Tensor) error {
	sum, first, err := p.gradient(q)
	if err != nil {
		return err
	}
	if x.DType() == dtypes.BFloat16 {
		return addProduct[bfloat16.BFloat16](sum, q.Dims, y, x, first)
	}
	return addProduct[float32](sum, q.Dims, y, x, first)
}

func addProduct[T float32 | bfloat16.BFloat16](sum []float32, dims []int, y, x *tensors.Tensor, first bool) error {
	return xla.View(x, func(flat []T) error {
		if y.DType() == dtypes.Int32 {
			return xla.View(y, func(at []int32) error { return cpu.AccumulateRows(sum, at, flat, dims[1], first) })
		}
		return xla.View(y, func(left []T) error { return cpu.WeightGradGEMM(sum, left, flat, dims[0], dims[1], first) })
	})
}

// gradient is a weight's gradient in the host's memory, yet to be set if what
// comes is the first term.
func (p *Params) gradient(q *Param) (sum []float32, first bool, err error) {
	if first = q.Grad == nil; first {
		if q.Grad, err = xla.New[float32](p.engine, q.Dims...); err != nil {
			return nil, first, err
		}
	}
	sum, err = xla.Memory[float32](q.Grad)
	return sum, first, err
}

// ClearGradients frees the gradients gathered so far.
func (p *Params) ClearGradients() error {
	var errs []error
	for _, q := range p.list {
		errs = append(errs, xla.Free(q.Grad))
		q.Grad = nil
	}
	return errors.Join(errs...)
}

// Free releases everything on the device.
func (p *Params) Free() error {
	err := p.ClearGradients()
	for _, q := range p.list {
		err = errors.Join(err, xla.Free(q.Compute, q.Low, q.Scale))
	}
	return err
}
