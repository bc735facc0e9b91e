package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/tokenizer"
)

// A model whose tokenizer is a SentencePiece model trains, and the trained one
// has the same tokenizer, as it was and as a tokenizer.json.
func TestTrainSentencePiece(t *testing.T) {
	dir := t.TempDir()
	model, out := filepath.Join(dir, "model"), filepath.Join(dir, "out")
	if err := smallModel(t.Context(), model); err != nil {
		t.Fatal(err)
	}
	smallData(t, dir)
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json", "generation_config.json"} {
		if err := os.Remove(filepath.Join(model, name)); err != nil {
			t.Fatal(err)
		}
	}
	const name = "tokenizer.model"
	spm, err := os.ReadFile("../../text/tokenizer/testdata/sentencepiece/bpe.model")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(model, name), spm, 0o644); err != nil {
		t.Fatal(err)
	}
	if said, err := trainCommand(t, dir, "out", "--max_steps", "2", "--sep_sys", "</s>").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if copied, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(copied) != string(spm) {
		t.Errorf("%s is not copied: %v", name, err)
	}
	const text = "Package json </s> ünïcode"
	var ids [][]int32
	for _, path := range []string{model, filepath.Join(out, name), filepath.Join(out, "tokenizer.json")} {
		tok, err := tokenizer.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, tok.Encode(text, true))
	}
	if d := cmp.Diff(ids, [][]int32{ids[0], ids[0], ids[0]}); d != "" {
		t.Error(d)
	}
}
