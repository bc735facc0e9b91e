package app

import (
	"bytes"
	"fmt"
	"os"

	"gorqa/qa"
)

// peakMemory is the most memory taken so far where the engine computes, in bytes: a
// GPU's own, else the process's largest resident size; 0 where nobody tells.
func peakMemory(d qa.Device) int64 {
	if !d.Native() {
		return d.Engine.PeakMemory()
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kib int64
	if _, err := fmt.Sscanf(string(rest), "%d kB", &kib); err != nil {
		return 0
	}
	return kib << 10
}
