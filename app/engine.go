package app

import (
	"context"
	"fmt"
	"os"
	"strings"

	"gorqa/config"
	"gorqa/engine/xla"
	"gorqa/files/wheel"
	"gorqa/qa"
)

// openEngine loads the plugin, fetching it where it is missing and its device is there.
func (s session) openEngine(ctx context.Context, c config.Engine) (d qa.Device, err error) {
	if err := xla.Available(); err != nil {
		return d, err
	}
	variant, number, err := c.Device()
	if err != nil {
		return d, fmt.Errorf("backend %w", err)
	}
	if err := deviceThere(variant); err != nil {
		return d, err
	}
	if err := takeDevice(variant, number, s.world); err != nil {
		return d, err
	}
	progress, done := fetchProgress(s.show)
	plugin, err := wheel.Engine(ctx, wheel.Options{Variant: variant, Progress: progress, Note: noted(s.show), CacheOnly: s.fetchesNothing || s.hub.Offline})
	done()
	if err != nil {
		return d, err
	}
	if d.Engine, err = xla.Open(variant, plugin); err != nil {
		return d, err
	}
	d.BF16 = c.BF16
	if d.BF16 && !d.Engine.FastBF16() {
		s.show.Say("bf16: this processor multiplies f32 faster, so everything is computed in f32 (more exact)")
		d.BF16 = false
	}
	return d, nil
}

// deviceThere looks whether an engine's device is on this machine, as its driver shows
// it: of an NVIDIA GPU /dev/nvidiactl, under Windows /dev/dxg.
func deviceThere(variant string) error {
	if !strings.HasPrefix(variant, "cuda") {
		return nil
	}
	for _, device := range []string{"/dev/nvidiactl", "/dev/dxg"} {
		if _, err := os.Stat(device); err == nil {
			return nil
		}
	}
	return fmt.Errorf("engine %s: no NVIDIA GPU on this machine (nvidia-smi shows one where it is, with its driver); take --backend xla:cpu", variant)
}
