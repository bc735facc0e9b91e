package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gorqa/config"
	"gorqa/files/modelfile"
	"gorqa/files/whole"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/document"
	"gorqa/text/retrieve"
)

// Docs makes passages of the files in folders and archives. Those of files that can be
// read are written whatever is wrong with others; what is wrong is told at the end.
func Docs(ctx context.Context, c config.Docs, s Streams) (err error) {
	if modelfile.Exists(c.Output) {
		return fmt.Errorf("%s: is there already; a new name expected; remove it or choose another", c.Output)
	}
	if err := whole.CheckFile(c.Output); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	opt, failed, err := session{hub: c.Hub, show: show}.chunkOptions(ctx, c)
	if err != nil {
		return err
	}
	p := passages{opt: opt, at: map[string]int{}}
	progress, end := readingFiles(show)
	read, err := document.Read(ctx, c.Paths, document.DefaultLimits(), progress, p.add)
	end()
	if err := errors.Join(err, failed()); err != nil {
		return err
	}
	read.Problems = append(read.Problems, p.problems...)
	if len(p.docs) == 0 {
		return errors.Join(read.Err(), fmt.Errorf("%s: no text found; files with text expected (%s); nothing was written", strings.Join(c.Paths, ", "), strings.Join(document.Extensions(), " ")))
	}
	if err := whole.File(c.Output, func(w io.Writer) error { return dataset.WriteDocuments(w, p.docs) }); err != nil {
		return err
	}
	sayDocs(show, c, read, p)
	if len(read.Problems) == 0 {
		return nil
	}
	bad := fmt.Errorf("%w\n%d files could not be read; %s has the passages of the others", read.Err(), len(read.Problems), c.Output)
	if c.OnBadFiles == config.Skip {
		show.Warn("%v", bad)
		return nil
	}
	return fmt.Errorf("%w (--on_bad_files skip: that is no failure)", bad)
}

// slowFile is how long a file is read before it is named.
const slowFile = 3 * time.Second

// readingFiles shows how far the files are read, and names one that takes long.
func readingFiles(show *report.Run) (progress func(next string, done, total int), end func()) {
	shown, slow := show.Progress(), time.NewTimer(0)
	progress = func(next string, done, total int) {
		shown.Set("Files", done, total)
		if slow.Stop(); next != "" {
			slow = time.AfterFunc(slowFile, func() { show.Say("Reading %s, which takes a while", next) })
		}
	}
	return progress, func() { slow.Stop(); shown.End() }
}

// chunkOptions says how passages are cut: by the tokens of the embedding model, or
// by words. failed tells whether something could not be counted.
func (s session) chunkOptions(ctx context.Context, c config.Docs) (opt document.ChunkOptions, failed func() error, err error) {
	opt = document.ChunkOptions{Size: c.ChunkSize, Overlap: c.ChunkOverlap, Tokens: func(text string) int { return len(retrieve.Words(text)) }}
	if c.EmbeddingModel == "" {
		s.show.Say("No embedding_model: lengths are counted in words, which suits retrieval by words (BM25)")
		return opt, func() error { return nil }, nil
	}
	folder, err := s.locateNamed(ctx, c.EmbeddingModel)
	if err != nil {
		return opt, nil, err
	}
	count, err := qa.OpenPassageTokens(ctx, folder, c.EmbeddingModel)
	if err != nil {
		return opt, nil, err
	}
	opt.Tokens, opt.MaxTokens = count.Count, count.Most()
	if count.Most() < c.ChunkSize {
		s.show.Say("The embedding model reads %d tokens, source and title among them: passages are cut to that, not to chunk_size %d", count.Most(), c.ChunkSize)
	}
	return opt, count.Err, nil
}

// passages gathers those of files, each text once.
type passages struct {
	opt      document.ChunkOptions
	docs     []dataset.Document
	at       map[string]int // by content
	repeated int
	problems []error
}

func (p *passages) add(f document.File) error {
	docs, err := document.Chunk(f, p.opt)
	if err != nil {
		p.problems = append(p.problems, err)
		return nil
	}
	for _, d := range docs {
		key := strings.Join(strings.Fields(d.Content), " ")
		at, there := p.at[key]
		if !there {
			p.at[key] = len(p.docs)
			p.docs = append(p.docs, d)
			continue
		}
		p.repeated++
		first := p.docs[at].Metadata
		also, _ := first["also_in"].([]string)
		if source := d.Metadata["source"].(string); source != first["source"] && !slices.Contains(also, source) && len(also) < 20 {
			first["also_in"] = append(also, source)
		}
	}
	return nil
}

// sayDocs tells what was read and what was not.
func sayDocs(show *report.Run, c config.Docs, read *document.Summary, p passages) {
	show.Say("%s: %d passages of %d files; for questions about them: gorqa data qa %s --output_dir DIR --writer_model NAME", c.Output, len(p.docs), read.Read, c.Output)
	if p.repeated > 0 {
		show.Say("%d passages with the text of another were left out; also_in in the metadata of the first names the files", p.repeated)
	}
	if read.Empty > 0 {
		show.Say("%d files have no text", read.Empty)
	}
	if len(read.LeftOut) > 0 {
		var kinds []string
		for _, ext := range slices.SortedFunc(maps.Keys(read.LeftOut), func(a, b string) int {
			return cmp.Or(cmp.Compare(read.LeftOut[b], read.LeftOut[a]), cmp.Compare(a, b))
		}) {
			name := ext
			if name == "" {
				name = "without extension"
			}
			kinds = append(kinds, fmt.Sprintf("%d %s", read.LeftOut[ext], name))
		}
		if len(kinds) > 8 {
			kinds = append(kinds[:8], "…")
		}
		show.Say("Left out, since their format is not read: %s (one that is text is read when it is named by itself)", strings.Join(kinds, ", "))
	}
	if read.Links > 0 {
		show.Say("%d links in folders were not followed", read.Links)
	}
}
