package generate

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gorqa/internal/enginetest"

	"github.com/google/go-cmp/cmp"
)

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		name, why string
		tokens    []int32
		most      int
		want      []int32
	}{
		{"nothing", "an empty text", nil, 5, nil},
		{"one token", "nothing stands before it", []int32{1}, 5, nil},
		{"two alike", "a single token is no match", []int32{1, 1}, 5, nil},
		{"a pair", "two tokens matched, two drafted", []int32{1, 2, 3, 4, 5, 1, 2}, 5, []int32{3, 4}},
		{"longer", "as many as matched", []int32{1, 2, 3, 4, 5, 6, 1, 2, 3}, 5, []int32{4, 5, 6}},
		{"most", "fewer where there is less room", []int32{1, 2, 3, 4, 5, 6, 1, 2, 3}, 1, []int32{4}},
		{"longest", "the longer match before the later one", []int32{9, 1, 2, 7, 7, 7, 1, 2, 8, 8, 9, 1, 2}, 5, []int32{7, 7, 7}},
		{"latest", "of two alike the later one", []int32{1, 2, 7, 7, 1, 2, 8, 8, 5, 1, 2}, 5, []int32{8, 8}},
		{"end", "what followed reaches the end of the text", []int32{4, 4, 4}, 5, []int32{4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, lookup(c.tokens, c.most)); d != "" {
				t.Errorf("%s (-want +got):\n%s", c.why, d)
			}
		})
	}
}

// TestDraftsChangeNoAnswer: every tiny model, in f32 and bf16, one row and several at
// once, answers as it does token by token, however much of its drafts comes true.
func TestDraftsChangeNoAnswer(t *testing.T) {
	if enginetest.Name() != "cpu" {
		t.Skip("drafts are tried by the processor's kernels alone")
	}
	var tried, confirmed int
	for _, c := range enginetest.Families() {
		for _, bf16 := range []bool{false, true} {
			for _, size := range []int{1, 3, 30} {
				t.Run(fmt.Sprintf("%s/bf16=%t/%d", c.Name, bf16, size), func(t *testing.T) {
					m, r := load(t, c.Name, bf16)
					prompts := repeating(m.Config.Vocabulary)
					opt := Options{MaxNewTokens: 40, BatchSize: size, Stops: [][]int32{{3}}}
					want, err := New(m, r).Generate(t.Context(), Plain(prompts), opt)
					if err != nil {
						t.Fatal(err)
					}
					opt.Drafts = 10
					g := New(m, r)
					got, err := g.Generate(t.Context(), Plain(prompts), opt)
					if err != nil {
						t.Fatal(err)
					}
					if d := cmp.Diff(want, got); d != "" {
						t.Errorf("%s: answers with drafts differ (-without +with):\n%s", c.Why, d)
					}
					tried += g.Drafts().Tried
					confirmed += g.Drafts().Confirmed
				})
			}
		}
	}
	if confirmed == 0 || confirmed >= tried {
		t.Errorf("of %d drafted tokens %d were confirmed; expected some of them, for the test to tell", tried, confirmed)
	}
}

// repeating are prompts that hold pieces of themselves again.
func repeating(vocabulary int) (prompts [][]int32) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 7 {
		var p []int32
		for range 4 + n {
			p = append(p, int32(4+r.IntN(vocabulary-4)))
		}
		for range 3 {
			p = append(p, p[:len(p)/2]...)
		}
		prompts = append(prompts, p)
	}
	return prompts
}

func TestDraftsAreChecked(t *testing.T) {
	opt := DefaultOptions()
	opt.Drafts = -1
	if err := opt.Validate(); err == nil || !strings.Contains(err.Error(), "Drafts") {
		t.Errorf("%v; expected an error about Drafts", err)
	}
}
