package t5

import (
	"strings"
	"testing"

	"gorqa/batch"

	"github.com/google/go-cmp/cmp"
)

const flan = `{"model_type":"t5","d_model":512,"d_kv":64,"d_ff":1024,"num_layers":8,"num_decoder_layers":6,"num_heads":6,
	"vocab_size":32128,"decoder_start_token_id":0,"eos_token_id":1,"feed_forward_proj":"gated-gelu"`

func TestParseConfig(t *testing.T) {
	base := Config{
		Type: "t5", Width: 512, Layers: 8, DecoderLayers: 6, Heads: 6, HeadWidth: 64, Inner: 1024, Vocabulary: 32128,
		Buckets: 32, Limit: 128, Epsilon: 1e-6, Activation: "gelu_new", Gated: true, End: 1, InitFactor: 1,
	}
	for _, c := range []struct {
		name, why, json, generation string
		change                      func(*Config)
	}{
		{"flan", "as on the hub: false says untied and unscaled", flan + `,"tie_word_embeddings":false}`, "", func(*Config) {}},
		{"v1.0", "nothing said of the head: tied and scaled", flan + `}`, "", func(c *Config) { c.Tied, c.Scaled = true, true }},
		{"transformers 5", "which writes true for Flan, and the scale apart", flan + `,"tie_word_embeddings":true,"scale_decoder_outputs":false}`, "", func(*Config) {}},
		{"one end in a list", "some files hold a list", strings.Replace(flan, `"eos_token_id":1`, `"eos_token_id":[1]`, 1) + `,"tie_word_embeddings":false}`, "", func(*Config) {}},
		{"symmetric", "no number of decoder layers", strings.Replace(flan, `"num_decoder_layers":6,`, ``, 1) + `,"tie_word_embeddings":false}`, "", func(c *Config) { c.DecoderLayers = 8 }},
		{"relu", "v1.0's activation", strings.Replace(flan, "gated-gelu", "relu", 1) + `,"tie_word_embeddings":false}`, "", func(c *Config) { c.Activation, c.Gated = "relu", false }},
		{"start of generation", "where transformers 5 keeps it", strings.Replace(flan, `"decoder_start_token_id":0,`, ``, 1) + `,"tie_word_embeddings":false}`, `{"decoder_start_token_id":5}`, func(c *Config) { c.Start = 5 }},
		{"start of both", "the same, as it is saved", flan + `,"tie_word_embeddings":false}`, `{"decoder_start_token_id":0}`, func(*Config) {}},
		{"start of none", "T5 was trained with the padding token", strings.Replace(flan, `"decoder_start_token_id":0,`, `"pad_token_id":3,`, 1) + `,"tie_word_embeddings":false}`, `{}`, func(c *Config) { c.Start = 3 }},
		{"saved activation", "what transformers makes of feed_forward_proj", flan + `,"dense_act_fn":"gelu_new","is_gated_act":true,"tie_word_embeddings":false}`, "", func(*Config) {}},
		{"several ends", "the first one ends an answer that is learnt", strings.Replace(flan, `"eos_token_id":1`, `"eos_token_id":[1,2]`, 1) + `,"tie_word_embeddings":false}`, "", func(*Config) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseConfig([]byte(c.json), []byte(c.generation))
			if err != nil {
				t.Fatal(err)
			}
			want := base
			c.change(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.why, diff)
			}
		})
	}
}

func TestParseConfigErrors(t *testing.T) {
	_, err := ParseConfig([]byte(`{"model_type":"t5","d_kv":-4,"num_layers":9999,"feed_forward_proj":"gated-tanh","vocab_size":8,
		"decoder_start_token_id":8,"eos_token_id":[],"layer_norm_epsilon":0,"initializer_factor":-1,"relative_attention_max_distance":3}`), nil)
	for _, want := range []string{
		"d_model is 0", "d_kv is -4", "9999", `"tanh"`, "decoder_start_token_id is 8", "eos_token_id is []", "layer_norm_epsilon is 0", "initializer_factor is -1", "relative_attention_max_distance is 3",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one that says %q too", err, want)
		}
	}
	if _, err := ParseConfig([]byte(flan+"}"), []byte(`{"decoder_start_token_id":2}`)); err == nil || !strings.Contains(err.Error(), "decoder_start_token_id is 0, and 2 in generation_config.json") {
		t.Errorf("error %v; want the contradiction", err)
	}
	for _, c := range []struct{ name, json, want string }{
		{"activation", flan + `,"dense_act_fn":"relu"}`, "contradict"},
		{"kind", `{"model_type":"llama"}`, `"llama"`},
		{"broken", `{`, "config.json"},
	} {
		if _, err := ParseConfig([]byte(c.json), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; want one with %q", c.name, err, c.want)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(flan+"}"), []byte(`{"decoder_start_token_id":0}`))
	f.Add([]byte(`{"model_type":"t5","relative_attention_num_buckets":-1,"eos_token_id":"x"}`), []byte(nil))
	f.Fuzz(func(t *testing.T, data, generation []byte) {
		if c, err := ParseConfig(data, generation); err == nil && c.Validate() != nil {
			t.Errorf("%+v passed", c)
		}
	})
}

func TestEncoderRefusesRows(t *testing.T) {
	e := NewEncoder(Config{Vocabulary: 9}, false)
	for _, test := range []struct {
		name, why, want string
		pack            batch.Pack
	}{
		{"id", "it would read another row of the table", "token id 9", batch.Pack{Rows: [][]int32{{9}}, Size: 1, Tall: 1, Wide: 1}},
		{"wide", "its line is shorter", "row 0 has 2 tokens", batch.Pack{Rows: [][]int32{{1, 2}}, Size: 2, Tall: 1, Wide: 1}},
		{"empty", "no tokens", "row 0 has 0 tokens", batch.Pack{Rows: [][]int32{{}}, Size: 1, Tall: 1, Wide: 1}},
		{"tall", "there are fewer lines", "2 rows", batch.Pack{Rows: [][]int32{{1}, {1}}, Size: 2, Tall: 1, Wide: 1}},
	} {
		if _, err := e.Hidden(nil, test.pack); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v; want one with %q (%s)", test.name, err, test.want, test.why)
		}
	}
}
