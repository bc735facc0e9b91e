package bert

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"gorqa/batch"
	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/tensor/device"
	"gorqa/tensor/tape"
)

const tiny = "testdata/bert"

func config(t *testing.T) Config {
	t.Helper()
	data, err := os.ReadFile(tiny + "/config.json")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// load puts the tiny model on the device.
func load(t *testing.T, bf16 bool) (*Model, *tape.Runner) {
	t.Helper()
	c, e := config(t), enginetest.Open(t)
	arrays := map[string]golden.Array{}
	for name, a := range golden.Arrays(t, tiny+"/model.safetensors") {
		arrays[c.Name(name)] = a
	}
	p := tape.NewParams(e, bf16)
	for _, w := range c.Weights() {
		a, ok := arrays[w.Name]
		if !ok {
			t.Fatalf("the model has no %s", w.Name)
		}
		if fmt.Sprint(a.Shape) != fmt.Sprint(w.Dims) {
			t.Fatalf("%s: dimensions %v, expected %v", w.Name, a.Shape, w.Dims)
		}
		if err := p.Add(w, a.Floats, false); err != nil {
			t.Fatal(err)
		}
		delete(arrays, w.Name)
	}
	for name := range arrays {
		if !strings.HasPrefix(name, "pooler.") {
			t.Errorf("the model has a weight that Weights does not list: %s", name)
		}
	}
	t.Cleanup(func() {
		if err := p.Free(); err != nil {
			t.Error(err)
		}
	})
	return New(c, bf16), tape.NewRunner(e, p)
}

// hidden runs rows in a pack of more positions and lines than they need and gives
// the states of each.
func hidden(t *testing.T, m *Model, r *tape.Runner, spare int, rows ...[]int32) [][]float32 {
	t.Helper()
	p := batch.Pack{Rows: rows, Size: spare, Tall: len(rows) + spare, Wide: spare}
	for _, row := range rows {
		p.Size, p.Wide = p.Size+len(row), max(p.Wide, len(row)+spare)
	}
	tp := r.New(false)
	x, err := m.Hidden(tp, p)
	if err != nil {
		t.Fatal(err)
	}
	flat, err := xla.ToHost[float32](x.Tensor)
	if err != nil {
		t.Fatal(err)
	}
	if err := tp.Free(); err != nil {
		t.Fatal(err)
	}
	var out [][]float32
	for _, row := range rows {
		n := len(row) * m.Config.Width
		out = append(out, flat[:n])
		flat = flat[n:]
	}
	return out
}

func TestHiddenParity(t *testing.T) {
	g := golden.Load(t, tiny)
	m, r := load(t, false)
	native := r.Device.Native
	var rows [][]int32
	for i := range 3 {
		rows = append(rows, g.Ints(t, fmt.Sprintf("ids.%d", i)))
	}
	for _, test := range []struct {
		name, why string
		spare     int
		rows      []int
		graphs    bool
	}{
		{"batch", "nothing but the rows", 0, []int{0, 1, 2}, false},
		{"spare", "what stands behind them changes nothing", 30, []int{2, 0, 1}, false},
		{"alone", "nor do the neighbours", 0, []int{0}, false},
		{"graph", "attention as other devices compute it", 5, []int{1, 2, 0}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var batch [][]int32
			for _, i := range test.rows {
				batch = append(batch, rows[i])
			}
			r.Device.Native = native && !test.graphs
			for k, got := range hidden(t, m, r, test.spare, batch...) {
				used := g.Compare(t, fmt.Sprintf("hidden.%d", test.rows[k]), got)
				t.Logf("row %d: %.2g of the tolerance (%s)", test.rows[k], used, test.why)
			}
		})
	}
}

func TestHiddenErrors(t *testing.T) {
	m, r := load(t, false)
	for _, test := range []struct {
		name, why, want string
		pack            batch.Pack
	}{
		{"long", "position 64 has no embedding", "64 positions", batch.Pack{Rows: [][]int32{make([]int32, 65)}, Size: 128, Tall: 1, Wide: 128}},
		{"wide", "its line is shorter", "2 wide", batch.Pack{Rows: [][]int32{make([]int32, 3)}, Size: 128, Tall: 1, Wide: 2}},
		{"many", "they do not fit", "2 rows with 6 tokens", batch.Pack{Rows: [][]int32{make([]int32, 3), make([]int32, 3)}, Size: 5, Tall: 2, Wide: 3}},
		{"tall", "there are fewer lines", "expected 1 to 1", batch.Pack{Rows: [][]int32{make([]int32, 3), make([]int32, 3)}, Size: 6, Tall: 1, Wide: 3}},
		{"id", "it would read another row of the table", "token id 96", batch.Pack{Rows: [][]int32{{1, 96}}, Size: 2, Tall: 1, Wide: 2}},
		{"negative", "it would read another row of the table", "token id -1", batch.Pack{Rows: [][]int32{{-1}}, Size: 1, Tall: 1, Wide: 1}},
		{"empty", "no tokens", "row 0 has 0 tokens", batch.Pack{Rows: [][]int32{{}}, Size: 1, Tall: 1, Wide: 1}},
		{"none", "no rows", "0 rows", batch.Pack{Rows: nil, Size: 1, Tall: 1, Wide: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := m.Hidden(r.New(false), test.pack)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v; want one with %q (%s)", err, test.want, test.why)
			}
		})
	}
}

func TestParseConfig(t *testing.T) {
	c := config(t)
	if c.Width != 32 || c.Heads != 4 || c.Epsilon != 1e-12 || len(c.Weights()) != 5+2*16 {
		t.Errorf("config is %+v with %d weights", c, len(c.Weights()))
	}
	_, err := ParseConfig([]byte(`{"model_type":"bert","hidden_size":30,"num_attention_heads":4,"hidden_act":"mish","layer_norm_eps":-1,"position_embedding_type":"relative_key","is_decoder":true}`))
	for _, want := range []string{"vocab_size is 0", "30 is not a multiple", `"mish"`, "layer_norm_eps is -1", "relative_key", "is_decoder is true"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one that says %q too", err, want)
		}
	}
	if _, err := ParseConfig([]byte(`{"model_type":"deberta-v2"}`)); err == nil || !strings.Contains(err.Error(), `"deberta-v2"; expected one of albert, bert`) {
		t.Errorf("error %v; want one that names the types that are known", err)
	}
	if _, err := ParseConfig([]byte("{")); err == nil {
		t.Error("no error for broken JSON")
	}
}

func TestNameOfTensorsThatOthersWrote(t *testing.T) {
	for _, test := range []struct{ name, tensor, want, why string }{
		{"plain", "encoder.layer.0.output.dense.bias", "encoder.layer.0.output.dense.bias", "BertModel's own"},
		{"prefixed", "bert.embeddings.word_embeddings.weight", "embeddings.word_embeddings.weight", "written by a model with a head"},
		{"gamma", "bert.embeddings.LayerNorm.gamma", "embeddings.LayerNorm.weight", "converted from TensorFlow"},
		{"beta", "encoder.layer.1.output.LayerNorm.beta", "encoder.layer.1.output.LayerNorm.bias", "converted from TensorFlow"},
		{"other", "pooler.dense.weight", "pooler.dense.weight", "not needed, left alone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := config(t).Name(test.tensor); got != test.want {
				t.Errorf("%s becomes %s; want %s (%s)", test.tensor, got, test.want, test.why)
			}
		})
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"model_type":"bert"}`))
	f.Add([]byte(`{"num_attention_heads":0,"hidden_size":-1}`))
	for _, kind := range Known() {
		f.Add(fmt.Appendf(nil, `{"model_type":%q,"vocab_size":9,"hidden_size":4,"intermediate_size":4,"num_hidden_layers":1,"num_attention_heads":1,"max_position_embeddings":9,"hidden_dim":4}`, kind))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := ParseConfig(data); err == nil && (c.Width%c.Heads != 0 || c.Ropes != nil && len(c.Ropes) != c.Layers || c.Windows != nil && len(c.Windows) != c.Layers || c.Positions < 1) {
			t.Errorf("%+v passed", c)
		}
	})
}

// What differs between the families is the same natively and as a graph.
func TestFamiliesInGraphs(t *testing.T) {
	e := enginetest.Open(t)
	if !device.Of(e).Native {
		t.Skip("this engine has graphs alone: what the CPU's engine holds against the host's way")
	}
	for _, test := range []struct{ name, why, config string }{
		{"windows", "rows are cut into windows, heads turn, norms come first", `"model_type":"modernbert","vocab_size":50,"hidden_size":12,"intermediate_size":8,"num_hidden_layers":3,"num_attention_heads":2,"local_attention":6,"global_attn_every_n_layers":3`},
		{"rotation", "heads turn", `"model_type":"nomic_bert","vocab_size":50,"hidden_size":12,"intermediate_size":8,"num_hidden_layers":2,"num_attention_heads":2,"max_position_embeddings":40`},
		{"groups", "layers share weights", `"model_type":"albert","vocab_size":50,"embedding_size":6,"hidden_size":12,"intermediate_size":8,"num_hidden_layers":3,"num_attention_heads":2,"max_position_embeddings":40`},
		{"padding", "tokens of padding have a place of their own", `"model_type":"roberta","vocab_size":50,"hidden_size":12,"intermediate_size":8,"num_hidden_layers":2,"num_attention_heads":2,"max_position_embeddings":40`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := ParseConfig([]byte("{" + test.config + "}"))
			if err != nil {
				t.Fatal(err)
			}
			p := tape.NewParams(e, false)
			defer p.Free()
			random := rand.New(rand.NewPCG(1, 2))
			for _, w := range c.Weights() {
				values := make([]float32, w.Size())
				for i := range values {
					values[i] = float32(random.NormFloat64())
				}
				if err := p.Add(w, values, false); err != nil {
					t.Fatal(err)
				}
			}
			m, r := New(c, false), tape.NewRunner(e, p)
			rows := [][]int32{make([]int32, 30), make([]int32, 7), {1, 2, 1, 1, 3}}
			for _, row := range rows[:2] {
				for i := range row {
					row[i] = int32(random.IntN(c.Vocabulary))
				}
			}
			native := hidden(t, m, r, 9, rows...)
			r.Device.Native = false
			for i, want := range hidden(t, m, r, 4, rows...) {
				golden.Compare(t, fmt.Sprintf("row %d: %s", i, test.why), native[i], want, golden.Tolerance{Absolute: 2e-5, Relative: 2e-5})
			}
		})
	}
}

func TestParseFamilies(t *testing.T) {
	const sizes = `"vocab_size":50,"hidden_size":12,"intermediate_size":8,"num_hidden_layers":4,"num_attention_heads":2,"max_position_embeddings":40`
	for _, test := range []struct {
		name, why, config string
		want              string                // in the error
		check             func(c Config) string // "" for right
	}{
		{"roberta", "places begin behind the padding token's", `"model_type":"roberta","pad_token_id":1,` + sizes, "", func(c Config) string {
			if c.First != 2 || c.Positions != 38 {
				return fmt.Sprintf("%+v", c)
			}
			return ""
		}},
		{"nomic's own", "the names of Nomic's code", `"model_type":"nomic_bert","vocab_size":50,"n_embd":12,"n_inner":8,"n_layer":4,"n_head":2,"n_positions":64,"layer_norm_epsilon":1e-5,"activation_function":"swiglu","rotary_emb_base":500,"rotary_emb_fraction":1.0`, "",
			func(c Config) string {
				if c.Positions != 64 || c.Ropes[3].Theta != 500 || c.Activation != "silu" || c.Epsilon != 1e-5 {
					return fmt.Sprintf("%+v", c)
				}
				return ""
			}},
		{"nomic scaled", "another rotation", `"model_type":"nomic_bert","rotary_emb_scale_base":512,` + sizes, "interleaved, partial or scaled", nil},
		{"nomic experts", "another feed-forward layer", `"model_type":"nomic_bert","num_experts":8,` + sizes, "or experts", nil},
		{"modernbert", "transformers 5 writes each kind of layer", `"model_type":"modernbert","layer_types":["full_attention","sliding_attention","sliding_attention","full_attention"],"rope_parameters":{"full_attention":{"rope_theta":7.0,"rope_type":"default"},"sliding_attention":{"rope_theta":8.0}},"local_attention":10,` + sizes, "",
			func(c Config) string {
				if fmt.Sprint(c.Windows) != "[0 5 5 0]" || c.Ropes[0].Theta != 7 || c.Ropes[1].Theta != 8 {
					return fmt.Sprintf("%+v", c)
				}
				return ""
			}},
		{"modernbert 4", "transformers 4 writes thetas beside it", `"model_type":"modernbert","global_rope_theta":70,"global_attn_every_n_layers":2,` + sizes, "",
			func(c Config) string {
				if fmt.Sprint(c.Windows) != "[0 64 0 64]" || c.Ropes[0].Theta != 70 || c.Ropes[1].Theta != 10000 {
					return fmt.Sprintf("%+v", c)
				}
				return ""
			}},
		{"stretched", "another rotation", `"model_type":"modernbert","rope_parameters":{"full_attention":{"rope_theta":7.0,"rope_type":"yarn"}},` + sizes, "expected rope_type default", nil},
		{"layer types", "fewer than layers", `"model_type":"modernbert","layer_types":["full_attention"],` + sizes, "names 1 layers; expected 4", nil},
		{"layer type", "it is not known", `"model_type":"modernbert","layer_types":["full_attention","x","x","x"],` + sizes, `layer_types has "x"`, nil},
		{"mpnet", "transformers counts 32 whatever stands there", `"model_type":"mpnet","relative_attention_num_buckets":16,` + sizes, "relative_attention_num_buckets is 16", nil},
		{"albert", "several layers in a group", `"model_type":"albert","inner_group_num":2,` + sizes, "inner_group_num is 2", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := ParseConfig([]byte("{" + test.config + "}"))
			switch {
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v; want one with %q (%s)", err, test.want, test.why)
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want == "":
				if wrong := test.check(c); wrong != "" {
					t.Errorf("%s: %s", test.why, wrong)
				}
			}
		})
	}
}
