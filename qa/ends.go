package qa

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/text/tokenizer"
)

// Ends are the ids of the tokens that end a text, for every command: what
// generation_config.json says, where it says nothing config.json, where that says
// nothing its text_config; and the tokenizer's end token (of
// special_tokens_map.json or tokenizer_config.json). transformers stops at the
// former, vLLM at all of them.
func (s TextSide) Ends() ([]int32, error) {
	type level struct {
		EOS  json.RawMessage `json:"eos_token_id"`
		Text struct {
			EOS json.RawMessage `json:"eos_token_id"`
		} `json:"text_config"`
	}
	ids := map[int32]bool{}
	for _, f := range []struct {
		name string
		data []byte
	}{{"generation_config.json", s.Files["generation_config.json"]}, {"config.json", s.Config}} {
		if f.data == nil {
			continue
		}
		where := filepath.Join(s.Folder, f.name)
		var l level
		if err := modelfile.JSON(where, f.data, &l); err != nil {
			return nil, err
		}
		for _, value := range []json.RawMessage{l.EOS, l.Text.EOS} {
			found, err := tokenIDs(value)
			if err != nil {
				return nil, fmt.Errorf("%s: eos_token_id is %s; expected the id of a token, or a list of them", where, value)
			}
			if len(found) > 0 && len(ids) == 0 {
				for _, id := range found {
					ids[id] = true
				}
			}
		}
	}
	if id := s.Tokenizer.Special().EOS; id >= 0 {
		ids[id] = true
	}
	return slices.Sorted(maps.Keys(ids)), nil
}

// tokenIDs reads a number or a list of numbers; null, and what is below 0 and so
// no token, are none.
func tokenIDs(data json.RawMessage) ([]int32, error) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	var many []int32
	var one int32
	if err := json.Unmarshal(data, &one); err == nil {
		many = []int32{one}
	} else if err := json.Unmarshal(data, &many); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(many, func(id int32) bool { return id < 0 }), nil
}

// spells gives the test whether an answer has come to spell a text, which may be
// spread over tokens in any way. It is asked after every token, so it reads the
// last few alone: as many as spell more than the text before the last one does,
// whole characters and a few bytes more, since the first token of a text may
// read otherwise than within it.
func spells(t *tokenizer.Tokenizer, stop string) func(answer []int32) bool {
	const slack = 4
	return func(answer []int32) bool {
		last := len(answer) - 1
		for n := 8; ; n *= 2 {
			from := max(0, last-n)
			found := strings.Contains(t.Decode(answer[from:], false), stop)
			if from == 0 {
				return found
			}
			before := strings.TrimLeft(t.Decode(answer[from:last], false), "\uFFFD")
			if len(before) >= len(stop)+slack {
				return found && strings.Contains(t.Decode(answer, false), stop)
			}
		}
	}
}

// WithoutPart drops the beginning of a stop text that ends a text which was cut, or which
// goes on, with the white space before it.
func WithoutPart(text, stop string) string {
	for n := min(len(stop)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, stop[:n]) {
			return strings.TrimSpace(text[:len(text)-n])
		}
	}
	return text
}
