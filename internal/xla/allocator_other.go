//go:build !linux

package xla

// TuneAllocator does nothing where the C library is not glibc.
func TuneAllocator() error { return nil }
