package evaluate

import (
	"strings"
	"testing"
)

func FuzzReadPredictions(f *testing.F) {
	f.Add(`{"row":1,"context":"gold","question":"q","gold_docs":[{"page_content":"p","id":"x"}],"retrieved_docs":[{"index":1,"score":0.5}],"scores":{"f1_ans":1}}`)
	f.Add("{}\n[")
	f.Add(`{"question":"q","context":"none","scores":{"x":null}}{"scores":[]}`)
	f.Fuzz(func(t *testing.T, data string) {
		predictions, err := readPredictions("x.jsonl", strings.NewReader(data))
		if err == nil && len(predictions) == 0 {
			t.Fatal("neither predictions nor an error")
		}
		if err != nil {
			return
		}
		pairs, onlyA, onlyB := Match(predictions, predictions)
		if len(pairs) != len(predictions) || len(onlyA)+len(onlyB) > 0 {
			t.Fatalf("of %d predictions %d pairs with themselves", len(predictions), len(pairs))
		}
		if _, err := Compare(pairs, "f1_ans", CompareOptions{Samples: 100, Level: 0.9}); err != nil && !strings.HasPrefix(err.Error(), "comparison: ") {
			t.Fatal(err)
		}
	})
}
