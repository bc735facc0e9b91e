package qa

import (
	"fmt"
	"strings"
	"testing"

	"gorqa/files/wheel"
	"gorqa/text/document"
)

// No passage that is cut with the model's tokenizer is longer than the model reads,
// source, title, prompt and special tokens included, whatever the text and lengths.
func TestPassagesFitTheEmbedder(t *testing.T) {
	folder, err := wheel.Model(t.Context(), "all-MiniLM-L6-v2", wheel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, model string
		size        int
	}{
		{"LocalRQA's size, more than is read", "all-MiniLM-L6-v2", 400},
		{"short", "all-MiniLM-L6-v2", 30},
		{"with the prompt of an e5 model", "e5-like", 256},
	}
	var prose, foreign, list strings.Builder
	for i := range 400 {
		fmt.Fprintf(&prose, "The %dth antidisestablishmentarian kettle-boiling sentence, e.g. this one, costs $%d.%02d! ", i, i, i%100)
		foreign.WriteString("東京駅でお湯を沸かす。Привет, мир! 🙂 naïve café\u0301 ")
		fmt.Fprintf(&list, "x_%d=%x\n", i, i*i*7919)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			count, err := OpenPassageTokens(t.Context(), folder, tt.model)
			if err != nil {
				t.Fatal(err)
			}
			if count.Most() != 256 {
				t.Fatalf("the model reads %d tokens; 256 expected", count.Most())
			}
			if strings.HasPrefix(tt.model, "e5") && count.Count("") == 2 {
				t.Skip("the folder sets its own prompts")
			}
			for _, source := range []string{"a.md", strings.Repeat("very/long/path/", 40) + "a.md"} {
				f := document.File{Source: source, Title: strings.Repeat("A long title. ", 1+len(source)/20), Blocks: []document.Block{
					{Kind: document.Heading, Text: strings.Repeat("Heading ", 60), Level: 1},
					{Kind: document.Paragraph, Text: prose.String()}, {Kind: document.Paragraph, Text: foreign.String()},
					{Kind: document.Code, Text: list.String()}, {Kind: document.Table, Text: "| a |\n| --- |\n| " + strings.ReplaceAll(list.String(), "\n", " |\n| ")},
					{Kind: document.Paragraph, Text: strings.Repeat("x", 5000)},
				}}
				docs, err := document.Chunk(f, document.ChunkOptions{Size: tt.size, Overlap: 15, MaxTokens: count.Most(), Tokens: count.Count})
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range docs {
					if n := count.Count(d.Text()); n > count.Most() {
						t.Errorf("a passage of %d tokens: %.80q", n, d.Text())
					}
					if n := count.Count(d.Content) - count.Count(""); n > tt.size {
						t.Errorf("content of %d tokens for a chunk_size of %d", n, tt.size)
					}
				}
			}
		})
	}
}
