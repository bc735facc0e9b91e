package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gorqa/engine/nccl"
	"gorqa/engine/world"
)

// visibleDevices is what CUDA takes for the devices that it may use.
const visibleDevices = "CUDA_VISIBLE_DEVICES"

// deviceOrder is what CUDA counts devices by.
const deviceOrder = "CUDA_DEVICE_ORDER"

// place is where a process stands among those of its host.
type place struct{ local, size int }

// offered are the devices of a host.
type offered struct {
	visible string // CUDA_VISIBLE_DEVICES, "" where it is not set
	there   int    // how many the host has, 0 where it does not say
	bound   bool   // the launcher gives each process its own already
}

// ownDevice is the CUDA_VISIBLE_DEVICES of a process, by which it has a device of its own:
// that of a number given by hand, or else, number being -1, each of a host's processes the
// one at its local rank among those that all may use. "" leaves them as they are.
func ownDevice(variant string, number int, p place, o offered) (string, error) {
	if !strings.HasPrefix(variant, "cuda") || p.size == 1 && number < 0 {
		return "", nil
	}
	var devices []string
	if o.visible != "" {
		for name := range strings.SplitSeq(o.visible, ",") {
			devices = append(devices, strings.TrimSpace(name))
		}
	} else {
		for i := range o.there {
			devices = append(devices, fmt.Sprint(i))
		}
	}
	found := fmt.Sprintf("%d devices (%s)", len(devices), strings.Join(devices, ", "))
	if o.visible != "" {
		found = visibleDevices + "=" + o.visible
	}
	if number >= 0 {
		switch {
		case len(devices) == 0: // CUDA will say
			return fmt.Sprint(number), nil
		case number >= len(devices):
			return "", fmt.Errorf("backend xla:%s:%d: %s found; a number from 0 to %d expected", variant, number, found, len(devices)-1)
		}
		return devices[number], nil
	}
	if o.bound && len(devices) == 1 {
		return "", nil
	}
	if len(devices) < p.size {
		return "", fmt.Errorf("backend xla:%s: %d processes on this host and %s found; a device for each expected; start at most %d on a host", variant, p.size, found, len(devices))
	}
	return devices[p.local], nil
}

// takeDevice leaves this process the device of that number, or of its local rank, alone,
// before the engine looks for devices. It is counted as nvidia-smi does, unless the user
// has CUDA count otherwise.
func takeDevice(variant string, number int, w *world.World) error {
	there, err := filepath.Glob("/proc/driver/nvidia/gpus/*")
	if err != nil {
		return err
	}
	bound := os.Getenv("SLURM_GPUS_PER_TASK") == "1" || strings.HasSuffix(os.Getenv("SLURM_TRES_PER_TASK"), "gres/gpu=1")
	device, err := ownDevice(variant, number, place{w.Local(), w.LocalSize()}, offered{os.Getenv(visibleDevices), len(there), bound})
	if device == "" || err != nil {
		return err
	}
	if os.Getenv(deviceOrder) == "" {
		err = os.Setenv(deviceOrder, "PCI_BUS_ID")
	}
	return errors.Join(err, os.Setenv(visibleDevices, device))
}

// joinGPUs has the processes' GPUs exchange gradients by NCCL; nil where one has none, or
// NCCL cannot do it, as a warning says then.
func (r *run) joinGPUs() (*nccl.Comm, error) {
	if r.world.Size() == 1 {
		return nil, nil
	}
	onHost, err := r.world.Any(r.device.Native())
	if onHost || err != nil {
		return nil, err
	}
	c, err := nccl.Open(r.world, r.device.Engine, nccl.Library(r.device.Engine.Plugin()))
	if err != nil {
		r.show.Warn("NCCL: %v; gradients go by the hosts' memory, which is slower", err)
		return nil, nil
	}
	r.show.Say("Gradients are summed between the GPUs by NCCL %d.%d.%d", c.Version/10000, c.Version/100%100, c.Version%100)
	return c, nil
}
