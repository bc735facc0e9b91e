package qa

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"gorqa/engine/xla"
	"gorqa/tensor/generate"

	"github.com/gomlx/compute/dtypes"
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
		if t := p.Compute.DType(); t != dtypes.Float32 && t != dtypes.BFloat16 {
			return id, errors.New("kv_cache_dir: found with weights in few bits; whole weights expected")
		}
		if err := xla.Bytes(p.Compute, func(data []byte) error { _, err := h.Write(data); return err }); err != nil {
			return id, err
		}
	}
	h.Sum(id[:0])
	return id, nil
}
