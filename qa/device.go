package qa

import (
	"gorqa/engine/xla"
	"gorqa/tensor/device"
)

// Device is what models compute on, and how.
type Device struct {
	Engine *xla.Engine
	BF16   bool // beside f32 weights; false: all in f32
}

// Native says whether the processor's kernels compute.
func (d Device) Native() bool { return device.Of(d.Engine).Native }
