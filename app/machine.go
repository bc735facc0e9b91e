package app

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"gorqa/engine/cpu"
)

// machine is what a run was computed on.
type machine struct {
	Processor string `json:"processor"`
	Engine    string `json:"engine"`
	ISA       string `json:"isa"`
	Threads   int    `json:"threads"`
	Memory    string `json:"memory"`
	System    string `json:"system"`
}

func thisMachine() machine {
	m := machine{Threads: runtime.GOMAXPROCS(0), System: runtime.GOOS + "/" + runtime.GOARCH, Processor: "unknown"}
	if isa, err := cpu.ISAInUse(); err == nil {
		m.ISA = isa.String()
	}
	field := func(file, name string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			return ""
		}
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
	if name := field("/proc/cpuinfo", "model name"); name != "" {
		m.Processor = name
	}
	if kb, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		m.Memory = strconv.FormatFloat(kb*1024/1e9, 'f', 1, 64) + " GB"
	}
	return m
}

// engineName is an engine's description without the folders that its plugin lies in, but
// for the last one, which has its version.
func engineName(described string) string {
	path, _, ok := strings.Cut(strings.TrimPrefix(described, "xla:"), " - ")
	if !ok || !filepath.IsAbs(path) {
		return described
	}
	return "xla, plugin " + filepath.Base(filepath.Dir(path))
}
