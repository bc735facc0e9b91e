package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gorqa/config"
	"gorqa/files/whole"
	"gorqa/report"
	"gorqa/text/convert"
	"gorqa/text/dataset"
)

// DataConvert reads question-answering data in one of the formats that it is published
// in, and writes gorqa's rows and documents.
func DataConvert(ctx context.Context, c config.DataConvert, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	if err := placeOf(c); err != nil {
		return err
	}
	rows := map[string][]dataset.Example{}
	var docs []dataset.Document
	seen := map[string]bool{}
	add := func(more []dataset.Document) {
		for _, d := range more {
			if key := d.Key(); !seen[key] {
				seen[key] = true
				docs = append(docs, d)
			}
		}
	}
	var errs []error
	for _, path := range c.Paths {
		set, warning, err := readConverted(ctx, path, convert.Options{Format: c.From, Columns: c.ColumnOf(), Unanswerable: c.AbstainAnswer}, c.OnBadRows == config.Skip)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if warning != "" {
			show.Warn("%s", warning)
		}
		show.Say("%s", tellConverted(path, set, c.AbstainAnswer != ""))
		split := convert.SplitOf(path)
		rows[split] = append(rows[split], set.Rows...)
		add(set.Documents)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if c.Documents != "" {
		given, err := dataset.ReadDocuments(ctx, c.Documents)
		if err != nil {
			return err
		}
		add(given)
	}
	if err := matchConverted(ctx, rows, docs, show); err != nil {
		return err
	}
	if len(rows) == 0 && len(docs) == 0 {
		return fmt.Errorf("%s: no rows with an answer and no passages; nothing was written", strings.Join(c.Paths, ", "))
	}
	if err := convert.Write(c.Output, rows, docs, c.OverwriteOutputDir); err != nil {
		return err
	}
	show.Say("%s: %d rows to train on, %d to evaluate, %d to test, over %d documents", c.Output, len(rows[convert.TrainFile]), len(rows[convert.EvalFile]), len(rows[convert.TestFile]), len(docs))
	if len(rows[convert.TrainFile]) > 0 && len(docs) > 0 {
		show.Say("%s", trainingOn(c.Output, rows))
	}
	return nil
}

// placeOf says, before the work, what keeps a data set from being written.
func placeOf(c config.DataConvert) error {
	if err := whole.CheckFolder(c.Output); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	_, err := convert.Held(c.Output, c.OverwriteOutputDir)
	return err
}

// readConverted reads a file; what is wrong with rows stops the command unless they are
// to be left out.
func readConverted(ctx context.Context, path string, opt convert.Options, skip bool) (set *convert.Set, warning string, err error) {
	set, err = convert.Read(ctx, path, opt)
	good := 0
	if set != nil {
		good = len(set.Rows)
	}
	_, warning, err = leftOut(err, good, skip)
	return set, warning, err
}

// leftOut is what becomes of an error of reading a file that has so many good rows: bad ones
// beside them are counted and warned of with skip, else the error says how to leave them out.
func leftOut(err error, good int, skip bool) (rows int, warning string, _ error) {
	bad, isBad := errors.AsType[*dataset.BadData](err)
	switch {
	case !isBad || good == 0:
		return 0, "", err
	case skip:
		return bad.BadRows, fmt.Sprintf("%d rows are left out:\n%v", bad.BadRows, bad), nil
	}
	return 0, "", fmt.Errorf("%w\nwith --on_bad_rows skip such rows are left out", err)
}

// tellConverted is one line: what a file was taken for and what came of it.
func tellConverted(path string, s *convert.Set, abstains bool) string {
	line := fmt.Sprintf("%s, taken as %s: %d rows, %d passages", path, s.Format, len(s.Rows), len(s.Documents))
	if s.Unanswerable > 0 && abstains {
		line += fmt.Sprintf("; %d questions without an answer have abstain_answer", s.Unanswerable)
	} else if s.Unanswerable > 0 {
		line += fmt.Sprintf("; %d questions are marked to have no answer and left out (--abstain_answer TEXT keeps them)", s.Unanswerable)
	}
	if s.Unanswered > 0 {
		line += fmt.Sprintf("; %d questions come without their answer and are left out", s.Unanswered)
	}
	if s.System > 0 {
		line += fmt.Sprintf("; %d system messages are left out, since a prompt of gorqa's stands in their place", s.System)
	}
	return line
}

// matchConverted finds passages for the rows without one.
func matchConverted(ctx context.Context, rows map[string][]dataset.Example, docs []dataset.Document, show *report.Run) error {
	bare, found := 0, 0
	progress := show.Progress()
	defer progress.End()
	for _, split := range []string{convert.TrainFile, convert.EvalFile, convert.TestFile} {
		for _, r := range rows[split] {
			if len(r.GoldDocs) == 0 && !r.Unanswerable {
				bare++
			}
		}
		n, err := convert.Match(ctx, rows[split], docs, func(done, total int) { progress.Set("Rows matched to passages of "+split, done, total) })
		if err != nil {
			return err
		}
		found += n
	}
	if bare > 0 {
		show.Say("%d rows come without a passage: %d of them got the best passage by BM25 that holds their answer, %d stay without (for train swr or fid, which retrieve passages)", bare, found, bare-found)
	}
	return nil
}
