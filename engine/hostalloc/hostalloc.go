// Package hostalloc keeps the memory of large buffers for the next buffer of about that
// size, in C, in the place of glibc's malloc: XLA asks for each output anew, and what is
// given back to the system has to be cleared page by page. A program has it by importing
// it. It knows nothing of who asks.
package hostalloc

// #cgo LDFLAGS: -rdynamic -ldl
import "C" // hostalloc_linux.c
