// Package audit looks a data set over before anything is trained on it: lengths,
// repeated rows, questions and passages that stand in two splits, answers that their
// passages do not hold, and how often a question finds its passage.
//
// It says what it found, with the lines, and judges nothing. It must not know models or
// the command line: tokens are counted by a function, passages found by retrievers.
package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gorqa/text/convert"
	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// Split is the rows of one file.
type Split struct {
	File string
	Rows []dataset.Example
}

// Lengths are in tokens.
type Lengths struct {
	Median int `json:"median"`
	P95    int `json:"p95"`
	Max    int `json:"max"`
}

// Finding is something to look at: how often, and where for example.
type Finding struct {
	What     string   `json:"what"`
	Count    int      `json:"count"`
	Examples []string `json:"examples,omitempty"` // file:line and what is there
}

// mostExamples of a finding are named.
const mostExamples = 3

// add counts one more, and names it where few are named yet.
func (f *Finding) add(example func() string) {
	if f.Count++; len(f.Examples) < mostExamples {
		f.Examples = append(f.Examples, example())
	}
}

// Rows is what was found in one split.
type Rows struct {
	File        string  `json:"file"`
	Rows        int     `json:"rows"`
	WithoutGold int     `json:"rows_without_gold_passage"`
	Questions   Lengths `json:"question_tokens"`
	Answers     Lengths `json:"answer_tokens"`
	Passages    Lengths `json:"gold_passage_tokens"`
	// Found is the share of the rows with a gold passage for which one is among the best
	// k, by retriever and k.
	Found    map[string]map[string]float64 `json:"found,omitempty"`
	Findings []Finding                     `json:"findings"`
}

// Documents is what was found among the documents.
type Documents struct {
	File     string    `json:"file"`
	Count    int       `json:"documents"`
	Lengths  Lengths   `json:"tokens"`
	Findings []Finding `json:"findings"`
}

// Report is what was found in a data set.
type Report struct {
	Unit      string     `json:"length_unit"` // what lengths are counted in
	Splits    []Rows     `json:"splits"`
	Documents *Documents `json:"documents,omitempty"`
	Between   []Finding  `json:"between_splits"` // what leaks
}

// Options say how a data set is looked at.
type Options struct {
	Unit       string
	Tokens     func(text string) int
	MaxTokens  int // that the embedding model reads of a passage; 0 for any number
	Retrievers map[string]retrieve.Retriever
	Ks         []int // how many passages are looked at, rising
	// Unclear lists the turns of a history whose speaker is not known; nil for none.
	Unclear func(history []dataset.Turn) []string
}

// Audit looks at splits and documents, which may be nil.
func Audit(ctx context.Context, splits []Split, documentsFile string, docs []dataset.Document, o Options) (*Report, error) {
	r := &Report{Unit: o.Unit}
	known := map[string]bool{}
	for _, d := range docs {
		known[d.Key()] = true
	}
	if docs != nil {
		r.Documents = lookAtDocuments(documentsFile, docs, o)
	}
	for _, s := range splits {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows := lookAtRows(s, known, o)
		if err := findPassages(ctx, &rows, s, o); err != nil {
			return nil, err
		}
		r.Splits = append(r.Splits, rows)
	}
	for i, b := range splits {
		for _, a := range splits[:i] {
			leaks, err := between(ctx, a, b)
			if err != nil {
				return nil, err
			}
			r.Between = append(r.Between, leaks...)
		}
	}
	return r, nil
}

// kept are the findings that found something.
func kept(all ...Finding) []Finding {
	return slices.DeleteFunc(all, func(f Finding) bool { return f.Count == 0 })
}

func lengths(counts []int) Lengths {
	if len(counts) == 0 {
		return Lengths{}
	}
	slices.Sort(counts)
	n := len(counts)
	return Lengths{Median: counts[n/2], P95: counts[min(n-1, n*95/100)], Max: counts[n-1]}
}

func at(file string, x dataset.Example, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", file, x.Line, fmt.Sprintf(format, args...))
}

// folded is a text without what does not make it another: case, punctuation, spaces.
func folded(text string) string { return strings.Join(retrieve.Words(text), " ") }

// asked is what makes a question the same one: its words and those before it.
func asked(x dataset.Example) string {
	var b strings.Builder
	for _, t := range x.History {
		b.WriteString(folded(t.Message) + "\x00")
	}
	return b.String() + folded(x.Question)
}

func lookAtDocuments(file string, docs []dataset.Document, o Options) *Documents {
	same := Finding{What: "passages with the text of another"}
	long := Finding{What: fmt.Sprintf("passages longer than the %d tokens that the embedding model reads", o.MaxTokens)}
	empty := Finding{What: "passages without words"}
	seen := map[string]int{}
	var counts []int
	for i, d := range docs {
		line := func(format string, args ...any) func() string {
			return func() string { return fmt.Sprintf("%s: passage %d: %s", file, i+1, fmt.Sprintf(format, args...)) }
		}
		key := folded(d.Content)
		if first, there := seen[key]; there && key != "" {
			same.add(line("the text of passage %d: %.60q", first+1, d.Content))
		} else {
			seen[key] = i
		}
		if key == "" {
			empty.add(line("%.60q", d.Content))
		}
		n := o.Tokens(d.Text())
		counts = append(counts, n)
		if o.MaxTokens > 0 && n > o.MaxTokens {
			long.add(line("%d tokens", n))
		}
	}
	return &Documents{File: file, Count: len(docs), Lengths: lengths(counts), Findings: kept(same, long, empty)}
}

// lookAtRows looks at the rows of a split alone. known are the documents' keys, empty
// for no documents.
func lookAtRows(s Split, known map[string]bool, o Options) Rows {
	r := Rows{File: s.File, Rows: len(s.Rows)}
	var questions, answers, passages []int
	repeated := Finding{What: "questions that stand in the file before, with the same answer"}
	other := Finding{What: "questions that stand in the file before, with another answer"}
	absent := Finding{What: "answers that are not in their gold passages: short ones word for word, long ones by most of their words"}
	strange := Finding{What: "gold passages that are not among the documents"}
	unclear := Finding{What: "turns of earlier dialogue whose speaker is neither a user nor an assistant, which no prompt can be made of"}
	seen := map[string]int{}
	for i, x := range s.Rows {
		if o.Unclear != nil {
			for _, turn := range o.Unclear(x.History) {
				unclear.add(func() string { return at(s.File, x, "%s", turn) })
			}
		}
		questions, answers = append(questions, o.Tokens(x.Question)), append(answers, o.Tokens(x.GoldAnswer))
		if len(x.GoldDocs) == 0 {
			r.WithoutGold++
		}
		for _, d := range x.GoldDocs {
			passages = append(passages, o.Tokens(d.Text()))
			if len(known) > 0 && !known[d.Key()] {
				strange.add(func() string { return at(s.File, x, "%.60q", d.Content) })
			}
		}
		if len(x.GoldDocs) > 0 && !Holds(x.GoldDocs, x.GoldAnswer) {
			absent.add(func() string { return at(s.File, x, "%.80q", x.GoldAnswer) })
		}
		key := asked(x)
		if first, there := seen[key]; !there {
			seen[key] = i
		} else if before := s.Rows[first]; folded(before.GoldAnswer) == folded(x.GoldAnswer) {
			repeated.add(func() string { return at(s.File, x, "as in line %d: %.60q", before.Line, x.Question) })
		} else {
			other.add(func() string {
				return at(s.File, x, "%.60q: %.40q; in line %d %.40q", x.Question, x.GoldAnswer, before.Line, before.GoldAnswer)
			})
		}
	}
	r.Questions, r.Answers, r.Passages = lengths(questions), lengths(answers), lengths(passages)
	r.Findings = kept(unclear, repeated, other, absent, strange)
	return r
}

// An answer of more words than a name or a number has is in its passage where this
// share of its words is.
const (
	shortAnswer = 8
	mostWords   = 0.6
)

// Holds says whether an answer is in its passages: word for word in one of them, or, a
// long one, by most of its words in all.
func Holds(passages []dataset.Document, answer string) bool {
	var there []string
	for _, d := range passages {
		if convert.Holds(d, answer) {
			return true
		}
		there = append(there, retrieve.Words(d.Text())...)
	}
	return mostly(retrieve.Words(answer), there)
}

// mostly says whether the words of a long answer are there, for the most part.
func mostly(answer, there []string) bool {
	in := map[string]bool{}
	for _, w := range there {
		in[w] = true
	}
	n := 0
	for _, w := range answer {
		if in[w] {
			n++
		}
	}
	return len(answer) > shortAnswer && float64(n) >= mostWords*float64(len(answer))
}

// findPassages counts the questions whose passage is found.
func findPassages(ctx context.Context, r *Rows, s Split, o Options) error {
	var queries []string
	var gold []map[string]bool
	for _, x := range s.Rows {
		if len(x.GoldDocs) == 0 {
			continue
		}
		keys := map[string]bool{}
		for _, d := range x.GoldDocs {
			keys[d.Key()] = true
		}
		queries, gold = append(queries, x.Question), append(gold, keys)
	}
	if len(queries) == 0 || len(o.Ks) == 0 {
		return nil
	}
	for name, retriever := range o.Retrievers {
		docs, err := retrieve.ReadAll(ctx, retriever.Documents())
		if err != nil {
			return err
		}
		hits, err := retriever.TopK(ctx, queries, min(o.Ks[len(o.Ks)-1], len(docs)))
		if err != nil {
			return err
		}
		if r.Found == nil {
			r.Found = map[string]map[string]float64{}
		}
		r.Found[name] = map[string]float64{}
		for _, k := range o.Ks {
			found := 0
			for q, list := range hits {
				if slices.ContainsFunc(list[:min(k, len(list))], func(h retrieve.Hit) bool { return gold[q][docs[h.Index].Key()] }) {
					found++
				}
			}
			r.Found[name][fmt.Sprint(k)] = float64(found) / float64(len(queries))
		}
	}
	return nil
}
