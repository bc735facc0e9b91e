package app

import (
	"strings"
	"testing"
)

func TestOwnDevice(t *testing.T) {
	for _, test := range []struct {
		name, why string
		variant   string
		place     place
		visible   string
		there     int
		bound     bool
		want      string
		problem   string
	}{
		{"CPU", "processes share the processor", "cpu", place{1, 2}, "", 0, false, "", ""},
		{"alone", "one process takes what CUDA gives it, as ever", "cuda13", place{0, 1}, "2,3", 4, false, "", ""},
		{"numbers", "nothing is said of devices", "cuda13", place{1, 2}, "", 4, false, "1", ""},
		{"a list", "the user says which", "cuda12", place{1, 2}, "3, 1", 4, false, "1", ""},
		{"names", "CUDA takes names of devices, too", "cuda13", place{0, 2}, "GPU-aa,GPU-bb", 2, false, "GPU-aa", ""},
		{"more devices", "some are left for others", "cuda13", place{1, 2}, "4,5,6", 8, false, "5", ""},
		{"bound", "srun --gpus-per-task 1 shows each process its own as number 0", "cuda13", place{1, 2}, "0", 8, true, "", ""},
		{"too few", "two would share the memory of one", "cuda13", place{2, 3}, "", 2, false, "", "3 processes on this host and 2 devices (0, 1) found"},
		{"too short a list", "it is the list that is to be looked at", "cuda13", place{0, 2}, "5", 8, false, "", "CUDA_VISIBLE_DEVICES=5 found"},
	} {
		got, err := ownDevice(test.variant, test.place, test.visible, test.there, test.bound)
		if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) || got != test.want {
			t.Errorf("%s: %q, %v; %q and an error with %q expected: %s", test.name, got, err, test.want, test.problem, test.why)
		}
	}
}
