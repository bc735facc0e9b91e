//go:build !cgo

package xla

import (
	"errors"
	"unsafe"
)

// Available says whether this program can load an engine.
func Available() error {
	return errors.New("this gorqa was built without cgo (CGO_ENABLED=0), so it cannot load the engine that trains, embeds and answers; " +
		"build it with CGO_ENABLED=1 and gcc or clang. What needs no engine works: tokenize, convert, compare, data, fetch, contexts with --retriever bm25")
}

func divert(string) bool          { return false }
func keepCompiled(string, string) {}
func offerCPU(string) bool        { return false }
func runAhead(string)             {}

// PeakMemory is 0: nothing runs on a device.
func (e *Engine) PeakMemory() int64 { return 0 }

// Offer fails: there is no engine.
func (e *Engine) Offer(string, unsafe.Pointer) error { return Available() }
