package qa

import "testing"

// What ZeRO divides of a model of a hundred trained values.
func TestMemoryEach(t *testing.T) {
	for _, test := range []struct {
		name, why        string
		split            bool
		processes, stage int
		want             int64
	}{
		{"one process", "has all", true, 1, 2, 1600},
		{"stage 0", "divides nothing", true, 4, 0, 1600},
		{"stage 1", "moments and the rest of bf16", true, 4, 1, 1600 - 750},
		{"stage 2", "the gradients, too", true, 4, 2, 1600 - 1050},
		{"stage 2 in f32", "a weight lacks nothing", false, 2, 2, 1600 - 600},
	} {
		m := Memory{Training: 1600, shared: 100, split: test.split}
		if got := m.Each(test.processes, test.stage); got != test.want {
			t.Errorf("%s: %d; %d expected: %s", test.name, got, test.want, test.why)
		}
	}
}
