package app

import (
	"context"
	"errors"
	"fmt"

	"gorqa/config"
	"gorqa/files/whole"
	"gorqa/report"
	"gorqa/text/demodata"
)

// Godoc makes the demo's data set from the documentation of Go's standard
// library.
func Godoc(ctx context.Context, c config.Godoc, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	if err := whole.CheckFolder(c.OutputDir); err != nil {
		return fmt.Errorf("output_dir: %w", err)
	}
	if c.Goroot == "" {
		if c.Goroot, err = demodata.Goroot(ctx); err != nil {
			return err
		}
	}
	set, err := demodata.Build(ctx, c.Goroot, godocOptions(c))
	if err != nil {
		return err
	}
	if err := set.Write(c.OutputDir, c.OverwriteOutputDir); err != nil {
		return err
	}
	show.Say("%s: %d rows to train on, %d to evaluate, %d to test, over %d documents of %s",
		c.OutputDir, len(set.Train), len(set.Eval), len(set.Test), len(set.Documents), set.GoVersion)
	return nil
}

func godocOptions(c config.Godoc) demodata.Options {
	return demodata.Options{
		Train: c.TrainRows, Eval: c.EvalRows, Test: c.TestRows,
		Documents: c.Documents, HardNegs: c.HardNegDocs, Seed: uint64(c.Seed),
	}
}
