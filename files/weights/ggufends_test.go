package weights

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A GGUF file names up to three tokens that end an answer, and generation stops at
// each: Llama 3's <|eot_id|> and <|eom_id|>, for one.
func TestGGUFEnds(t *testing.T) {
	for _, test := range []struct {
		name, why string
		eos       int32
		keys      map[string]uint32
		want      any
	}{
		{"eos alone", "the usual", 2, nil, int32(2)},
		{"all three", "each in its place", 2, map[string]uint32{"eot": 5, "eom": 7}, []int32{2, 5, 7}},
		{"eot without eos", "a file may have that alone", -1, map[string]uint32{"eot": 5}, int32(5)},
		{"the same again", "named once", 5, map[string]uint32{"eot": 5, "eom": 5}, int32(5)},
		{"none written", "as the highest number", 2, map[string]uint32{"eot": 1<<32 - 1}, int32(2)},
		{"nothing", "then nothing is named", -1, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := &ggufKeys{file: &ggufFile{path: "m.gguf", meta: map[string]ggufValue{}}}
			for name, id := range test.keys {
				k.file.meta["tokenizer.ggml."+name+"_token_id"] = ggufValue{kind: ggufU32, raw: binary.LittleEndian.AppendUint32(nil, id)}
			}
			got := k.generationConfig(GGUFVocab{BOS: -1, EOS: test.eos, PAD: -1})["eos_token_id"]
			if d := cmp.Diff(test.want, got); d != "" || len(k.problems) > 0 {
				t.Errorf("%s (-want +got): %s %v", test.why, d, k.problems)
			}
		})
	}
}
