package app

import (
	"context"
	"fmt"
	"strings"

	"gorqa/config"
	"gorqa/engine/xla"
	"gorqa/files/wheel"
	"gorqa/qa"
	"gorqa/report"
)

// openEngine loads the plugin, fetching it where it is missing.
func openEngine(ctx context.Context, c config.Engine, show *report.Run) (d qa.Device, err error) {
	if err := xla.Available(); err != nil {
		return d, err
	}
	variant := "cpu"
	if c.Backend != "" {
		name, ok := strings.CutPrefix(c.Backend, "xla:")
		if !ok {
			return d, fmt.Errorf("backend %q; expected xla:cpu, xla:cuda12 or xla:cuda13", c.Backend)
		}
		variant = name
	}
	progress, done := fetchProgress(show)
	plugin, err := wheel.Engine(ctx, wheel.Options{Variant: variant, Progress: progress})
	done()
	if err != nil {
		return d, err
	}
	if d.Engine, err = xla.Open(variant, plugin); err != nil {
		return d, err
	}
	d.BF16 = c.BF16
	if d.BF16 && !d.Engine.FastBF16() {
		show.Say("bf16: this processor multiplies f32 faster, so everything is computed in f32 (more exact)")
		d.BF16 = false
	}
	return d, nil
}
