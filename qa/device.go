package qa

import "gorqa/engine/xla"

// Device is what models compute on, and how.
type Device struct {
	Engine *xla.Engine
	BF16   bool // beside f32 weights; false: all in f32
}
