package bert

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"gorqa/internal/enginetest"
	"gorqa/internal/golden"
	"gorqa/internal/xla"
	"gorqa/tape"
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
func load(t *testing.T, half bool) (*Model, *tape.Runner) {
	t.Helper()
	c, e := config(t), enginetest.Open(t)
	arrays := map[string]golden.Array{}
	for name, a := range golden.Arrays(t, tiny+"/model.safetensors") {
		arrays[Name(name)] = a
	}
	p := tape.NewParams(e, half)
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
	return New(c, half), tape.NewRunner(e, p)
}

// hidden runs rows padded to s tokens and gives the states of their own tokens.
func hidden(t *testing.T, m *Model, r *tape.Runner, s int, rows ...[]int32) [][]float32 {
	t.Helper()
	ids, lengths := make([]int32, s*len(rows)), make([]int32, len(rows))
	for i := range ids {
		ids[i] = 7 // padding need not be zeros
	}
	for i, row := range rows {
		copy(ids[i*s:], row)
		lengths[i] = int32(len(row))
	}
	tp := r.New(false)
	x, _, err := m.Hidden(tp, ids, lengths)
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
	out := make([][]float32, len(rows))
	d := m.Config.Width
	for i, row := range rows {
		out[i] = flat[i*s*d : (i*s+len(row))*d]
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
		s         int
		rows      []int
	}{
		{"batch", "as the golden was made", 34, []int{0, 1, 2}},
		{"wide", "more padding changes nothing", 64, []int{2, 0, 1}},
		{"alone", "nor do the neighbours", 21, []int{0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var batch [][]int32
			for _, i := range test.rows {
				batch = append(batch, rows[i])
			}
			for k, got := range hidden(t, m, r, test.s, batch...) {
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
		ids, lengths    []int32
	}{
		{"long", "position 64 has no embedding", "64 positions", make([]int32, 65), []int32{65}},
		{"ragged", "rows must be equally wide", "3 ids for 2 rows", make([]int32, 3), []int32{1, 1}},
		{"id", "it would read another row of the table", "token id 96", []int32{1, 96}, []int32{2}},
		{"negative", "it would read another row of the table", "token id -1", []int32{-1}, []int32{1}},
		{"empty", "no rows", "0 rows", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := m.Hidden(r.New(false), test.ids, test.lengths)
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
	_, err := ParseConfig([]byte(`{"model_type":"albert","hidden_size":30,"num_attention_heads":4,"hidden_act":"relu","layer_norm_eps":0,"position_embedding_type":"relative_key"}`))
	for _, want := range []string{`"albert"`, "vocab_size is 0", "30 is not a multiple", `"relu"`, "layer_norm_eps is 0", "relative_key"} {
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
