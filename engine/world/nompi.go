//go:build !mpi || !cgo

package world

import (
	"fmt"
	"os"
)

// Built says whether this program can run on several processes.
const Built = false

// Open gives the world of one that a program without MPI has, and refuses to be one of
// several processes that each would do the same.
func Open(Options) (*World, error) {
	l, err := launched(os.Getenv)
	if err != nil || l.alone() || l.size == 0 && l.rank == 0 {
		return nil, err
	}
	return nil, fmt.Errorf("%s says that this is one of several processes (rank %d), and this gorqa was built without MPI; build it with \"make build-mpi\" on a machine that has mpicc (Debian: apt-get install libopenmpi-dev openmpi-bin), or start one process", l.by, l.rank)
}
