package app

import (
	"bytes"
	"fmt"
	"os"
)

// peakMemory is the process's largest resident size so far in bytes, or 0
// where the system does not tell.
func peakMemory() int64 {
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
