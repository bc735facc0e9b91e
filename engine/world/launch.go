package world

import (
	"fmt"
	"strconv"
)

// launch is what the environment says of who started this process.
type launch struct {
	by   string // variables, "" for nobody
	size int    // processes, 0 where it is not told
	rank int
}

// launchers are the variables of launchers: Open MPI's mpirun, Hydra (MPICH, Intel MPI) and
// Slurm's PMI-2, Slurm's srun with any, and PMIx alone. A batch script of Slurm is no step
// and has no SLURM_STEP_NUM_TASKS.
var launchers = []struct{ size, rank string }{
	{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
	{"PMI_SIZE", "PMI_RANK"},
	{"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
	{"", "PMIX_RANK"},
}

// launched reads the environment.
func launched(env func(string) string) (launch, error) {
	for _, l := range launchers {
		number := func(name string) (int, error) {
			n, err := strconv.Atoi(env(name))
			if err != nil || n < 0 {
				return 0, fmt.Errorf("%s=%q found in the environment; a number expected, as mpirun and srun set it", name, env(name))
			}
			return n, nil
		}
		if env(l.rank) == "" || l.size != "" && env(l.size) == "" {
			continue
		}
		rank, err := number(l.rank)
		if err != nil {
			return launch{}, err
		}
		if l.size == "" {
			return launch{by: l.rank, rank: rank}, nil
		}
		size, err := number(l.size)
		return launch{by: l.size, size: size, rank: rank}, err
	}
	return launch{}, nil
}

// alone says whether there is one process for sure.
func (l launch) alone() bool { return l.by == "" || l.size == 1 }
