package document

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
)

// words counts words, and two more for what a tokenizer puts around a text.
func words(text string) int { return 2 + len(strings.Fields(text)) }

func contents(docs []dataset.Document) (all []string) {
	for _, d := range docs {
		all = append(all, d.Content)
	}
	return all
}

func TestSentences(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"One. Two! Three? Four", []string{"One. ", "Two! ", "Three? ", "Four"}},
		{"See e.g. Smith et al. 1999, Fig. 3 by J. Doe. Next.", []string{"See e.g. Smith et al. 1999, Fig. 3 by J. Doe. ", "Next."}},
		{"Version 1.5.2 of foo.bar is out.", []string{"Version 1.5.2 of foo.bar is out."}},
		{`He said "Go." Then he left.`, []string{`He said "Go." `, "Then he left."}},
		{"水を入れる。沸かす！", []string{"水を入れる。", "沸かす！"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, Sentences(tt.text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
	}
}

// long is a file of three sections: sentences, code and a table.
func long() File {
	var text []string
	for i := range 30 {
		text = append(text, fmt.Sprintf("Sentence number %d is here.", i))
	}
	rows := []string{"| a | b |", "| --- | --- |"}
	for i := range 20 {
		rows = append(rows, fmt.Sprintf("| %d | x |", i))
	}
	return File{Source: "f.md", Title: "T", Blocks: []Block{
		{Kind: Heading, Text: "T", Level: 1},
		{Kind: Heading, Text: "Prose", Level: 2},
		{Kind: Paragraph, Text: strings.Join(text, " "), Page: 3},
		{Kind: Heading, Text: "Code", Level: 2},
		{Kind: Paragraph, Text: strings.Join(text[:5], " ")},
		{Kind: Paragraph, Text: "Write this:"},
		{Kind: Code, Text: "if x {\n\ty()\n}\nand so on for a line or two more"},
		{Kind: Heading, Text: "Table", Level: 2},
		{Kind: Table, Text: strings.Join(rows, "\n")},
	}}
}

func TestChunksOverlapBySentences(t *testing.T) {
	docs, err := Chunk(long(), ChunkOptions{Size: 40, Overlap: 12, Tokens: words})
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range docs {
		if d.Metadata["seq_num"] != i || d.Metadata["source"] != "f.md" || d.Metadata["title"] != "T" {
			t.Errorf("passage %d: %v", i, d.Metadata)
		}
	}
	all := contents(docs)
	if !strings.HasPrefix(all[0], "Prose\nSentence number 0 is here.") || docs[1].Metadata["page"] != 3 {
		t.Errorf("the first begins %.60q, page %v", all[0], docs[1].Metadata["page"])
	}
	if !strings.HasSuffix(all[0], "number 6 is here.") || !strings.HasPrefix(all[1], "Sentence number 5 is here. Sentence number 6") {
		t.Errorf("no overlap of two sentences:\n%s\n%s", all[0], all[1])
	}
	whole, kept := false, false
	for i, c := range all {
		whole = whole || strings.Contains(c, "Write this:\n\nif x {\n\ty()\n}\nand so on")
		if strings.Contains(c, "| 19 | x |") {
			kept = strings.Contains(c, "| a | b |\n| --- | --- |") && cmp.Equal(docs[i].Metadata["headings"], []string{"Table"}) && strings.Contains(docs[i].Formatted, "Title: T > Table\nContent:\n")
		}
	}
	if !whole {
		t.Errorf("code was cut, or left alone by its line:\n%s", strings.Join(all, "\n--\n"))
	}
	if !kept {
		t.Errorf("the last rows of a table lack its head or headings:\n%s", strings.Join(all, "\n--\n"))
	}
}

// Whatever is cut by whatever lengths: no passage is too long, and no word is lost.
func TestChunkBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		var blocks []Block
		want := map[string]bool{}
		for i := range 1 + r.IntN(12) {
			var b strings.Builder
			for j := range 1 + r.IntN(80) {
				w := fmt.Sprintf("w%d.%d", i, j)
				want[w] = true
				b.WriteString(w + []string{" ", ". ", "\n", ".\n"}[r.IntN(4)])
			}
			blocks = append(blocks, Block{Kind: Kind(r.IntN(5)), Text: b.String(), Level: 1 + r.IntN(3)})
		}
		o := ChunkOptions{Size: 16 + r.IntN(60), Overlap: r.IntN(8), MaxTokens: []int{0, 64, 100}[r.IntN(3)], Tokens: words}
		f := File{Source: strings.Repeat("long/", r.IntN(3)) + "a b c d e f", Title: strings.Repeat("many words ", r.IntN(30)), Blocks: blocks}
		docs, err := Chunk(f, o)
		if err != nil {
			t.Fatalf("case %d: %v", n, err)
		}
		for _, d := range docs {
			if words(d.Content)-2 > o.Size || o.MaxTokens > 0 && words(d.Formatted) > o.MaxTokens || d.Text() != d.Formatted {
				t.Errorf("case %d: a passage of %d words, %d with its header, for %d and %d", n, words(d.Content)-2, words(d.Formatted), o.Size, o.MaxTokens)
			}
			for _, w := range strings.Fields(d.Content) {
				delete(want, strings.TrimSuffix(w, "."))
			}
		}
		if len(want) > 0 {
			t.Fatalf("case %d: %d words are in no passage", n, len(want))
		}
	}
}

// A word without end is cut between characters.
func TestChunkLongWord(t *testing.T) {
	perRune := func(text string) int { return 2 + len([]rune(strings.ReplaceAll(text, "\n", ""))) }
	docs, err := Chunk(File{Source: "s", Title: "t", Blocks: []Block{{Text: strings.Repeat("語é", 5000)}}}, ChunkOptions{Size: 100, MaxTokens: 90, Tokens: perRune})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(contents(docs), ""); got != strings.Repeat("語é", 5000) {
		t.Errorf("%d runes of 10000", len([]rune(got)))
	}
}

func TestChunkOptions(t *testing.T) {
	for _, o := range []ChunkOptions{{}, {Size: 8, Tokens: words}, {Size: 100, Overlap: 60, Tokens: words}, {Size: 100, MaxTokens: 10, Tokens: words}, {Size: 100}} {
		if _, err := Chunk(File{}, o); err == nil {
			t.Errorf("%+v taken", o)
		}
	}
}
