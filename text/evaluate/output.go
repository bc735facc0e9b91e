package evaluate

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"gorqa/files/whole"
)

// WriteMetrics writes the metrics as one JSON object with sorted keys
// (score.json), whole or not at all.
func (r *Report) WriteMetrics(path string) error {
	return whole.File(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r.Metrics)
	})
}

// WritePredictions writes the predictions as JSONL, whole or not at all.
func (r *Report) WritePredictions(path string) error {
	return whole.File(path, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for i, p := range r.Predictions {
			if p.GoldDocs == nil {
				p.GoldDocs = []Passage{}
			}
			if p.RetrievedDocs == nil {
				p.RetrievedDocs = []Passage{}
			}
			if err := enc.Encode(p); err != nil {
				return fmt.Errorf("prediction %d: %w", i, err)
			}
		}
		return nil
	})
}

// Table gives the metrics as text, a header first: one line a metric, by its
// key without prefix and context, and one column a context, "" where a metric
// has no value in it. Latencies are in seconds.
func (r *Report) Table() [][]string {
	header := []string{"metric"}
	for _, c := range r.contexts {
		header = append(header, string(c))
	}
	table := [][]string{header}
	add := func(group Group, name Name, digits int) {
		line, some := []string{string(group) + "/" + string(name)}, false
		for _, c := range r.contexts {
			in := group
			if c != Retrieved {
				in += "_" + Group(c)
			}
			v, ok := r.Metrics[Key{r.prefix, in, name}]
			if !ok {
				line = append(line, "")
				continue
			}
			some = true
			line = append(line, strconv.FormatFloat(v, 'f', digits, 64))
		}
		if some {
			table = append(table, line)
		}
	}
	for _, m := range retrievalMetrics {
		if m.metric != LikelyRecall { // a sum of two that are shown
			add(Retrieval, m.name(), 4)
		}
	}
	for _, m := range answerMetrics {
		if m.metric == Words {
			add(Answers, m.name(), 1)
			continue
		}
		add(Answers, m.name(), 4)
	}
	add(Answers, AbstentionPrecision, 4)
	add(Answers, AbstentionRecall, 4)
	add(Answers, abstentionMetric.name(), 4)
	add(Answers, judgeMetric.name(), 4)
	add(Answers, FailedRows, 0)
	for _, group := range []Group{Retrieval, Answers, EndToEnd} {
		add(group, MeanLatency, 3)
	}
	return table
}
