package bert

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"gorqa/engine/xla"
	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
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
		arrays[Name(name)] = a
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
	p := Pack{Rows: rows, Size: spare, Tall: len(rows) + spare, Wide: spare}
	for _, row := range rows {
		p.Size, p.Wide = p.Size+len(row), max(p.Wide, len(row)+spare)
	}
	tp := r.New(false)
	x, err := m.Hidden(tp, p)
	if err != nil {
		t.Fatal(err)
	}
	flat, err := xla.ToHost[float32](x.States.Tensor)
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
			m.graphs = test.graphs
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
		pack            Pack
	}{
		{"long", "position 64 has no embedding", "64 positions", Pack{[][]int32{make([]int32, 65)}, 128, 1, 128}},
		{"wide", "its line is shorter", "2 wide", Pack{[][]int32{make([]int32, 3)}, 128, 1, 2}},
		{"many", "they do not fit", "2 rows with 6 tokens", Pack{[][]int32{make([]int32, 3), make([]int32, 3)}, 5, 2, 3}},
		{"tall", "there are fewer lines", "expected 1 to 1", Pack{[][]int32{make([]int32, 3), make([]int32, 3)}, 6, 1, 3}},
		{"id", "it would read another row of the table", "token id 96", Pack{[][]int32{{1, 96}}, 2, 1, 2}},
		{"negative", "it would read another row of the table", "token id -1", Pack{[][]int32{{-1}}, 1, 1, 1}},
		{"empty", "no tokens", "row 0 has 0 tokens", Pack{[][]int32{{}}, 1, 1, 1}},
		{"none", "no rows", "0 rows", Pack{nil, 1, 1, 1}},
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
	_, err := ParseConfig([]byte(`{"model_type":"albert","hidden_size":30,"num_attention_heads":4,"hidden_act":"relu","layer_norm_eps":0,"position_embedding_type":"relative_key","is_decoder":true}`))
	for _, want := range []string{`"albert"`, "vocab_size is 0", "30 is not a multiple", `"relu"`, "layer_norm_eps is 0", "relative_key", "is_decoder is true"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one that says %q too", err, want)
		}
	}
	if _, err := ParseConfig([]byte("{")); err == nil {
		t.Error("no error for broken JSON")
	}
}

func TestName(t *testing.T) {
	for _, test := range []struct{ name, tensor, want, why string }{
		{"plain", "encoder.layer.0.output.dense.bias", "encoder.layer.0.output.dense.bias", "BertModel's own"},
		{"prefixed", "bert.embeddings.word_embeddings.weight", "embeddings.word_embeddings.weight", "written by a model with a head"},
		{"gamma", "bert.embeddings.LayerNorm.gamma", "embeddings.LayerNorm.weight", "converted from TensorFlow"},
		{"beta", "encoder.layer.1.output.LayerNorm.beta", "encoder.layer.1.output.LayerNorm.bias", "converted from TensorFlow"},
		{"other", "pooler.dense.weight", "pooler.dense.weight", "not needed, left alone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Name(test.tensor); got != test.want {
				t.Errorf("%s becomes %s; want %s (%s)", test.tensor, got, test.want, test.why)
			}
		})
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"model_type":"bert"}`))
	f.Add([]byte(`{"num_attention_heads":0,"hidden_size":-1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := ParseConfig(data); err == nil && c.Width%c.Heads != 0 {
			t.Errorf("%+v passed", c)
		}
	})
}
