package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gorqa/engine/world"
)

// visibleDevices is what CUDA takes for the devices that it may use.
const visibleDevices = "CUDA_VISIBLE_DEVICES"

// place is where a process stands among those of its host.
type place struct{ local, size int }

// ownDevice is the CUDA_VISIBLE_DEVICES of a process, by which each of a host has a device
// of its own: the one at its local rank among those that all may use. "" leaves them as they
// are. visible is that variable, "" where it is not set; there is how many devices the host
// has; bound says that the launcher gives each process its own already.
func ownDevice(variant string, p place, visible string, there int, bound bool) (string, error) {
	if !strings.HasPrefix(variant, "cuda") || p.size == 1 {
		return "", nil
	}
	var devices []string
	if visible != "" {
		for name := range strings.SplitSeq(visible, ",") {
			devices = append(devices, strings.TrimSpace(name))
		}
	} else {
		for i := range there {
			devices = append(devices, fmt.Sprint(i))
		}
	}
	if bound && len(devices) == 1 {
		return "", nil
	}
	if len(devices) < p.size {
		found := fmt.Sprintf("%d devices (%s)", len(devices), strings.Join(devices, ", "))
		if visible != "" {
			found = visibleDevices + "=" + visible
		}
		return "", fmt.Errorf("backend xla:%s: %d processes on this host and %s found; a device for each expected; start at most %d on a host", variant, p.size, found, len(devices))
	}
	return devices[p.local], nil
}

// takeDevice leaves this process the device of its local rank alone, before the engine
// looks for devices.
func takeDevice(variant string, w *world.World) error {
	there, err := filepath.Glob("/proc/driver/nvidia/gpus/*")
	if err != nil {
		return err
	}
	bound := os.Getenv("SLURM_GPUS_PER_TASK") == "1" || strings.HasSuffix(os.Getenv("SLURM_TRES_PER_TASK"), "gres/gpu=1")
	device, err := ownDevice(variant, place{w.Local(), w.LocalSize()}, os.Getenv(visibleDevices), len(there), bound)
	if device == "" || err != nil {
		return err
	}
	return os.Setenv(visibleDevices, device)
}
