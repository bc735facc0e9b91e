package xla

import (
	"os"
	"syscall"
)

// tunables make glibc serve large buffers from its heap with huge pages. XLA
// allocates every output anew at each call; with the defaults the kernel then
// maps and clears fresh 4 KiB pages each time (docs/engine.md has the counts).
const tunables = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=68719476736:glibc.malloc.arena_max=1"

// TuneAllocator restarts the program in place with GLIBC_TUNABLES set, which
// is read only at start. It does nothing when the variable is set already.
func TuneAllocator() error {
	const name = "GLIBC_TUNABLES"
	if _, set := os.LookupEnv(name); set {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, append(os.Environ(), name+"="+tunables))
}
