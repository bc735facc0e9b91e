package convert

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"gorqa/text/dataset"
)

// Read reads a file, or the folder of a BEIR data set. All problems of it are reported
// together, as a *dataset.BadData; what is sound comes beside it.
func Read(ctx context.Context, path string, o Options) (*Set, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Set{Format: o.Format, seen: map[string]bool{}}
	if o.Format == BEIR || o.Format == Auto && isBEIR(path) {
		s.Format = BEIR
		return s, s.readBEIR(ctx, path, o)
	}
	all, err := records(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := noRows(path, all[0], o); err != nil {
		return nil, err
	}
	if o.Format == Auto {
		switch s.Format = detect(path, all, o.Columns); s.Format {
		case "":
			return nil, dataset.Problem{File: path, Line: all[0].line, Found: "fields that no format has: " + names(all[0].fields), Expected: "one of " + strings.Join(Formats()[1:], ", "), Do: "say which with --from, or which column is what with --columns question=…,answer=…,context=…"}
		case Own:
			return nil, dataset.Problem{File: path, Line: all[0].line, Found: "gorqa's own rows", Expected: "another format", Do: "give the file to gorqa train as it is"}
		}
	}
	var bad dataset.BadData
	for _, r := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err := formats[s.Format](r.fields, o, s)
		for _, row := range rows {
			row.Line = r.line
			s.take(row, o)
		}
		if err != nil {
			bad.Add(problemOf(path, r.line, s.Format, err))
		}
	}
	if bad.Count > 0 {
		return s, &bad
	}
	return s, nil
}

// noRows is what is wrong with a file of passages, which nobody asks about.
func noRows(path string, first record, o Options) error {
	if len(o.Columns) > 0 || usual(first.fields, nil)["question"] != "" {
		return nil
	}
	p := dataset.Problem{File: path, Line: first.line, Expected: "questions with their answers"}
	switch {
	case first.fields["page_content"] != nil:
		p.Found, p.Do = "gorqa's own documents", dataset.DocumentsUse
	case len(first.fields) <= 3 && str(first.fields["text"]) != "":
		p.Found, p.Do = "texts without questions", "make documents of them with gorqa data docs"
	default:
		return nil
	}
	return p
}

// problemOf is what is wrong with a record.
func problemOf(path string, line int, format string, err error) dataset.Problem {
	p := dataset.Problem{File: path, Line: line, Found: err.Error(), Expected: "a row of " + format, Do: "correct the row, or remove it"}
	if b, ok := errors.AsType[badRecord](err); ok {
		p.Expected = b.expected
	}
	return p
}

// readBEIR reads corpus.jsonl, queries.jsonl and the judgements of qrels. BEIR has no
// answers, but for queries whose metadata name one.
func (s *Set) readBEIR(ctx context.Context, dir string, o Options) error {
	corpus, err := records(ctx, filepath.Join(dir, "corpus.jsonl"))
	if err != nil {
		return err
	}
	docs := make(map[string]dataset.Document, len(corpus))
	for _, c := range corpus {
		d := passage(str(c.fields["title"]), str(c.fields["text"]))
		if d.Content == "" {
			continue
		}
		d.Metadata["source"] = str(c.fields["_id"])
		docs[str(c.fields["_id"])] = d
		s.document(d)
	}
	queries, err := records(ctx, filepath.Join(dir, "queries.jsonl"))
	if err != nil {
		return err
	}
	gold, err := readQrels(ctx, dir)
	if err != nil {
		return err
	}
	var bad dataset.BadData
	for _, q := range queries {
		var r row
		r.Line = q.line
		r.Question = str(q.fields["text"])
		meta := object(q.fields["metadata"])
		for _, name := range []string{"answer", "answers"} {
			if r.GoldAnswer == "" {
				r.GoldAnswer = firstText(meta[name])
			}
		}
		for _, id := range gold[str(q.fields["_id"])] {
			d, ok := docs[id]
			if !ok {
				bad.Add(dataset.Problem{File: filepath.Join(dir, "queries.jsonl"), Line: q.line, Found: fmt.Sprintf("a judgement of the document %.60q, which corpus.jsonl lacks", id), Expected: "an _id of corpus.jsonl", Do: "take qrels, queries and corpus of one data set"})
				continue
			}
			r.GoldDocs = append(r.GoldDocs, d)
		}
		s.take(r, o)
	}
	if bad.Count > 0 {
		return &bad
	}
	return nil
}

// readQrels reads which documents answer which query, from all files of qrels.
func readQrels(ctx context.Context, dir string) (map[string][]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "qrels", "*.tsv"))
	if err != nil {
		return nil, err
	}
	gold := map[string][]string{}
	for _, file := range files {
		all, err := records(ctx, file)
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			query, doc := str(r.fields["query-id"]), str(r.fields["corpus-id"])
			if query == "" || doc == "" {
				return nil, dataset.Problem{File: file, Line: r.line, Found: "columns " + names(r.fields), Expected: "query-id, corpus-id and score", Do: "correct the file"}
			}
			if number(r.fields["score"]) > 0 {
				gold[query] = append(gold[query], doc)
			}
		}
	}
	return gold, nil
}
