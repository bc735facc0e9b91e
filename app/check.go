package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"gorqa/config"
	"gorqa/files/redact"
	"gorqa/files/whole"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/retrieve"
	"gorqa/text/retrieve/postgres"
)

// checks looks at what stands between settings and a run, before anything long
// begins: one list for doctor, which prints each line, and for every command that
// runs a model or makes an index, which stops at what is wrong.
type checks struct {
	session
	c config.Train

	// command is set where a command runs the checks for itself: it has taken its
	// folder and read its rows, tells what is to be known itself, and loads the
	// embedding model itself.
	command bool
	// read are the rows of a command, by the setting that names their file.
	read map[string][]dataset.Example
	// index says that vectors will be written, be they there or not.
	index bool
	// noEngine says that nothing is computed.
	noEngine bool

	text  *qa.Outline // once model has found one
	asked bool        // once prompt has chosen how
}

// check is one line: it gives what was found, "" where the settings name nothing
// to look at.
type check struct {
	name string
	look func(ctx context.Context) (found string, err error)
}

func newChecks(ctx context.Context, c config.Train, show *report.Run) *checks {
	return &checks{
		c: c,
		session: session{
			hub: c.Hub, show: show, located: map[string]string{},
			documents: sync.OnceValues(func() ([]dataset.Document, error) {
				if c.FullDatasetFilePath == "" {
					return nil, nil // the index holds them
				}
				return dataset.ReadDocuments(ctx, c.FullDatasetFilePath)
			}),
		},
	}
}

// list is what is looked at: first what needs no engine, which may have to be
// fetched.
func (d *checks) list() (first, then []check) {
	first = []check{{"output_dir", d.output}, {"index", d.indexFolder}, {"judge", d.judge}, {"documents", d.documentFile}}
	then = []check{{"engine", d.engine}, {"model", d.model}, {"prompt", d.prompt}, {"attention", d.attention}}
	for _, f := range []struct{ name, path string }{{"train_file", d.c.TrainFile}, {"eval_file", d.c.EvalFile}, {"test_file", d.c.TestFile}} {
		then = append(then, check{f.name, func(ctx context.Context) (string, error) { return d.rows(ctx, f.name, f.path) }})
	}
	return first, append(then, check{"embedding model", d.embedding}, check{"reranker", d.reranker})
}

// run is for a command: all that is wrong, or nil.
func (d *checks) run(ctx context.Context) error {
	d.command = true
	first, then := d.list()
	for _, list := range [][]check{first, then} {
		var errs []error
		for _, c := range list {
			_, err := c.look(ctx)
			errs = append(errs, err)
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	return nil
}

// retrieves says whether the run reads the documents.
func (d *checks) retrieves() bool {
	return d.index || d.c.Retrieves() || d.c.Augments() && d.c.RetrievalPool != config.Gold
}

// checked runs the checks for a command that has no report yet, on the console
// alone: what is wrong leaves nothing behind.
func checked(ctx context.Context, c config.Train, read map[string][]dataset.Example, s Streams) (_ *checks, err error) {
	show, err := report.Open("", report.Options{Console: s.Err, Plain: c.DisableTqdm})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	d := newChecks(ctx, c, show)
	d.world, d.read = s.World, read
	return d, d.run(ctx)
}

// answering is the settings of a run that only answers.
func answering(a config.Answering, scoring config.Scoring, seed int64) config.Train {
	c := config.DefaultTrain("")
	c.DoTrain, c.DoEval = false, false
	c.Answering, c.Scoring, c.Seed = a, scoring, seed
	if !c.Retrieves() {
		c.Database = config.DefaultDatabase()
	}
	return c
}

// output checks that the output folder can be written, and that nothing in it
// would be lost.
func (d *checks) output(ctx context.Context) (_ string, err error) {
	if d.c.OutputDir == "" || d.command {
		return "", nil
	}
	release, err := takeFolder(d.c.OutputDir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, release()) }()
	if _, err := whereToStart(ctx, d.c); err != nil {
		return "", err
	}
	return d.c.OutputDir, nil
}

// indexFolder checks that the vectors of documents can be kept. A folder that
// has some and cannot be written does, unless it is to be written in any case.
func (d *checks) indexFolder(context.Context) (string, error) {
	dir := d.c.FullDatasetIndexPath
	if dir == "" || d.command && !d.retrieves() {
		return "", nil
	}
	if postgres.Is(dir) {
		return redact.Address(dir), postgres.CheckAddress(dir) // asked once there is something to ask
	}
	err := whole.CheckFolder(dir)
	if err != nil && (d.index || !retrieve.Keeps(dir)) {
		return "", fmt.Errorf("full_dataset_index_path: %w", err)
	}
	return dir, nil
}

// judge checks that the judge of answers can be asked; nothing is sent.
func (d *checks) judge(context.Context) (string, error) {
	if !d.c.GenGPT4Eval || d.c.JudgeModel == "" {
		return "", nil
	}
	_, err := d.openJudge(d.c.JudgeModel)
	return d.c.JudgeModel, err
}
