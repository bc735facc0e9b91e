package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorqa/config"
	"gorqa/qa"
)

// The least of what bounds memory counts, wherever it stands.
func TestHostMemory(t *testing.T) {
	t.Parallel()
	const gb = 1 << 30
	for _, test := range []struct {
		name, why string
		files     map[string]string
		user      []available
		want      available
	}{
		{"nothing", "a system that does not tell", nil, nil, available{}},
		{"system", "no group, no limit", map[string]string{"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   2097152 kB\n"}, nil, available{2 * gb, "MemAvailable of the system"}},
		{"user", "ulimit -v", map[string]string{"proc/meminfo": "MemAvailable: 2097152 kB\n"}, []available{{gb, "ulimit"}}, available{gb, "ulimit"}},
		{"version 2", "what files take can be given up", map[string]string{
			"proc/meminfo": "MemAvailable: 8388608 kB\n", "proc/self/cgroup": "0::/job\n",
			"sys/fs/cgroup/job/memory.max": "4294967296\n", "sys/fs/cgroup/job/memory.current": "3221225472\n", "sys/fs/cgroup/job/memory.stat": "anon 1\ninactive_file 1073741824\n",
		}, nil, available{2 * gb, "the limit of the control group /job"}},
		{"a group above", "has the lower limit", map[string]string{
			"proc/self/cgroup":                   "0::/slice/job\n",
			"sys/fs/cgroup/slice/job/memory.max": "max\n", "sys/fs/cgroup/slice/job/memory.current": "5\n",
			"sys/fs/cgroup/slice/memory.max": "1073741824\n", "sys/fs/cgroup/slice/memory.current": "0\n",
		}, nil, available{gb, "the limit of the control group /slice"}},
		{"in a container", "its own group is the root of what it sees", map[string]string{
			"proc/self/cgroup": "0::/../../outside\n", "sys/fs/cgroup/memory.max": "1073741824\n", "sys/fs/cgroup/memory.current": "0\n",
		}, nil, available{gb, "the limit of the control group /"}},
		{"version 1", "other names, and a number for none", map[string]string{
			"proc/self/cgroup": "5:cpu:/x\n4:memory:/job/inner\n0::/\n",
			"sys/fs/cgroup/memory/job/inner/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/job/inner/memory.usage_in_bytes": "7\n",
			"sys/fs/cgroup/memory/job/memory.limit_in_bytes": "2147483648\n", "sys/fs/cgroup/memory/job/memory.usage_in_bytes": "1073741824\n", "sys/fs/cgroup/memory/job/memory.stat": "inactive_file 3\ntotal_inactive_file 0\n",
		}, nil, available{gb, "the limit of the control group /job"}},
		{"used up", "less than nothing is not unknown", map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "2000\n",
		}, nil, available{1, "the limit of the control group /"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range test.files {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := hostMemory(root, test.user); got != test.want {
				t.Errorf("%+v; want %+v (%s)", got, test.want, test.why)
			}
		})
	}
}

func TestForecastIsHeldAgainstAvailableMemory(t *testing.T) {
	t.Parallel()
	need := qa.Memory{Type: "llama", Weights: 1e6, Training: 20e9, Evaluation: 5e9, Setting: "max_seq_length"}
	train, eval := config.DefaultTrain(config.SFT), config.DefaultTrain(config.SFT)
	eval.DoTrain = false
	warn := train
	warn.OnLowMemory = "warn"
	for _, test := range []struct {
		name, why      string
		c              config.Train
		there          available
		warning, wrong string
	}{
		{"enough", "nothing is said", train, available{21e9, "x"}, "", ""},
		{"unknown", "nothing can be said", train, available{}, "", ""},
		{"nearly", "within what the forecast is exact to", train, available{19e9, "x"}, "training takes about 20.0 GB, and 19.0 GB are available (x)", ""},
		{"too little", "refused before anything is loaded", train, available{10e9, "x"}, "", "memory: training takes about 20.0 GB, and 10.0 GB are available (x); expected 20.0 GB at least; lower max_seq_length"},
		{"all the same", "the user knows better", warn, available{10e9, "x"}, "training takes", ""},
		{"evaluation alone", "takes less", eval, available{10e9, "x"}, "", ""},
		{"evaluation too large", "too", eval, available{4e9, "x"}, "", "memory: evaluation takes about 5.0 GB"},
	} {
		_, warning, err := enough(need, test.c, test.there)
		if !strings.HasPrefix(warning, test.warning) || warning != "" && test.warning == "" || (err == nil) != (test.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), test.wrong) {
			t.Errorf("%s: warning %q, error %v (%s)", test.name, warning, err, test.why)
		}
	}
}

// What stands in files of predictions moves no cursor.
func TestComparisonIsClean(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	c := comparison{First: "a\x1b[2J", Runs: []runDiff{{Run: "b\r\u202e"}}}
	if err := c.print(&out); err != nil || strings.ContainsAny(out.String(), "\x1b\r\u202e") || !strings.Contains(out.String(), `a\x1b[2J`) {
		t.Errorf("%q, %v", out.String(), err)
	}
}
