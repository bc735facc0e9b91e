//go:build cgo

package xla

import (
	_ "gorqa/engine/hostalloc" // the memory of outputs

	_ "github.com/gomlx/go-xla/compute/xla" // registers the PJRT backend
)

// Available says whether this program can load an engine.
func Available() error { return nil }
