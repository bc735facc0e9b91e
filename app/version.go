package app

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"gorqa/config"
	"gorqa/engine/cpu"
)

// Version writes what this program was built from.
func Version(_ context.Context, _ config.Version, s Streams) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("the program was built without build information; build it with the go command")
	}
	revision, changed := "unknown", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			changed = ", changed since"
		}
	}
	fmt.Fprintf(s.Out, "gorqa %s (revision %s%s)\n%s %s/%s\n", info.Main.Version, revision, changed, info.GoVersion, runtime.GOOS, runtime.GOARCH)
	isa, err := kernels()
	if err != nil {
		return err
	}
	fmt.Fprintln(s.Out, isa)
	for _, dep := range info.Deps {
		if slices.Contains([]string{"github.com/gomlx/gomlx", "github.com/gomlx/compute", "github.com/gomlx/go-xla"}, dep.Path) {
			fmt.Fprintf(s.Out, "%s %s\n", dep.Path, dep.Version)
		}
	}
	return nil
}

// kernels says which of the processor's instructions kernels on the host take.
func kernels() (string, error) {
	isa, err := cpu.ISAInUse()
	if err != nil {
		return "", err
	}
	if best := cpu.BestISA(); isa < best {
		return fmt.Sprintf("kernels: %s, of the processor's %s (%s)", isa, best, cpu.MaxISA), nil
	}
	return fmt.Sprintf("kernels: %s", isa), nil
}
