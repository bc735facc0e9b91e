package weights

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Of a model for text and pictures the text model is used, whatever version of
// transformers named its tensors.
func TestTextModelIsTakenOfOneForPicturesToo(t *testing.T) {
	const gemma3 = `{"model_type":"gemma3","eos_token_id":[1,106],"vision_config":{},"text_config":{"model_type":"gemma3_text","hidden_size":2,"rope_scaling":{"rope_type":"linear","factor":8.0}}}`
	for _, c := range []struct {
		name, why, config string
		tensors           []string
		want              []string
		text, note, err   string // a part of config.json, of the note
	}{
		{"gemma3 before 4.52", "as on the hub", gemma3,
			[]string{"language_model.model.embed_tokens.weight", "language_model.model.norm.weight", "multi_modal_projector.w", "vision_tower.a.weight", "vision_tower.b.weight"},
			[]string{"model.embed_tokens.weight", "model.norm.weight"}, `"num_attention_heads": 8`, "multi_modal_projector (1 tensors), vision_tower (2 tensors)", ""},
		{"gemma3 of 5", "as transformers saves it now", gemma3,
			[]string{"model.language_model.embed_tokens.weight", "model.language_model.norm.weight", "model.vision_tower.a.weight"},
			[]string{"model.embed_tokens.weight", "model.norm.weight"}, `"model_type": "gemma3_text"`, "vision_tower (1 tensors)", ""},
		{"mistral3 that is tied", "in transformers 5 the wrapper says it, also by saying nothing", `{"model_type":"mistral3","text_config":{"model_type":"ministral3","tie_word_embeddings":false}}`,
			[]string{"language_model.model.embed_tokens.weight"}, []string{"model.embed_tokens.weight"}, `"tie_word_embeddings": true`, "saved as a ministral3", ""},
		{"mistral3 whose head is a copy", "which is not trained apart from the embedding", `{"model_type":"mistral3","tie_word_embeddings":true,"text_config":{"tie_word_embeddings":false}}`,
			[]string{"language_model.lm_head.weight=1", "language_model.model.embed_tokens.weight=1"}, []string{"model.embed_tokens.weight"}, `"tie_word_embeddings": true`, "saved as a mistral", ""},
		{"mistral3 without its head", "transformers 5 would make one of random numbers", `{"model_type":"mistral3","tie_word_embeddings":false,"text_config":{"tie_word_embeddings":true}}`,
			[]string{"language_model.model.embed_tokens.weight"}, nil, "", "", "random numbers"},
		{"mistral3", "whose head is its own", `{"model_type":"mistral3","text_config":{"model_type":"ministral3","tie_word_embeddings":false}}`,
			[]string{"language_model.lm_head.weight", "language_model.model.embed_tokens.weight", "vision_tower.a.weight"},
			[]string{"lm_head.weight", "model.embed_tokens.weight"}, `"Ministral3ForCausalLM"`, "saved as a ministral3", ""},
		{"another text model", "not known", `{"model_type":"mistral3","text_config":{"model_type":"gpt_oss"}}`, []string{"a"}, nil, "", "", `is of type "gpt_oss"`},
		{"no text model", "nothing to use", `{"model_type":"gemma3"}`, []string{"a"}, nil, "", "", "without text_config"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tensors := map[string]float32{}
			for i, name := range c.tensors {
				name, value, same := strings.Cut(name, "=")
				if tensors[name] = float32(i); same {
					tensors[name] = float32(len(value))
				}
			}
			m, err := Open(t.Context(), folderOf(t, c.config, tensors))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%s: error %v; want one with %q", c.why, err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			names := m.Names()
			slices.Sort(names)
			if diff := cmp.Diff(c.want, names); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.why, diff)
			}
			if notes := m.Notes(); len(notes) != 1 || !strings.Contains(notes[0], c.note) {
				t.Errorf("notes %q; want one with %q", notes, c.note)
			}
			out := filepath.Join(t.TempDir(), "out")
			if err := m.Convert(t.Context(), out, F32, m.Files()); err != nil {
				t.Fatal(err)
			}
			again, err := Open(t.Context(), out)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if len(again.Notes()) != 0 || !strings.Contains(string(again.Config()), c.text) {
				t.Errorf("written: notes %q, config.json %s; want it to have %s", again.Notes(), again.Config(), c.text)
			}
		})
	}
}
