package xla

import (
	"os"
	"syscall"
)

// tunables make glibc give every buffer of a megabyte or more a mapping of its
// own. XLA allocates every output anew at each call, in sizes that change with
// the input shapes; kept in the heap they leave holes, and training SmolLM2 on
// Faire grew to 11 GB. With mappings it holds 3.6 GB, at the price of clearing
// the pages again (docs/engine.md has the counts). Huge pages make that cheaper.
const tunables = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1048576:glibc.malloc.trim_threshold=268435456:glibc.malloc.arena_max=1"

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
