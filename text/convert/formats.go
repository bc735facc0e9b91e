package convert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorqa/text/dataset"
)

// badRecord is what is missing or wrong in a record.
type badRecord struct{ found, expected string }

func (e badRecord) Error() string { return e.found }

func missing(what, expected string) error { return badRecord{"no " + what, expected} }

// format makes rows of a record.
type format func(fields map[string]any, o Options, s *Set) ([]row, error)

// formats are those that make rows of records.
var formats = map[string]format{
	SQuAD: squad, NQ: naturalQuestions, TriviaQA: triviaQA, HotpotQA: hotpotQA, DPR: dpr, MSMARCO: msmarco,
	Alpaca: alpaca, ShareGPT: shareGPT, Messages: messages, CSV: columns, Parquet: columns, JSON: columns,
}

// str is a text, or a number as one.
func str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return ""
	case json.Number:
		return v.String()
	case map[string]any, []any:
		return ""
	}
	return fmt.Sprint(v)
}

// list is a list; another value but nothing is one of one element.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

// number is a whole number, -1 for none.
func number(v any) int {
	if b, ok := v.(bool); ok && b {
		return 1
	}
	n, err := strconv.Atoi(str(v))
	if err != nil {
		return -1
	}
	return n
}

// firstText is the first text of a list that is not empty.
func firstText(v any) string {
	for _, e := range list(v) {
		if s := strings.TrimSpace(str(e)); s != "" {
			return s
		}
	}
	return ""
}

// zip makes objects of an object of lists, as Hugging Face's datasets have them; a list
// of objects stays one.
func zip(v any) []map[string]any {
	var out []map[string]any
	if m := object(v); m != nil {
		n := 0
		for _, column := range m {
			n = max(n, len(list(column)))
		}
		for i := range n {
			o := map[string]any{}
			for name, column := range m {
				if l := list(column); i < len(l) {
					o[name] = l[i]
				}
			}
			out = append(out, o)
		}
		return out
	}
	for _, e := range list(v) {
		if m := object(e); m != nil {
			out = append(out, m)
		}
	}
	return out
}

// squad reads SQuAD 1.1 and 2.0, nested as published or flat as in datasets.
func squad(f map[string]any, o Options, s *Set) (rows []row, err error) {
	if f["data"] == nil {
		r, err := squadQuestion(str(f["title"]), str(f["context"]), f)
		return []row{r}, err
	}
	var errs []string
	for i, article := range zip(f["data"]) {
		for j, p := range zip(article["paragraphs"]) {
			for k, qa := range zip(p["qas"]) {
				r, err := squadQuestion(str(article["title"]), str(p["context"]), qa)
				if err != nil {
					errs = append(errs, fmt.Sprintf("data[%d].paragraphs[%d].qas[%d]: %v", i, j, k, err))
					continue
				}
				rows = append(rows, r)
			}
		}
	}
	if len(errs) > 0 {
		more := ""
		if len(errs) > 10 {
			more = fmt.Sprintf("; and %d more", len(errs)-10)
		}
		return rows, badRecord{strings.Join(errs[:min(len(errs), 10)], "; ") + more, "a question, and a context beside its list"}
	}
	return rows, nil
}

func squadQuestion(title, context string, qa map[string]any) (r row, err error) {
	r.Question = str(qa["question"])
	if strings.TrimSpace(r.Question) == "" || strings.TrimSpace(context) == "" {
		return r, missing("question with its context", "both as text")
	}
	r.GoldDocs = []dataset.Document{passage(strings.ReplaceAll(title, "_", " "), context)}
	for _, a := range zip(qa["answers"]) {
		if r.GoldAnswer = strings.TrimSpace(str(a["text"])); r.GoldAnswer != "" {
			break
		}
	}
	impossible, _ := qa["is_impossible"].(bool)
	if _, there := qa["answers"]; there && r.GoldAnswer == "" || impossible {
		r.Unanswerable, r.GoldAnswer = true, ""
	}
	return r, nil
}

// naturalQuestions reads NQ-open (a question and a list of answers) and the simplified
// training set, whose gold passage is the long answer.
func naturalQuestions(f map[string]any, o Options, s *Set) ([]row, error) {
	var r row
	r.Question = str(f["question"])
	if r.Question == "" {
		r.Question = str(f["question_text"])
	}
	if strings.TrimSpace(r.Question) == "" {
		return nil, missing("question or question_text", "a question as text")
	}
	if f["annotations"] == nil {
		r.GoldAnswer = firstText(f["answer"])
		return []row{r}, nil
	}
	tokens := strings.Split(str(f["document_text"]), " ")
	words := func(span map[string]any) string {
		from, to := number(span["start_token"]), number(span["end_token"])
		if from < 0 || to > len(tokens) || from >= to {
			return ""
		}
		kept := slices.DeleteFunc(slices.Clone(tokens[from:to]), func(t string) bool { return strings.HasPrefix(t, "<") && strings.HasSuffix(t, ">") })
		return strings.Join(kept, " ")
	}
	for _, a := range zip(f["annotations"]) {
		if long := words(object(a["long_answer"])); long != "" && len(r.GoldDocs) == 0 {
			d := passage(str(f["document_title"]), long)
			if url := str(f["document_url"]); url != "" {
				d.Metadata["source"] = url
			}
			r.GoldDocs = []dataset.Document{d}
		}
		for _, span := range zip(a["short_answers"]) {
			if r.GoldAnswer == "" {
				r.GoldAnswer = words(span)
			}
		}
		if yes := strings.ToLower(str(a["yes_no_answer"])); r.GoldAnswer == "" && (yes == "yes" || yes == "no") {
			r.GoldAnswer = yes
		}
	}
	r.Unanswerable = len(r.GoldDocs) == 0 && r.GoldAnswer == ""
	return []row{r}, nil
}

// triviaQA reads TriviaQA, as published or flat: answers with aliases. The pages that
// are in it were found by searching, so they are documents and no gold passages.
func triviaQA(f map[string]any, o Options, s *Set) (rows []row, err error) {
	all := zip(f["Data"])
	if f["Data"] == nil {
		all = []map[string]any{f}
	}
	for _, q := range all {
		var r row
		r.Question = str(q["Question"]) + str(q["question"])
		answer := object(q["Answer"])
		if answer == nil {
			answer = object(q["answer"])
		}
		r.GoldAnswer = str(answer["Value"]) + str(answer["value"])
		if strings.TrimSpace(r.Question) == "" {
			return rows, missing("Question", "a question as text")
		}
		for _, pages := range []any{q["entity_pages"], q["search_results"]} {
			for _, p := range zip(pages) {
				for _, name := range []string{"wiki_context", "search_context"} {
					if text := str(p[name]); strings.TrimSpace(text) != "" {
						s.document(passage(str(p["title"]), text))
					}
				}
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// hotpotQA reads HotpotQA: the paragraphs with supporting facts are gold, the others of
// a row are hard negatives.
func hotpotQA(f map[string]any, o Options, s *Set) ([]row, error) {
	var r row
	r.Question, r.GoldAnswer = str(f["question"]), str(f["answer"])
	support := map[string]bool{}
	if facts := object(f["supporting_facts"]); facts != nil {
		for _, title := range list(facts["title"]) {
			support[str(title)] = true
		}
	} else {
		for _, fact := range list(f["supporting_facts"]) {
			if pair := list(fact); len(pair) == 2 {
				support[str(pair[0])] = true
			}
		}
	}
	add := func(title string, sentences any) {
		var b strings.Builder
		for _, sentence := range list(sentences) {
			b.WriteString(str(sentence))
		}
		if d := passage(title, b.String()); d.Content == "" {
			return
		} else if support[title] {
			r.GoldDocs = append(r.GoldDocs, d)
		} else {
			r.HardNegDocs = append(r.HardNegDocs, d)
		}
	}
	if table := object(f["context"]); table != nil {
		for _, p := range zip(table) {
			add(str(p["title"]), p["sentences"])
		}
	} else {
		for _, p := range list(f["context"]) {
			if pair := list(p); len(pair) == 2 {
				add(str(pair[0]), pair[1])
			}
		}
	}
	if strings.TrimSpace(r.Question) == "" || len(r.GoldDocs)+len(r.HardNegDocs) == 0 {
		return nil, missing("question with its context", "a question, and paragraphs as [title, [sentence, …]]")
	}
	return []row{r}, nil
}

// dpr reads the retriever data of DPR.
func dpr(f map[string]any, o Options, s *Set) ([]row, error) {
	var r row
	r.Question, r.GoldAnswer = str(f["question"]), firstText(f["answers"])
	if strings.TrimSpace(r.Question) == "" {
		return nil, missing("question", "a question as text")
	}
	contexts := func(names ...string) (docs []dataset.Document) {
		for _, name := range names {
			for _, c := range zip(f[name]) {
				if d := passage(str(c["title"]), str(c["text"])); d.Content != "" {
					docs = append(docs, d)
				}
			}
		}
		return docs
	}
	r.GoldDocs = contexts("positive_ctxs")
	if len(r.GoldDocs) > 1 { // the first is the one that was annotated, or the best
		for _, d := range r.GoldDocs[1:] {
			s.document(d)
		}
		r.GoldDocs = r.GoldDocs[:1]
	}
	r.HardNegDocs = contexts("hard_negative_ctxs")
	for _, d := range contexts("negative_ctxs") {
		s.document(d)
	}
	return []row{r}, nil
}

// msmarco reads MS MARCO's question answering, by columns as published or by rows.
func msmarco(f map[string]any, o Options, s *Set) (rows []row, err error) {
	queries := object(f["query"])
	if queries == nil {
		r, err := msmarcoRow(f)
		return []row{r}, err
	}
	for _, id := range sortedIDs(queries) {
		r, err := msmarcoRow(map[string]any{"query": queries[id], "passages": object(f["passages"])[id], "answers": object(f["answers"])[id], "wellFormedAnswers": object(f["wellFormedAnswers"])[id]})
		if err != nil {
			return rows, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func sortedIDs(m map[string]any) []string {
	ids := make([]string, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		x, errX := strconv.Atoi(a)
		y, errY := strconv.Atoi(b)
		if errX == nil && errY == nil && x != y {
			return x - y
		}
		return strings.Compare(a, b)
	})
	return ids
}

func msmarcoRow(f map[string]any) (r row, err error) {
	r.Question = str(f["query"])
	r.GoldAnswer = firstText(f["answers"])
	for _, name := range []string{"wellFormedAnswers", "well_formed_answers"} { // whole sentences
		if text := firstText(f[name]); text != "" && text != "[]" {
			r.GoldAnswer = text
		}
	}
	if strings.TrimSpace(r.Question) == "" {
		return r, missing("query", "a question as text")
	}
	r.Unanswerable = strings.HasPrefix(r.GoldAnswer, "No Answer Present")
	for _, p := range zip(f["passages"]) {
		d := passage("", str(p["passage_text"]))
		if url := str(p["url"]); url != "" {
			d.Metadata["source"] = url
		}
		if d.Content == "" {
			continue
		}
		if number(p["is_selected"]) == 1 {
			r.GoldDocs = append(r.GoldDocs, d)
		} else {
			r.HardNegDocs = append(r.HardNegDocs, d)
		}
	}
	return r, nil
}

// alpaca reads instructions: an input, where there is one, is what the answer is from.
func alpaca(f map[string]any, o Options, s *Set) ([]row, error) {
	var r row
	r.Question, r.GoldAnswer = str(f["instruction"]), str(f["output"])
	if strings.TrimSpace(r.Question) == "" {
		return nil, missing("instruction", "a question as text")
	}
	if d := passage("", str(f["input"])); d.Content != "" {
		r.GoldDocs = []dataset.Document{d}
	}
	return []row{r}, nil
}

func shareGPT(f map[string]any, o Options, s *Set) ([]row, error) {
	return conversation(zip(f["conversations"]), "from", "value", s)
}

func messages(f map[string]any, o Options, s *Set) ([]row, error) {
	return conversation(zip(f["messages"]), "role", "content", s)
}

// conversation makes a row of each answer, with the turns before its question as
// history.
func conversation(turns []map[string]any, who, what string, s *Set) (rows []row, err error) {
	var before []dataset.Turn
	question := ""
	for i, t := range turns {
		speaker, text := strings.ToLower(str(t[who])), str(t[what])
		if parts, ok := t[what].([]any); ok { // parts of text
			for _, p := range parts {
				text += str(object(p)["text"])
			}
		}
		switch speaker {
		case "system":
			s.System++
		case "human", "user":
			question = strings.TrimSpace(question + "\n" + text)
		case "gpt", "assistant", "chatgpt", "bot", "bing", "bard", "model":
			if question == "" {
				continue // an opening, or an answer that goes on
			}
			r := row{Example: dataset.Example{Question: question, GoldAnswer: text, History: slices.Clone(before)}}
			rows = append(rows, r)
			before = append(before, dataset.Turn{Speaker: "user", Message: question}, dataset.Turn{Speaker: "assistant", Message: text})
			question = ""
		case "tool", "function", "observation", "function_call":
			return nil, badRecord{fmt.Sprintf("a turn %d of %q", i+1, speaker), "turns of a user and an assistant alone"}
		default:
			return nil, badRecord{fmt.Sprintf("a turn %d of %.40q", i+1, speaker), "human and gpt, or user and assistant"}
		}
	}
	if len(rows) == 0 {
		return nil, missing("question with an answer", "a turn of the user and one of the assistant")
	}
	return rows, nil
}

// columns reads a table by the roles of its columns.
func columns(f map[string]any, o Options, s *Set) ([]row, error) {
	at := usual(f, o.Columns)
	for role, name := range o.Columns {
		if _, ok := f[name]; !ok {
			return nil, badRecord{fmt.Sprintf("no column %q for the %s among %s", name, role, names(f)), "the name of a column"}
		}
	}
	var r row
	r.Question, r.GoldAnswer = firstText(f[at["question"]]), firstText(f[at["answer"]])
	if m := object(f[at["answer"]]); m != nil {
		r.GoldAnswer = firstText(m["text"])
	}
	if at["question"] == "" || at["answer"] == "" {
		return nil, badRecord{"no question or no answer among the columns " + names(f), "columns of these names, or which ones they are (--columns question=…,answer=…)"}
	}
	if r.Question == "" {
		return nil, missing("question", "text in "+at["question"])
	}
	for _, c := range list(f[at["context"]]) {
		d := passage(str(f[at["title"]]), str(c))
		if d.Content == "" {
			continue
		}
		if source := str(f[at["source"]]); source != "" {
			d.Metadata["source"] = source
		}
		r.GoldDocs = append(r.GoldDocs, d)
	}
	return []row{r}, nil
}

// names are the fields of a record.
func names(f map[string]any) string {
	var all []string
	for name := range f {
		all = append(all, fmt.Sprintf("%.40q", name))
	}
	slices.Sort(all)
	if len(all) > 12 {
		all = append(all[:12], "…")
	}
	return strings.Join(all, ", ")
}
