package app

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"gorqa/config"
	"gorqa/files/modelfile"
	"gorqa/files/weights"
	"gorqa/files/whole"
	"gorqa/qa"
	"gorqa/report"
)

// Merge writes the whole model that an adapter and its base model are together.
// It appears whole or not at all, and nothing is written over.
func Merge(ctx context.Context, c config.Merge, s Streams) (err error) {
	if modelfile.Exists(c.OutputDir) {
		return fmt.Errorf("output_dir: %s is there already; a new name expected; remove it or choose another", c.OutputDir)
	}
	if err := whole.CheckFolder(c.OutputDir); err != nil {
		return fmt.Errorf("output_dir: %w", err)
	}
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	from, err := session{hub: c.Hub, show: show}.locateOrigin(ctx, c.Model())
	if err != nil {
		return err
	}
	if from.LoRA == nil {
		return fmt.Errorf("%s has no adapter_config.json; a folder with an adapter in PEFT's format expected", c.Adapter)
	}
	adapter, lora, err := weights.OpenAdapter(ctx, from.Adapter)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, adapter.Close()) }()
	base, err := qa.OpenModel(ctx, from.Base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	files := base.Files()
	maps.Copy(files, adapter.Files()) // which win
	if files, err = qa.ExportFiles(ctx, from.TokenizerFolder(), base.Config(), files); err != nil {
		return err
	}
	if err := weights.Merge(ctx, c.OutputDir, base, adapter, lora, weights.DType(c.DType), files); err != nil {
		return err
	}
	show.Say("%s: %s with the adapter %s in its weights (rank %d, scaled by %.4g), in %s", c.OutputDir, from.Base, from.Adapter, lora.Rank, lora.Scale(), c.DType)
	return nil
}
