package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gorqa/config"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/audit"
	"gorqa/text/dataset"
	"gorqa/text/prompt"
	"gorqa/text/retrieve"
)

// DataCheck looks a data set over: lengths, what is repeated, what leaks between the
// splits, and whether questions find their passages.
func DataCheck(ctx context.Context, c config.DataCheck, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	splits, err := readSplits(ctx, c, show)
	if err != nil {
		return err
	}
	var docs []dataset.Document
	if c.FullDatasetFilePath != "" {
		if docs, err = dataset.ReadDocuments(ctx, c.FullDatasetFilePath); err != nil {
			return err
		}
	}
	opt, done, err := auditOptions(ctx, c, splits, docs, show)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	found, err := audit.Audit(ctx, splits, c.FullDatasetFilePath, docs, opt)
	if err != nil {
		return err
	}
	out := &report.CleanJSON{Out: s.Out}
	if c.JSON {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return enc.Encode(found)
	}
	_, err = io.WriteString(s.Out, report.Clean(auditText(found)))
	return err
}

func readSplits(ctx context.Context, c config.DataCheck, show *report.Run) (splits []audit.Split, err error) {
	var errs []error
	for _, file := range c.Files {
		rows, warning, err := readExamples(ctx, file, c.OnBadRows == config.Skip)
		errs = append(errs, err)
		if warning != "" {
			show.Warn("%s", warning)
		}
		splits = append(splits, audit.Split{File: file, Rows: rows})
	}
	return splits, errors.Join(errs...)
}

// auditOptions opens what lengths are counted and passages found by. done closes it.
func auditOptions(ctx context.Context, c config.DataCheck, splits []audit.Split, docs []dataset.Document, show *report.Run) (opt audit.Options, done func() error, err error) {
	done = func() error { return nil }
	opt = audit.Options{Unit: "words", Tokens: func(text string) int { return len(retrieve.Words(text)) }, Retrievers: map[string]retrieve.Retriever{}, Ks: []int{1, 3, 5, 10, 20}, Unclear: unclearTurns}
	pool := docs
	if pool == nil {
		pool = goldOf(splits)
		if len(pool) > 0 {
			show.Say("No full_dataset_file_path: passages are looked for among the %d gold passages of the files, which is easier than among documents", len(pool))
		}
	}
	if len(pool) > 0 {
		if opt.Retrievers["BM25"], err = retrieve.NewBM25(pool, retrieve.DefaultBM25Options()); err != nil {
			return opt, done, err
		}
	}
	if c.EmbeddingModel == "" {
		return opt, done, nil
	}
	folder, err := session{hub: c.Hub, show: show}.locateNamed(ctx, c.EmbeddingModel)
	if err != nil {
		return opt, done, err
	}
	count, err := qa.OpenPassageTokens(ctx, folder, c.EmbeddingModel)
	if err != nil {
		return opt, done, err
	}
	opt.Unit, opt.Tokens, opt.MaxTokens = "tokens of "+c.EmbeddingModel, count.Count, count.Most()
	if docs == nil {
		return opt, count.Err, nil
	}
	only := config.DefaultTrain("")
	only.Database, only.Hub, only.Engine = c.Database(), c.Hub, c.Engine
	ready := newChecks(ctx, only, show)
	ready.index = true
	if err := ready.run(ctx); err != nil {
		return opt, done, err
	}
	dense, err := ready.openRetriever(ctx, c.Database())
	if err != nil {
		return opt, done, err
	}
	opt.Retrievers["dense"] = dense.retriever
	return opt, func() error { return errors.Join(count.Err(), dense.passages.Close()) }, nil
}

// unclearTurns lists the turns that a prompt in gorqa's default format refuses.
func unclearTurns(history []dataset.Turn) (turns []string) {
	for _, u := range prompt.Default(prompt.DefaultFormat()).Unclear(history) {
		turns = append(turns, fmt.Sprintf("chat_history[%d].speaker %s; %s expected; %s", u.Turn, u.Found, u.Expected, u.Do))
	}
	return turns
}

// goldOf are the gold passages of all rows, each once.
func goldOf(splits []audit.Split) (docs []dataset.Document) {
	seen := map[string]bool{}
	for _, s := range splits {
		for _, x := range s.Rows {
			for _, d := range x.GoldDocs {
				if key := d.Key(); !seen[key] {
					seen[key] = true
					docs = append(docs, d)
				}
			}
		}
	}
	return docs
}

// auditText lays a report out in tables, and what was found below them.
func auditText(r *audit.Report) string {
	var b strings.Builder
	three := func(l audit.Lengths) string { return fmt.Sprintf("%d / %d / %d", l.Median, l.P95, l.Max) }
	head := []string{"", "rows", "without passage", "question", "answer", "gold passage"}
	var rows [][]string
	for _, s := range r.Splits {
		rows = append(rows, []string{s.File, strconv.Itoa(s.Rows), strconv.Itoa(s.WithoutGold), three(s.Questions), three(s.Answers), three(s.Passages)})
	}
	if d := r.Documents; d != nil {
		rows = append(rows, []string{d.File, strconv.Itoa(d.Count), "", "", "", three(d.Lengths)})
	}
	fmt.Fprintf(&b, "Lengths in %s: median / 95%% / longest\n%s", r.Unit, report.Format(head, rows))
	b.WriteString(foundText(r))
	list := func(title string, findings []audit.Finding) {
		for _, f := range findings {
			fmt.Fprintf(&b, "\n%s%d %s\n", title, f.Count, f.What)
			for _, e := range f.Examples {
				fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(e, "\n", " "))
			}
		}
	}
	before := b.Len()
	list("", r.Between)
	for _, s := range r.Splits {
		list(s.File+": ", s.Findings)
	}
	if d := r.Documents; d != nil {
		list(d.File+": ", d.Findings)
	}
	if b.Len() == before {
		b.WriteString("\nNothing repeated, nothing shared between the files, every answer in its passages.\n")
	}
	return b.String()
}

// foundText is the table of how often questions find their passage.
func foundText(r *audit.Report) string {
	head := []string{"gold passage among the best"}
	var ks []string
	var rows [][]string
	for _, s := range r.Splits {
		for _, name := range slices.Sorted(maps.Keys(s.Found)) {
			if ks == nil {
				ks = slices.SortedFunc(maps.Keys(s.Found[name]), func(a, b string) int { return len(a)*100 + int(a[0]) - len(b)*100 - int(b[0]) })
				head = append(head, ks...)
			}
			row := []string{s.File + ", " + name}
			for _, k := range ks {
				row = append(row, fmt.Sprintf("%.1f%%", 100*s.Found[name][k]))
			}
			rows = append(rows, row)
		}
	}
	if rows == nil {
		return ""
	}
	return "\n" + report.Format(head, rows)
}
