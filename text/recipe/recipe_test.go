package recipe

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"gorqa/batch"
	"gorqa/files/wheel"
	"gorqa/internal/golden"
	"gorqa/text/dataset"
	"gorqa/text/prompt"
	"gorqa/text/tokenizer"
)

// encoder uses a real tokenizer: MiniLM's, without its own special tokens.
func encoder(t testing.TB, limit int) *Encoder {
	t.Helper()
	folder, err := wheel.Model(context.Background(), "all-MiniLM-L6-v2", wheel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	f := prompt.DefaultFormat()
	f.SepSys = " [SEP]"
	return &Encoder{Tokenizer: tok, Template: prompt.Default(f), MaxTokens: limit}
}

var example = dataset.Example{
	Question:   "What does the package do?",
	GoldAnswer: "It turns examples into rows of tokens.",
	GoldDocs: []dataset.Document{
		{Formatted: "Title: first\n" + strings.Repeat("alpha beta gamma ", 40)},
		{Formatted: "Title: second\n" + strings.Repeat("delta epsilon zeta ", 40)},
	},
}

func TestRowKeepsTheAnswer(t *testing.T) {
	whole := encoder(t, 10000)
	full, err := whole.Row(example, GoldContext(3, example))
	if err != nil {
		t.Fatal(err)
	}
	bare, err := whole.Row(example, Context{Row: 3})
	if err != nil {
		t.Fatal(err)
	}
	answer := whole.Tokenizer.Encode(whole.Template.Answer(example.GoldAnswer), false)
	for _, c := range []struct {
		name, why string
		limit     int
		has, not  string
	}{
		{"room", "nothing is cut", len(full.Tokens), "zeta", "[UNK]"},
		{"second cut", "the last passage loses text first", len(full.Tokens) - 100, "title : second", "[UNK]"},
		{"second gone", "then it goes as a whole", len(full.Tokens) - 200, "title : first", "title : second"},
		{"none left", "the question and the answer stay", len(bare.Tokens), "what does the package do", "title"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := encoder(t, c.limit)
			row, err := e.Row(example, GoldContext(3, example))
			if err != nil {
				t.Fatal(err)
			}
			if len(row.Tokens) > c.limit {
				t.Errorf("%d tokens, expected at most %d", len(row.Tokens), c.limit)
			}
			if !slices.Equal(row.Tokens[row.From:], answer) {
				t.Errorf("the answer is %v, expected %v", row.Tokens[row.From:], answer)
			}
			text := e.Tokenizer.Decode(row.Tokens, false)
			if !strings.Contains(text, c.has) || strings.Contains(text, c.not) {
				t.Errorf("%s: %q; expected it to hold %q and not %q", c.why, text, c.has, c.not)
			}
		})
	}
}

func TestStandaloneForgetsTheEarliestTurns(t *testing.T) {
	e := encoder(t, 10000)
	history := []dataset.Turn{{Speaker: "USER", Message: strings.Repeat("alpha ", 50)}, {Speaker: "ASSISTANT", Message: "beta"}}
	whole, err := e.Standalone(history, "gamma?", 10000)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := e.Standalone(history, "gamma?", len(whole)-1)
	if err != nil {
		t.Fatal(err)
	}
	if text := e.Tokenizer.Decode(ids, false); strings.Contains(text, "alpha") || !strings.Contains(text, "beta") || !strings.Contains(text, "gamma") {
		t.Errorf("%q; expected it without its first turn alone", text)
	}
	var long *TooLong
	if _, err := e.Standalone(history, "gamma?", 5); !errors.As(err, &long) {
		t.Errorf("no room for the question: %v", err)
	}
}

// A prompt is cut as the rows were that the model was trained with.
func TestPromptIsCutAsTrained(t *testing.T) {
	in := Input(example.Question, nil, append(example.GoldDocs[:2:2], dataset.Document{Formatted: "Title: third\n" + strings.Repeat("eta theta iota ", 40)}))
	for _, c := range []struct {
		name, why   string
		drops, gold bool
		limit       int
		has, not    []string
	}{
		{"SFT", "the last loses text", false, false, 50, []string{"second", "zeta", "third", "iota"}, nil},
		{"SwR", "the last goes as a whole", true, false, 50, []string{"second", "zeta"}, []string{"third"}},
		{"SwR, shorter", "the first loses text at last", true, false, 400, []string{"first", "gamma"}, []string{"second", "third"}},
		{"SwR, gold", "gold passages lose text alone", true, true, 50, []string{"second", "zeta", "third", "iota"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := encoder(t, 10000)
			e.Template = e.Template.DroppingPassages(c.drops)
			whole, err := e.Prompt(in, c.gold, 10000)
			if err != nil {
				t.Fatal(err)
			}
			row, err := e.Prompt(in, c.gold, len(whole.Tokens)-c.limit)
			if err != nil || len(row.Tokens) > len(whole.Tokens)-c.limit {
				t.Fatalf("%d of %d tokens, error %v", len(row.Tokens), len(whole.Tokens), err)
			}
			text := e.Tokenizer.Decode(row.Tokens, false)
			for _, w := range c.has {
				if !strings.Contains(text, w) {
					t.Errorf("%s: no %q in %q", c.why, w, text)
				}
			}
			for _, w := range c.not {
				if strings.Contains(text, w) {
					t.Errorf("%s: %q in %q", c.why, w, text)
				}
			}
		})
	}
}

// Where the loss is on all of a row, its first token is the one that none predicts.
func TestRowLearnsAll(t *testing.T) {
	e := encoder(t, 10000)
	answer, err := e.Row(example, GoldContext(0, example))
	if err != nil {
		t.Fatal(err)
	}
	e.LearnAll = true
	all, err := e.Row(example, GoldContext(0, example))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(answer.Tokens, all.Tokens) || all.From != 0 || all.Terms() != len(all.Tokens)-1 || answer.From == 0 {
		t.Errorf("learnt from %d on, %d terms of %d tokens; from 0 on, all but the first expected; of the answer alone from %d on", all.From, all.Terms(), len(all.Tokens), answer.From)
	}
}

func TestRowsNamesWhatDoesNotFit(t *testing.T) {
	e := encoder(t, 70)
	long := example
	long.GoldAnswer = strings.Repeat("word ", 100)
	rows, err := e.Rows([]dataset.Example{long, {Question: "q", GoldAnswer: "a"}, long}, []Context{{Row: 0}, {Row: 1}, {Row: 2}})
	var over *Overflow
	if !errors.As(err, &over) || !slices.Equal(over.Rows, []int{0, 2}) {
		t.Fatalf("error %v, expected an Overflow of rows 0 and 2", err)
	}
	if len(rows) != 1 || rows[0].Index != 1 {
		t.Errorf("rows %v, expected row 1 alone", rows)
	}
}

func TestPlanIsWholeAndRepeatable(t *testing.T) {
	var group []int
	for i := range 23 {
		group = append(group, i/2)
	}
	for _, c := range []struct {
		name, why string
		group     []int
	}{
		{"shuffled", "any order", nil},
		{"grouped", "rows of a passage follow each other", group},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Plan{Rows: 23, PerStep: 4, Seed: 5, Group: c.group}
			if n := p.StepsPerEpoch(); n != 6 {
				t.Fatalf("%d steps an epoch, expected 6", n)
			}
			var first, second []int
			for step := 1; step <= 12; step++ {
				got, epoch := p.Step(step)
				again, _ := p.Step(step)
				if !slices.Equal(got, again) {
					t.Fatalf("step %d differs the second time", step)
				}
				if step <= 6 {
					first = append(first, got...)
				} else {
					second = append(second, got...)
				}
				if want := float64(step) / 6; !golden.Near(epoch, want, 1e-9) {
					t.Errorf("step %d: epoch %g, expected %g", step, epoch, want)
				}
			}
			if slices.Equal(first, second) {
				t.Error("both epochs have the same order")
			}
			other := p
			other.Seed++
			if rows, _ := other.Step(1); slices.Equal(rows, first[:len(rows)]) {
				t.Error("another seed has the same order")
			}
			if c.group != nil {
				for i := 0; i+1 < len(first); i++ {
					if first[i]%2 == 0 && first[i] != 22 && first[i+1] != first[i]+1 {
						t.Errorf("row %d is not followed by its partner: %v", first[i], first)
					}
				}
			}
			for _, order := range [][]int{first, second} {
				slices.Sort(order)
				for i, r := range order {
					if r != i {
						t.Fatalf("an epoch holds %v, expected every row once", order)
					}
				}
			}
		})
	}
}

// TestRowInBlocks: a passage has the same tokens in every row and place, the row's text
// stays that of the prompt, and what is too long is cut as ever.
func TestRowInBlocks(t *testing.T) {
	plain, e := encoder(t, 10000), encoder(t, 10000)
	e.Template = e.Template.InBlocks(true)
	whole, err := plain.Row(example, GoldContext(3, example))
	if err != nil {
		t.Fatal(err)
	}
	other := example
	other.Question, other.GoldDocs = "And what of it?", []dataset.Document{example.GoldDocs[1], example.GoldDocs[0]}
	var rows []batch.Row
	for _, x := range []dataset.Example{example, other} {
		row, err := e.Row(x, GoldContext(3, x))
		if err != nil {
			t.Fatal(err)
		}
		if len(row.Blocks) != 3 || row.From <= row.Blocks[2] || row.Index != 3 {
			t.Fatalf("blocks end at %v, the answer begins at %d of row %d", row.Blocks, row.From, row.Index)
		}
		rows = append(rows, row)
	}
	part := func(r batch.Row, i int) []int32 { return r.Tokens[r.Blocks[i]:r.Blocks[i+1]] }
	if !slices.Equal(part(rows[0], 0), part(rows[1], 1)) || !slices.Equal(part(rows[0], 1), part(rows[1], 0)) || !slices.Equal(rows[0].Tokens[:rows[0].Blocks[0]], rows[1].Tokens[:rows[1].Blocks[0]]) {
		t.Error("a passage or the prefix has other tokens in the other row")
	}
	if !slices.Equal(rows[0].Tokens, whole.Tokens) { // whose tokenizer never joins words
		t.Errorf("%q, and in one piece %q", e.Tokenizer.Decode(rows[0].Tokens, false), e.Tokenizer.Decode(whole.Tokens, false))
	}
	bare, err := e.Prompt(Input("Why?", nil, nil), true, 10000)
	if err != nil || bare.Blocks != nil {
		t.Errorf("a prompt without passages has blocks %v, error %v", bare.Blocks, err)
	}
	e.MaxTokens = rows[0].Blocks[1] + len(rows[0].Tokens) - rows[0].Blocks[2] // no room for the second passage
	short, err := e.Row(example, GoldContext(3, example))
	if err != nil || len(short.Blocks) != 2 || !slices.Equal(short.Tokens[short.Blocks[1]:], rows[0].Tokens[rows[0].Blocks[2]:]) {
		t.Errorf("blocks end at %v, error %v; expected the first passage and all of the rest", short.Blocks, err)
	}
	shown, err := e.Show(example, GoldContext(3, example))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i, token := range shown.Tokens {
		if token.ID != short.Tokens[i] || token.Learnt != (i >= short.From) {
			t.Fatalf("token %d is shown as %+v", i, token)
		}
		text.WriteString(token.Text)
	}
	if !strings.Contains(text.String(), "betagamma") || !strings.HasSuffix(text.String(), "tokens.[SEP]") {
		t.Errorf("shown: %q", text.String())
	}
	asked, err := prompt.Parse("{dialogue} from: {passages}", prompt.DefaultFormat())
	if err != nil {
		t.Fatal(err)
	}
	e.Template, e.MaxTokens = asked.InBlocks(true), 10000
	if _, err := e.Row(example, GoldContext(3, example)); err == nil || !strings.Contains(err.Error(), "ends in its passages") {
		t.Errorf("%v; expected that passages at the end are refused", err)
	}
}
