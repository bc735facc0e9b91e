package convert

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"gorqa/files/modelfile"
)

// detect says which format records are in: "" where it is not sure.
func detect(path string, all []record, columns map[string]string) string {
	f := all[0].fields
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := f[n]; !ok {
				return false
			}
		}
		return true
	}
	ext := strings.ToLower(filepath.Ext(path))
	switch {
	case len(all) == 1 && isObjects(f["data"], "paragraphs"), has("context", "question", "answers"):
		return SQuAD
	case len(all) == 1 && isObjects(f["Data"], "Question"), has("question", "answer") && isObject(f["answer"]):
		return TriviaQA
	case len(columns) > 0:
	case ext != ".csv" && ext != ".tsv" && ext != ".parquet" && (has("gold_docs") || has("gold_answer")):
		return Own
	case has("supporting_facts", "context", "question"):
		return HotpotQA
	case has("positive_ctxs", "question"):
		return DPR
	case has("passages", "query") && (isObject(f["passages"]) || isObjects(f["passages"], "is_selected")):
		return MSMARCO
	case isObjects(f["conversations"], "from"):
		return ShareGPT
	case isObjects(f["messages"], "role"):
		return Messages
	case has("instruction", "output"):
		return Alpaca
	case has("annotations") && (has("question_text") || has("question")):
		return NQ
	case has("question", "answer") && isList(f["answer"]):
		return NQ
	}
	if found := usual(f, columns); found["question"] != "" && found["answer"] != "" {
		switch ext {
		case ".csv", ".tsv", ".tab":
			return CSV
		case ".parquet":
			return Parquet
		}
		return JSON
	}
	return ""
}

// usualNames are the columns that a role goes by, the likeliest first.
var usualNames = map[string][]string{
	"question": {"question", "query", "prompt", "instruction", "question_text"},
	"answer":   {"answer", "gold_answer", "response", "output", "completion", "answers", "answer_text"},
	"context":  {"context", "contexts", "passage", "passages", "document", "documents", "text", "ground_truth_context"},
	"title":    {"title"},
	"source":   {"source", "url", "doc_id"},
}

// usual finds the columns of roles that are not given, whatever their case.
func usual(fields map[string]any, given map[string]string) map[string]string {
	lower := map[string]string{}
	for name := range fields {
		lower[strings.ToLower(strings.TrimSpace(name))] = name
	}
	found := map[string]string{}
	for role, names := range usualNames {
		if given[role] != "" {
			found[role] = given[role]
			continue
		}
		for _, n := range names {
			if name, ok := lower[n]; ok {
				found[role] = name
				break
			}
		}
	}
	return found
}

// Detect says which format a file is in, or a folder: "" where that is not sure. Of
// JSON lines it reads the first, of other files all.
func Detect(ctx context.Context, path string) (string, error) {
	if isBEIR(path) {
		return BEIR, nil
	}
	if first, ok := firstLine(path); ok {
		return detect(path, first, nil), nil
	}
	all, err := records(ctx, path)
	if err != nil {
		return "", err
	}
	return detect(path, all, nil), nil
}

func isBEIR(path string) bool {
	for _, name := range []string{"corpus.jsonl", "queries.jsonl"} {
		if _, err := os.Stat(filepath.Join(path, name)); err != nil {
			return false
		}
	}
	return true
}

func isObject(v any) bool { _, ok := v.(map[string]any); return ok }

func isList(v any) bool { _, ok := v.([]any); return ok }

// isObjects says whether a value is a list of objects whose first has a field.
func isObjects(v any, field string) bool {
	list, _ := v.([]any)
	if len(list) == 0 {
		return false
	}
	first, _ := list[0].(map[string]any)
	_, ok := first[field]
	return ok
}

// firstLine is the first record of a file whose first line is one.
func firstLine(path string) ([]record, bool) {
	f, _, err := modelfile.Open(path)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	line, err := bufio.NewReaderSize(f, 1<<20).ReadSlice('\n')
	var fields map[string]any
	if err != nil || nested(line) > maxDepth || json.Unmarshal(line, &fields) != nil || fields == nil {
		return nil, false
	}
	return []record{{1, fields}}, true
}
