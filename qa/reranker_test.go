package qa

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/text/retrieve"
)

// Each family has the scores of sentence-transformers' CrossEncoder.
func TestRerankerFamilies(t *testing.T) {
	var g struct {
		golden.Header
		Values struct {
			Pairs  [][2]string          `json:"pairs"`
			Models map[string][]float32 `json:"models"`
		} `json:"values"`
	}
	path := "testdata/rerankers.json"
	if other := os.Getenv("GORQA_RERANKERS"); other != "" {
		path = other
	}
	golden.ReadJSON(t, path, &g)
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	var pairs []retrieve.Pair
	for _, p := range g.Values.Pairs {
		pairs = append(pairs, retrieve.Pair{Query: p[0], Passage: p[1]})
	}
	e := enginetest.Open(t)
	for name, want := range g.Values.Models {
		t.Run(name, func(t *testing.T) {
			x, err := OpenReranker(t.Context(), Device{Engine: e}, besideOr(os.Getenv("GORQA_RERANKERS"), "rerankers", name), name)
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			got, err := x.Score(t.Context(), pairs)
			if err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, name, got, want, g.Tolerance["score"])
			worst := 0.0
			for i := range got {
				worst = max(worst, math.Abs(float64(got[i]-want[i])))
			}
			t.Logf("| %s | %d pairs | %.1e |", name, len(pairs), worst)
		})
	}
}

func TestOpenRerankerErrors(t *testing.T) {
	e := enginetest.Open(t)
	for _, test := range []struct {
		name, why, from string
		change          map[string]map[string]any // of files
		want            string
	}{
		{"decoder", "its head is another one", "encoders/qwen3", map[string]map[string]any{"config.json": {"architectures": []string{"Qwen3ForSequenceClassification"}, "num_labels": 1}}, `model_type is "qwen3"; expected one of bert`},
		{"embedder", "it has no head", "encoders/roberta", nil, "ForSequenceClassification"},
		{"labels", "which of them is the score", "rerankers/bert", map[string]map[string]any{"config.json": {"id2label": map[string]string{"0": "no", "1": "yes"}}}, "2 labels (id2label); expected one"},
		{"activation", "another function", "rerankers/bert", map[string]map[string]any{"config.json": {"sentence_transformers": map[string]string{"activation_fn": "torch.nn.modules.activation.Softmax"}}}, "Softmax"},
		{"type", "no head is known", "rerankers/bert", map[string]map[string]any{"config.json": {"model_type": "nomic_bert"}}, `model_type is "nomic_bert"; expected one of bert, roberta`},
		{"task", "another kind of model", "rerankers/xlm-roberta", map[string]map[string]any{"sentence_bert_config.json": {"transformer_task": "feature-extraction"}}, "choose a reranker"},
		{"prompt", "scores would be others", "rerankers/xlm-roberta", map[string]map[string]any{"config_sentence_transformers.json": {"prompts": map[string]string{"q": "Q: "}, "default_prompt_name": "q"}}, `default_prompt_name is "q"`},
		{"folder", "nothing is there", "rerankers/none", nil, "none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := filepath.Join("testdata", test.from)
			if test.change != nil {
				folder = changed(t, folder, test.change)
			}
			_, err := OpenReranker(t.Context(), Device{Engine: e}, folder, "x")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v; want one with %q (%s)", err, test.want, test.why)
			}
		})
	}
}

// changed is a copy of a folder with other values in its JSON files.
func changed(t *testing.T, folder string, change map[string]map[string]any) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	for file, values := range change {
		path := filepath.Join(to, file)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]any
		if err := json.Unmarshal(data, &all); err != nil {
			t.Fatal(err)
		}
		for key, value := range values {
			all[key] = value
		}
		if data, err = json.Marshal(all); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}
