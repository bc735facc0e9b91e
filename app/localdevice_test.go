package app

import (
	"strings"
	"testing"
)

func TestOwnDevice(t *testing.T) {
	for _, test := range []struct {
		name, why string
		variant   string
		number    int
		place     place
		offered   offered
		want      string
		problem   string
	}{
		{"CPU", "processes share the processor", "cpu", -1, place{1, 2}, offered{"", 0, false}, "", ""},
		{"alone", "one process takes what CUDA gives it, as ever", "cuda13", -1, place{0, 1}, offered{"2,3", 4, false}, "", ""},
		{"numbers", "nothing is said of devices", "cuda13", -1, place{1, 2}, offered{"", 4, false}, "1", ""},
		{"a list", "the user says which", "cuda12", -1, place{1, 2}, offered{"3, 1", 4, false}, "1", ""},
		{"names", "CUDA takes names of devices, too", "cuda13", -1, place{0, 2}, offered{"GPU-aa,GPU-bb", 2, false}, "GPU-aa", ""},
		{"more devices", "some are left for others", "cuda13", -1, place{1, 2}, offered{"4,5,6", 8, false}, "5", ""},
		{"bound", "srun --gpus-per-task 1 shows each process its own as number 0", "cuda13", -1, place{1, 2}, offered{"0", 8, true}, "", ""},
		{"too few", "two would share the memory of one", "cuda13", -1, place{2, 3}, offered{"", 2, false}, "", "3 processes on this host and 2 devices (0, 1) found"},
		{"too short a list", "it is the list that is to be looked at", "cuda13", -1, place{0, 2}, offered{"5", 8, false}, "", "CUDA_VISIBLE_DEVICES=5 found"},
		{"by hand", "one process takes the second", "cuda13", 1, place{0, 1}, offered{"", 4, false}, "1", ""},
		{"by hand, a list", "CUDA_VISIBLE_DEVICES counts", "cuda13", 1, place{0, 1}, offered{"5,7", 8, false}, "7", ""},
		{"by hand, one of several", "mpirun may start each with a number of its own", "cuda13", 3, place{0, 2}, offered{"", 4, false}, "3", ""},
		{"by hand, unknown", "CUDA itself knows, under Windows for one", "cuda12", 2, place{0, 1}, offered{"", 0, false}, "2", ""},
		{"by hand, too high", "there is no such device", "cuda13", 2, place{0, 1}, offered{"", 2, false}, "", "xla:cuda13:2: 2 devices (0, 1) found; a number from 0 to 1 expected"},
		{"by hand, beyond the list", "though the host has more", "cuda13", 2, place{0, 1}, offered{"5,7", 8, false}, "", "CUDA_VISIBLE_DEVICES=5,7 found; a number from 0 to 1 expected"},
	} {
		got, err := ownDevice(test.variant, test.number, test.place, test.offered)
		if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) || got != test.want {
			t.Errorf("%s: %q, %v; %q and an error with %q expected: %s", test.name, got, err, test.want, test.problem, test.why)
		}
	}
}
