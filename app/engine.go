package app

import (
	"context"
	"fmt"
	"strings"

	"gorqa/config"
	"gorqa/engine/xla"
	"gorqa/files/wheel"
	"gorqa/report"
)

// openEngine loads the plugin, fetching it where it is missing, and says
// whether models compute in bf16.
func openEngine(ctx context.Context, c config.Engine, show *report.Run) (e *xla.Engine, half bool, err error) {
	if err := xla.Available(); err != nil {
		return nil, false, err
	}
	variant := "cpu"
	if c.Backend != "" {
		name, ok := strings.CutPrefix(c.Backend, "xla:")
		if !ok {
			return nil, false, fmt.Errorf("backend %q; expected xla:cpu, xla:cuda12 or xla:cuda13", c.Backend)
		}
		variant = name
	}
	progress, done := fetchProgress(show)
	plugin, err := wheel.Engine(ctx, wheel.Options{Variant: variant, Progress: progress})
	done()
	if err != nil {
		return nil, false, err
	}
	if e, err = xla.Open(variant, plugin); err != nil {
		return nil, false, err
	}
	half = c.BF16
	if half && !e.FastBF16() {
		show.Say("bf16: this processor multiplies f32 faster, so everything is computed in f32 (more exact)")
		half = false
	}
	return e, half, nil
}
