package embed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folder writes a model folder of the given files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const threeModules = `[
	{"idx":0,"name":"0","path":"","type":"sentence_transformers.models.Transformer"},
	{"idx":1,"name":"1","path":"1_Pooling","type":"sentence_transformers.models.Pooling"},
	{"idx":2,"name":"2","path":"2_Normalize","type":"sentence_transformers.models.Normalize"}]`

const twoModules = `[{"path":"","type":"sentence_transformers.models.Transformer"},{"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]`

// unit is the step that makes vectors of length 1.
var unit = []Step{{Kind: Normalise}}

func TestReadSettings(t *testing.T) {
	for _, test := range []struct {
		name, why string
		model     string
		files     map[string]string
		want      Settings
	}{
		{"plain", "a Hugging Face folder without modules", "bert", nil, Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit}},
		{"plain length", "the tokenizer's length is all there is", "bert", map[string]string{"tokenizer_config.json": `{"model_max_length":512}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit, MaxTokens: 512}},
		{"no length", "transformers writes 1e30 for none", "bert", map[string]string{"tokenizer_config.json": `{"model_max_length":1000000000000000019884624838656}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit}},
		{"minilm", "the old form of the pooling", "all-MiniLM-L6-v2", map[string]string{
			"modules.json":              threeModules,
			"1_Pooling/config.json":     `{"word_embedding_dimension":384,"pooling_mode_cls_token":false,"pooling_mode_mean_tokens":true,"pooling_mode_max_tokens":false,"pooling_mode_mean_sqrt_len_tokens":false}`,
			"sentence_bert_config.json": `{"max_seq_length":256,"do_lower_case":false}`,
			"tokenizer_config.json":     `{"model_max_length":512}`,
		}, Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit, MaxTokens: 256}},
		{"bge", "cls; newer type names; query prompt", "bge-small", map[string]string{
			"modules.json":                      strings.ReplaceAll(threeModules, "sentence_transformers.models.Transformer", "sentence_transformers.base.modules.transformer.Transformer"),
			"1_Pooling/config.json":             `{"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false}`,
			"sentence_bert_config.json":         `{"max_seq_length":512,"do_lower_case":true}`,
			"config_sentence_transformers.json": `{"prompts":{"query":"Search: ","document":null},"default_prompt_name":null}`,
		}, Settings{Similarity: ByCosine, Pooling: []Pooling{First}, Steps: unit, MaxTokens: 512, LowerCase: true, QueryPrompt: "Search: "}},
		{"not normalised", "without the third module", "m", map[string]string{
			"modules.json":          `[{"path":"","type":"sentence_transformers.models.Transformer"},{"path":"1_Pooling","type":"sentence_transformers.models.Pooling"}]`,
			"1_Pooling/config.json": `{"pooling_mode":["cls","lasttoken"],"include_prompt":true}`,
		}, Settings{Similarity: ByCosine, Pooling: []Pooling{First, Last}}},
		{"new pooling", "the new form", "m", map[string]string{"modules.json": threeModules, "1_Pooling/config.json": `{"pooling_mode":"weightedmean"}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{WeightedMean}, Steps: unit}},
		{"all old modes", "each key of the old form", "m", map[string]string{"modules.json": threeModules, "1_Pooling/config.json": `{"pooling_mode_cls_token":true,"pooling_mode_max_tokens":true,` +
			`"pooling_mode_mean_tokens":true,"pooling_mode_mean_sqrt_len_tokens":true,"pooling_mode_weightedmean_tokens":true,"pooling_mode_lasttoken":true}`},
			Settings{Similarity: ByCosine, Pooling: poolings, Steps: unit}},
		{"e5", "its prompts are in no file", "intfloat/e5-base-v2", nil, Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit, QueryPrompt: "query: ", PassagePrompt: "passage: "}},
		{"e5 that follows instructions", "its questions go behind other words", "intfloat/e5-mistral-7b-instruct", nil, Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit}},
		{"e5 with prompts", "the folder's own come first", "e5-small", map[string]string{"config_sentence_transformers.json": `{"prompts":{"document":"P: "}}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit, PassagePrompt: "P: "}},
		{"e5 saved again", "empty prompts are none", "e5-small", map[string]string{"config_sentence_transformers.json": `{"prompts":{"query":"","document":""}}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit, QueryPrompt: "query: ", PassagePrompt: "passage: "}},
		{"no e5", "the letters alone do not make one", "some/abe5ta", nil, Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit}},
		{"default prompt", "encode_query and encode_document never come to it", "m", map[string]string{"config_sentence_transformers.json": `{"prompts":{"all":"A: ","query":"Q: "},"default_prompt_name":"all"}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit, QueryPrompt: "Q: "}},
		{"passage prompt", "encode_document uses the empty one of document", "m", map[string]string{"config_sentence_transformers.json": `{"prompts":{"passage":"P: ","corpus":"C: "}}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit}},
		{"dot, truncated", "what the folder says of vectors", "m", map[string]string{"config_sentence_transformers.json": `{"similarity_fn_name":"dot","truncate_dim":16}`},
			Settings{Similarity: ByDot, Truncate: 16, Pooling: []Pooling{Mean}, Steps: unit}},
		{"prompt left out", "Instructor's models are so", "m", map[string]string{"modules.json": threeModules, "1_Pooling/config.json": `{"include_prompt":false}`, "config_sentence_transformers.json": `{"prompts":{"query":"q: "}}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit, QueryPrompt: "q: ", WithoutPrompt: true}},
		{"LocalRQA", "its Trainer's arguments beside a folder of an older sentence-transformers: searched by FAISS's distance", "m", map[string]string{
			"modules.json": twoModules, "1_Pooling/config.json": `{"pooling_mode_mean_tokens":true}`, "training_args.bin": "PK",
			"config_sentence_transformers.json": `{"__version__":{"sentence_transformers":"2.2.2","transformers":"4.36.2","pytorch":"2.1.2"}}`,
		}, Settings{Similarity: ByEuclidean, LikeLocalRQA: true, Pooling: []Pooling{Mean}}},
		{"a newer Trainer's", "sentence-transformers from 3 on says what it compares by", "m", map[string]string{
			"modules.json": twoModules, "1_Pooling/config.json": `{"pooling_mode_mean_tokens":true}`, "training_args.bin": "PK",
			"config_sentence_transformers.json": `{"similarity_fn_name":null}`,
		}, Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}}},
		{"roberta's file", "one name for each kind of encoder, once", "m", map[string]string{"sentence_xlm-roberta_config.json": `{"max_seq_length":40}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit, MaxTokens: 40}},
		{"tokenizer's settings", "go before max_seq_length", "m", map[string]string{"sentence_bert_config.json": `{"max_seq_length":40,"processor_kwargs":{"model_max_length":20}}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: unit, MaxTokens: 20}},
		{"dense", "as sentence-t5 has them, the older form", "m", map[string]string{
			"modules.json":          `[{"path":"","type":"x.Transformer"},{"path":"1_Pooling","type":"x.Pooling"},{"path":"2_Dense","type":"x.Dense"},{"path":"3_LayerNorm","type":"x.LayerNorm"},{"path":"4_Normalize","type":"x.Normalize"},{"path":"5_Dense","type":"x.Dense"}]`,
			"1_Pooling/config.json": `{}`, "3_LayerNorm/config.json": `{"dimension":8}`, "5_Dense/config.json": `{"in_features":8,"out_features":2,"activation_function":"my.own.Activation"}`,
			"2_Dense/config.json": `{"in_features":16,"out_features":8,"bias":false,"activation_function":"torch.nn.modules.linear.Identity"}`,
		}, Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: []Step{
			{Kind: Dense, Name: "module 2.linear", Path: "2_Dense", In: 16, Out: 8, Activation: "identity"},
			{Kind: LayerNorm, Name: "module 3.norm", Path: "3_LayerNorm", In: 8, Out: 8, Bias: true, Epsilon: 1e-5},
			{Kind: Normalise},
			{Kind: Dense, Name: "module 5.linear", Path: "5_Dense", In: 8, Out: 2, Bias: true, Activation: "tanh"},
		}}},
		{"moved", "the encoder in a folder of its own, as the first versions wrote it", "m", map[string]string{
			"modules.json":          `[{"path":"0_Transformer","type":"sentence_transformers.models.Transformer"},{"path":"1_Pooling","type":"x.Pooling"}]`,
			"1_Pooling/config.json": `{}`, "0_Transformer/sentence_bert_config.json": `{"max_seq_length":40}`, "0_Transformer/tokenizer_config.json": `{"truncation_side":"left"}`,
		}, Settings{Similarity: ByCosine, Encoder: "0_Transformer", Pooling: []Pooling{Mean}, MaxTokens: 40, CutBefore: true}},
		{"cut as tokenizer.json says", "tokenizer_config.json says nothing", "m", map[string]string{"tokenizer.json": `{"truncation":{"direction":"Left","max_length":4}}`, "tokenizer_config.json": `{}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: []Step{{Kind: Normalise}}, CutBefore: true}},
		{"cut as tokenizer_config.json says", "it goes first", "m", map[string]string{"tokenizer.json": `{"truncation":{"direction":"Left","max_length":4}}`, "tokenizer_config.json": `{"truncation_side":"right"}`},
			Settings{Similarity: ByCosine, Pooling: []Pooling{Mean}, Steps: []Step{{Kind: Normalise}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ReadSettings(folder(t, test.files), test.model)
			if err != nil {
				t.Fatal(err)
			}
			test.want.Plain = test.files["modules.json"] == ""
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s (-want +got)\n%s", test.why, diff)
			}
		})
	}
}

const denseModules = `[{"path":"","type":"x.Transformer"},{"path":"1_Pooling","type":"x.Pooling"},{"path":"2_Dense","type":"x.Dense"}]`

// dense are the files of a model with a Dense module of that config.json.
func dense(config string) map[string]string {
	return map[string]string{"modules.json": denseModules, "1_Pooling/config.json": `{}`, "2_Dense/config.json": config}
}

func TestReadSettingsErrors(t *testing.T) {
	for _, test := range []struct {
		name, why, want string
		files           map[string]string
	}{
		{"json", "broken JSON names its file", "modules.json", map[string]string{"modules.json": "["}},
		{"dense", "before there is a vector", `"sentence_transformers.models.Dense" is number 1`, map[string]string{"modules.json": `[{"path":"2_Dense","type":"sentence_transformers.models.Dense"}]`}},
		{"tokens", "a layer over tokens", `"token_embeddings"; expected sentence_embedding`, dense(`{"in_features":4,"out_features":4,"module_input_name":"token_embeddings"}`)},
		{"activation", "another function", `"torch.nn.modules.activation.Hardtanh" found; expected one of torch.nn's Identity`, dense(`{"in_features":4,"out_features":4,"activation_function":"torch.nn.modules.activation.Hardtanh"}`)},
		{"no numbers", "the vector would have none", "takes vectors of 4 numbers to 0", dense(`{"in_features":4}`)},
		{"no settings", "of a module", "2_Dense/config.json: not there", map[string]string{"modules.json": denseModules, "1_Pooling/config.json": `{}`}},
		{"word weights", "a module that is not known", `"x.WordWeights"; expected Transformer, Pooling, Dense`, map[string]string{"modules.json": `[{"path":"","type":"x.Transformer"},{"path":"1_Pooling","type":"x.Pooling"},{"path":"","type":"x.WordWeights"}]`, "1_Pooling/config.json": `{}`}},
		{"router", "two encoders in one", `"sentence_transformers.base.modules.router.Router"`, map[string]string{"modules.json": `[{"path":"","type":"sentence_transformers.base.modules.router.Router"}]`}},
		{"nothing pooled", "a vector for each token", "1 modules", map[string]string{"modules.json": `[{"path":"","type":"sentence_transformers.models.Transformer"}]`}},
		{"another order", "normalised before it is pooled", "is number 2", map[string]string{"modules.json": `[{"path":"","type":"x.Transformer"},{"path":"","type":"x.Normalize"},{"path":"1_Pooling","type":"x.Pooling"}]`, "1_Pooling/config.json": `{}`}},
		{"similarity", "it would be cosine in silence", `similarity_fn_name is "dot_product"; expected one of ["cosine" "dot" "euclidean" "manhattan"]`, map[string]string{"config_sentence_transformers.json": `{"similarity_fn_name":"dot_product"}`}},
		{"truncate 0", "nothing would be left", "truncate_dim is 0", map[string]string{"config_sentence_transformers.json": `{"truncate_dim":0}`}},
		{"truncate below", "Python counts from the end", "truncate_dim is -3", map[string]string{"config_sentence_transformers.json": `{"truncate_dim":-3}`}},
		{"sparse", "another kind of model", `model_type is "SparseEncoder"`, map[string]string{"config_sentence_transformers.json": `{"model_type":"SparseEncoder"}`}},
		{"task", "another kind of model", `transformer_task is "fill-mask"`, map[string]string{"sentence_bert_config.json": `{"transformer_task":"fill-mask"}`}},
		{"outside", "a path out of the folder", `"../x"`, map[string]string{"modules.json": `[{"path":"../x","type":"sentence_transformers.models.Pooling"}]`}},
		{"no pooling", "modules.json speaks of it", "1_Pooling", map[string]string{"modules.json": threeModules}},
		{"unknown pooling", "names those that are known", `"median"; expected one of ["cls"`, map[string]string{"modules.json": threeModules, "1_Pooling/config.json": `{"pooling_mode":"median"}`}},
		{"empty pooling", "nothing would come out", "is empty", map[string]string{"modules.json": threeModules, "1_Pooling/config.json": `{"pooling_mode":[]}`}},
		{"wrong type", "a switch must be true or false", "1_Pooling", map[string]string{"modules.json": threeModules, "1_Pooling/config.json": `{"pooling_mode_cls_token":"yes"}`}},
		{"configuration beside config.json", "sentence-transformers computes with it", "config_kwargs sets layer_norm_eps", map[string]string{"sentence_bert_config.json": `{"max_seq_length":40,"config_kwargs":{"layer_norm_eps":0.5,"trust_remote_code":true}}`}},
		{"the same, of old", "another key", "config_args sets hidden_act", map[string]string{"sentence_bert_config.json": `{"config_args":{"hidden_act":"relu"}}`}},
		{"short", "no room for a word", "max_seq_length is 2", map[string]string{"sentence_bert_config.json": `{"max_seq_length":2}`}},
		{"default prompt", "it is not there", `"web"`, map[string]string{"config_sentence_transformers.json": `{"prompts":{},"default_prompt_name":"web"}`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ReadSettings(folder(t, test.files), "m")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v; want one with %q (%s)", err, test.want, test.why)
			}
		})
	}
}

func FuzzReadSettings(f *testing.F) {
	f.Add(threeModules, `{"pooling_mode":"cls"}`, `{"max_seq_length":256}`, `{"prompts":{"query":"q"}}`)
	f.Add(`[{"path":"1_Pooling","type":"Pooling"}]`, `{"pooling_mode":["mean","max"],"include_prompt":1}`, `{"max_seq_length":1e9}`, `{"default_prompt_name":"x","similarity_fn_name":1,"truncate_dim":-1}`)
	f.Add(twoModules, `{}`, `{"processor_kwargs":{"model_max_length":9}}`, `{"similarity_fn_name":"manhattan","truncate_dim":8,"prompts":{"query":null}}`)
	f.Fuzz(func(t *testing.T, modules, pooling, length, prompts string) {
		dir := folder(t, map[string]string{
			"modules.json": modules, "1_Pooling/config.json": pooling,
			"sentence_bert_config.json": length, "config_sentence_transformers.json": prompts,
		})
		s, err := ReadSettings(dir, "m")
		if err != nil {
			return
		}
		if err := (Options{Pooling: s.Pooling, Steps: s.Steps, Truncate: s.Truncate, BatchTokens: 1}).Validate(); err != nil {
			t.Errorf("what passed is not valid: %v", err)
		}
	})
}
