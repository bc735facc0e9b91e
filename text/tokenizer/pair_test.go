package tokenizer

import (
	"fmt"
	"strings"
	"testing"
)

func TestEncodePair(t *testing.T) {
	file := func(post string) string {
		return `{"model":{"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{"?":0,"[CLS]":1,"[SEP]":2,"a":3,"b":4,"c":5}},"pre_tokenizer":{"type":"Whitespace"},"post_processor":` + post + `}`
	}
	special := `"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[2],"tokens":["[SEP]"]}}`
	single := `"single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}]`
	template := `{"type":"TemplateProcessing",` + single + `,"pair":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}},{"Sequence":{"id":"B","type_id":1}},{"SpecialToken":{"id":"[SEP]","type_id":1}}],` + special + `}`
	for _, test := range []struct {
		name, why, post string
		a, b            string
		most            int
		beginning       bool
		want            string
	}{
		{"template", "as the file says", template, "a b", "c", 20, false, "[1 3 4 2 5 2] [0 0 0 0 1 1]"},
		{"bert", "its class does the same", `{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]}`, "a b", "c", 20, false, "[1 3 4 2 5 2] [0 0 0 0 1 1]"},
		{"roberta", "two between the texts, one type", `{"type":"RobertaProcessing","sep":["[SEP]",2],"cls":["[CLS]",1],"trim_offsets":true,"add_prefix_space":false}`, "a b", "c", 20, false, "[1 3 4 2 2 5 2] [0 0 0 0 0 0 0]"},
		{"none", "the texts alone", `null`, "a b", "c", 20, false, "[3 4 5] [0 0 1]"},
		{"empty", "texts without tokens", template, "", "", 20, false, "[1 2 2] [0 0 1]"},
		{"longer cut", "the shorter is whole", template, "a b", "c a b c a b", 8, false, "[1 3 4 2 5 3 4 2] [0 0 0 0 1 1 1 1]"},
		{"longer first", "either may be the longer", template, "c a b c a b", "a b", 8, false, "[1 5 3 4 2 3 4 2] [0 0 0 0 0 1 1 1]"},
		{"both cut", "half each, the longer one more", template, "a b c a", "c a b c a b", 8, false, "[1 3 4 2 5 3 4 2] [0 0 0 0 1 1 1 1]"},
		{"beginning", "truncation_side left", template, "a b", "c a b c a b", 8, true, "[1 3 4 2 5 3 4 2] [0 0 0 0 1 1 1 1]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tk, err := Parse([]byte(file(test.post)))
			if err != nil {
				t.Fatal(err)
			}
			ids, kinds, err := tk.EncodePair(test.a, test.b, test.most, test.beginning)
			if err != nil || fmt.Sprint(ids, kinds) != test.want {
				t.Errorf("%v %v, error %v; want %s (%s)", ids, kinds, err, test.want, test.why)
			}
		})
	}
	tk, err := Parse([]byte(file(template)))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := tk.EncodePair("a", "b", 3, false); err == nil || !strings.Contains(err.Error(), "3 special ones") {
		t.Errorf("error %v; want one that there is no room", err)
	}
	for _, pair := range []string{`[{"Sequence":{"id":"A"}}]`, `[{"Sequence":{"id":"A"}},{"Sequence":{"id":"A"}},{"Sequence":{"id":"B"}}]`, `[{"Sequence":{"id":"A"}},{"Sequence":{"id":"B"}},{"SpecialToken":{"id":"x"}}]`, `[{}]`} {
		if _, err := Parse([]byte(file(`{"type":"TemplateProcessing",` + single + `,"pair":` + pair + `,` + special + `}`))); err == nil || !strings.Contains(err.Error(), "pair") {
			t.Errorf("pair %s: error %v; want one that names it", pair, err)
		}
	}
}
