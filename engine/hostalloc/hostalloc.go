// Package hostalloc keeps the memory of large buffers for the next buffer of about that
// size, in C, in the place of glibc's malloc: XLA asks for each output anew, and what is
// given back to the system has to be cleared page by page. A program has it by importing
// it. It knows nothing of who asks. Where there is no cgo or no glibc, or pages are of a
// size that it does not know, malloc is left as it is.
package hostalloc
