package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/config"
	"gorqa/engine/world"
	"gorqa/files/whole"
	"gorqa/tensor/train"
)

// hostSettings may differ between processes: where things lie on a host, of which the
// content is compared, and what it computes with.
var hostSettings = []string{
	"model_name_or_path", "adapter_name_or_path", "config_name", "tokenizer_name", "embedding_model", "eval_embedding_model", "reranker",
	"train_file", "eval_file", "test_file", "full_dataset_file_path", "full_dataset_index_path", "cache_dir", "offline", "backend",
}

// agree looks whether all processes are given the same, by what each of them finds, and
// refuses what differs by name.
func agree(w *world.World, here train.Facts) error {
	if w.Size() == 1 {
		return nil
	}
	data, err := json.Marshal(here)
	if err != nil {
		return err
	}
	each, err := w.Gather(data)
	if err != nil {
		return err
	}
	var first train.Facts
	var differences []string
	for rank, data := range each {
		var facts train.Facts
		if err := json.Unmarshal(data, &facts); err != nil {
			return err
		}
		if rank == 0 {
			first = facts
			continue
		}
		names := slices.Collect(maps.Keys(facts))
		for name := range first {
			if _, there := facts[name]; !there {
				names = append(names, name)
			}
		}
		for _, name := range slices.Sorted(slices.Values(names)) {
			if a, b := first[name], facts[name]; !a.Same(b) {
				differences = append(differences, fmt.Sprintf("%s: %v at %v, %v at %v", name, a, w.Member(0), b, w.Member(rank)))
			}
		}
	}
	if len(differences) == 0 {
		return nil
	}
	const shown = 10
	if n := len(differences); n > shown {
		differences = append(differences[:shown], fmt.Sprintf("and %d more", n-shown))
	}
	return fmt.Errorf("the processes were not given the same, which they need to train one model:\n  %s\ngive all hosts the same program, settings, data and models", strings.Join(differences, "\n  "))
}

// given are the program and the settings of this process, where there are several.
func given(ctx context.Context, w *world.World, c config.Settings) (train.Facts, error) {
	facts := train.Facts{}
	if w.Size() == 1 {
		return facts, nil
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	if err := hashFile(ctx, h, program, math.MaxInt64); err != nil {
		return nil, err
	}
	facts["program"] = train.Fact{Value: program, Hash: hex.EncodeToString(h.Sum(nil))}
	data, err := config.Resolved(c)
	if err != nil {
		return nil, err
	}
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(data, &settings); err != nil {
		return nil, err
	}
	for name, value := range settings {
		if !slices.Contains(hostSettings, name) {
			facts[name] = train.Fact{Value: string(value)}
		}
	}
	return facts, nil
}

// alike refuses processes that are given different settings, or are different programs.
func alike(ctx context.Context, w *world.World, c config.Settings) error {
	facts, err := given(ctx, w, c)
	if err != nil {
		return err
	}
	return agree(w, facts)
}

// lead has rank 0 do something that the others help with.
func (r *run) lead(ctx context.Context, do func() error) error {
	_, err := world.Lead(ctx, r.crew.all(), func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// takeOutput takes the output folder and says where the run begins: rank 0 does, and
// tells the others. Those work in a folder of their own, which goes when they end, or where
// they are killed with the end of rank 0, or of the next run on that host.
func takeOutput(ctx context.Context, w *world.World, c *config.Train) (b beginning, release func() error, err error) {
	release = func() error { return nil }
	b, err = world.Decide(w, func() (beginning, error) {
		free, err := takeFolder(c.OutputDir)
		if err != nil {
			return beginning{}, err
		}
		release = free
		return whereToStart(ctx, *c)
	})
	if err != nil {
		return b, release, err
	}
	if w.Rank() == 0 {
		free := release
		release = func() error {
			whole.Sweep(os.TempDir()) // what killed processes of this host left
			return free()
		}
		return b, release, nil
	}
	temp, err := whole.NewTemp(os.TempDir())
	if err != nil {
		return b, release, err
	}
	c.OutputDir = temp.Path(fmt.Sprintf("rank-%d", w.Rank()))
	b.Replaced, b.Notes = nil, nil
	return b, temp.Remove, os.Mkdir(c.OutputDir, 0o700)
}

// logFolder is where the log of a process goes.
func logFolder(w *world.World, c *config.Train, output string) string {
	if w.Rank() == 0 || !c.LogAllRanks {
		return c.OutputDir
	}
	return filepath.Join(output, fmt.Sprintf("rank-%d", w.Rank()))
}

// outcome is what rank 0 tells of an evaluation.
type outcome struct {
	Score   uint64 // its bits, since JSON has no NaN
	Stopped bool
}

// Evaluate implements train.Job: rank 0 evaluates, and the others help it.
func (r *run) Evaluate(ctx context.Context, step int) (float64, error) {
	found, err := world.Lead(ctx, r.crew.all(), func() (outcome, error) {
		score, err := r.evaluate(ctx, step)
		var gone *world.Failure
		if err != nil && ctx.Err() != nil && !errors.As(context.Cause(ctx), &gone) {
			return outcome{Stopped: true}, nil // all are told, and stop together
		}
		return outcome{Score: math.Float64bits(score)}, err
	})
	if err == nil && found.Stopped {
		return 0, context.Canceled
	}
	return math.Float64frombits(found.Score), err
}
