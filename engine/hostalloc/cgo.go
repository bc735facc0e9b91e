package hostalloc

// #cgo LDFLAGS: -rdynamic -ldl
import "C" // hostalloc_linux.c
