package qa

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"gorqa/engine/xla"
	"gorqa/tensor/generate"
	"gorqa/tensor/tape"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"
)

// BlockOptions say what is kept of passages in blocks.
type BlockOptions struct {
	Bytes int64       // in memory
	Dir   string      // on disk, "" for nothing
	Tell  func(error) // of a file in Dir that is of no use
}

// noBlocks refuses a folder that nothing would be kept in.
func (o BlockOptions) noBlocks() error {
	if o.Dir != "" {
		return fmt.Errorf("kv_cache_dir: %q found with a prompt whose passages are not in blocks; expected a model that was trained with block_attention, or --block_attention", o.Dir)
	}
	return nil
}

// KeepBlocks keeps nothing: an encoder-decoder has no blocks.
func (f *fid) KeepBlocks(o BlockOptions) error { return o.noBlocks() }

func (d *decoder) KeepBlocks(o BlockOptions) error {
	if !d.Encoder.Template.Blocks() {
		return o.noBlocks()
	}
	d.generator.Blocks = generate.NewBlocks(o.Bytes)
	if o.Dir == "" {
		return nil
	}
	id, err := d.identity()
	if err != nil {
		return err
	}
	return d.generator.Blocks.UseFolder(o.Dir, id, o.Tell)
}

// identity is the hash of all that a decoder computes by: its configuration, and its
// weights in the type that it computes in.
func (d *decoder) identity() (id [sha256.Size]byte, err error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%v\n", d.config, d.Runner.Adapter)
	for _, p := range d.Params.All() {
		fmt.Fprintf(h, "%s %v %v\n", p.Name, p.Dims, p.Compute.DType())
		if err := hashTensor(h, p); err != nil {
			return id, err
		}
	}
	h.Sum(id[:0])
	return id, nil
}

func hashTensor(h hash.Hash, p *tape.Param) error {
	switch t := p.Compute; t.DType() {
	case dtypes.Float32:
		return hashValues(h, t, func(values []float32) any { return values })
	case dtypes.BFloat16:
		raw := make([]uint16, hashedAtOnce)
		return hashValues(h, t, func(values []bfloat16.BFloat16) any {
			for i, v := range values {
				raw[i] = uint16(v)
			}
			return raw[:len(values)]
		})
	}
	return errors.New("kv_cache_dir: found with weights in few bits; whole weights expected")
}

// hashedAtOnce is how many values are hashed at a time.
const hashedAtOnce = 1 << 18

func hashValues[T xla.Number](h hash.Hash, t *tensors.Tensor, plain func([]T) any) error {
	return xla.View(t, func(all []T) error {
		for len(all) > 0 {
			n := min(len(all), hashedAtOnce)
			if err := binary.Write(h, binary.LittleEndian, plain(all[:n])); err != nil {
				return err
			}
			all = all[n:]
		}
		return nil
	})
}
