package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"gorqa/config"
	"gorqa/tensor/train"
)

// beginning is where a run begins.
type beginning struct {
	Checkpoint string      // to go on from, "" for a new run
	State      train.State // of that
	Replaced   []string    // checkpoints to remove, since this run makes its own
	Notes      []string    // what the user should know
}

// whereToStart finds the checkpoint to go on from, and guards the output folder:
// without overwrite_output_dir nothing of another run is written over, and the
// folder of a model that the run reads is not at all.
func whereToStart(ctx context.Context, c config.Train) (b beginning, err error) {
	var problems []error
	for _, in := range inputs(ctx, &c) {
		problems = append(problems, guardInput(c.OutputDir, in[0], in[1]))
	}
	if err := errors.Join(problems...); err != nil {
		return b, err
	}
	h, err := look(c.OutputDir)
	if err != nil {
		return b, err
	}
	folder, last := c.Resume()
	if n := len(h.checkpoints); last && n > 0 {
		folder = h.checkpoints[n-1]
	} else if last {
		b.Notes = append(b.Notes, fmt.Sprintf("%s holds no checkpoint to go on from; the run starts anew", c.OutputDir))
	}
	at := slices.IndexFunc(h.checkpoints, func(c string) bool { return folder != "" && sameFile(c, folder) })
	what, later := h.run(), h.checkpoints
	if at >= 0 { // the run that lies there goes on
		if later = h.checkpoints[at+1:]; len(later) > 0 {
			what = "checkpoints after " + filepath.Base(folder) + ", the last one " + filepath.Base(later[len(later)-1])
		} else {
			what = ""
		}
	}
	if what != "" && !c.OverwriteOutputDir {
		return b, fmt.Errorf("output_dir: %s holds %s; a new folder expected, or --resume_from_checkpoint true to go on from its last checkpoint, or --overwrite_output_dir to write over what is there", c.OutputDir, what)
	}
	if c.DoTrain {
		b.Replaced = later
	}
	if folder == "" {
		return b, nil
	}
	b.Checkpoint = folder
	note, err := train.Verify(ctx, folder)
	if err != nil {
		return b, err
	}
	if note != "" {
		b.Notes = append(b.Notes, note)
	}
	if b.State, err = train.ReadState(folder); err != nil {
		return b, err
	}
	if best := b.State.BestStep; best > 0 && c.KeepsBest() && bestFolder(best, c.OutputDir, filepath.Dir(folder)) == "" {
		b.Notes = append(b.Notes, fmt.Sprintf("the best checkpoint so far, of step %d (%s %.4g), is gone; unless a later one is better, the model of the last step is handed over", best, c.BestMetric(), b.State.BestScore))
	}
	return b, nil
}

// originate says what a training is made of, and refuses a checkpoint that is made of
// something else, and processes that are given something else beside these facts.
func (r *run) originate(ctx context.Context, b beginning, given train.Facts) (err error) {
	if !r.c.DoTrain {
		return agree(r.world, given)
	}
	if r.made, err = originOf(ctx, &r.c, r.world.Size(), r.training, r.eval); err != nil {
		return err
	}
	maps.Copy(given, r.made.Training)
	maps.Copy(given, r.made.Scoring)
	if err := agree(r.world, given); err != nil {
		return err
	}
	return b.State.Check(b.Checkpoint, r.made, r.c.Evaluates())
}
