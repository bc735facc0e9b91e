package tokenizer_test

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/tokenizer"
)

// goldenFile is testdata/golden.json, made by parity/make_tokenizer.py.
type goldenFile struct {
	Seed       uint64                     `json:"seed"`
	Strings    int                        `json:"strings"`
	Block      int                        `json:"block"`
	Ranges     [][2]int32                 `json:"ranges"`
	Words      []string                   `json:"words"`
	FaireTexts int                        `json:"faire_texts"`
	FaireHash  string                     `json:"faire_hash"`
	FuzzedHash string                     `json:"fuzzed_hash"`
	Texts      []string                   `json:"texts"`
	Tokenizers map[string]goldenTokenizer `json:"tokenizers_files"`
}

type goldenTokenizer struct {
	Size    int             `json:"size"`
	Torture []goldenTorture `json:"torture"`
	Faire   goldenHashes    `json:"faire"`
	Fuzzed  goldenHashes    `json:"fuzzed"`
	Random  goldenHashes    `json:"random"`
}

type goldenTorture struct {
	IDs     []int32 `json:"ids"`
	Plain   []int32 `json:"plain"`
	Decoded string  `json:"decoded"`
	Skipped string  `json:"skipped"`
}

type goldenHashes struct {
	IDs     []string `json:"ids"`
	Plain   []string `json:"plain"`
	Decoded []string `json:"decoded"`
	Skipped []string `json:"skipped"`
}

// goldenFolder holds golden.json and the tokenizers that it is about. A folder
// of your own goldens is checked with GORQA_TOKENIZER_GOLDEN.
func goldenFolder() string {
	if dir := os.Getenv("GORQA_TOKENIZER_GOLDEN"); dir != "" {
		return dir
	}
	return "testdata"
}

var golden = sync.OnceValues(func() (*goldenFile, error) {
	data, err := readZipped(filepath.Join(goldenFolder(), "golden.json.gz"))
	if err != nil {
		return nil, err
	}
	var g goldenFile
	return &g, json.Unmarshal(data, &g)
})

func readGolden(t testing.TB) *goldenFile {
	t.Helper()
	g, err := golden()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// readFile reads a tokenizer.json of the golden folder, gzipped or not.
func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(goldenFolder(), name+".json"))
	if err == nil {
		return data
	}
	if data, err = readZipped(filepath.Join(goldenFolder(), name+".json.gz")); err != nil {
		t.Fatal(err)
	}
	return data
}

func readZipped(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// loaded holds the tokenizers that several tests share.
var loaded sync.Map

func load(t testing.TB, name string) *tokenizer.Tokenizer {
	t.Helper()
	if tok, ok := loaded.Load(name); ok {
		return tok.(*tokenizer.Tokenizer)
	}
	tok, err := tokenizer.Parse(readFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	loaded.Store(name, tok)
	return tok
}

// splitmix is the generator of the fuzzed strings (splitmix64).
type splitmix uint64

func (r *splitmix) below(n int) int {
	*r += 0x9E3779B97F4A7C15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return int((z ^ z>>31) % uint64(n))
}

var fuzzed = sync.OnceValue(func() []string {
	g, _ := golden()
	r := splitmix(g.Seed)
	out := make([]string, g.Strings)
	for i := range out {
		var b strings.Builder
		favourite := g.Ranges[r.below(len(g.Ranges))]
		for range r.below(12) {
			what := r.below(8)
			if what == 0 {
				b.WriteString(g.Words[r.below(len(g.Words))])
				continue
			}
			from := favourite
			if what >= 4 {
				from = g.Ranges[r.below(len(g.Ranges))]
			}
			for range 1 + r.below(5) {
				c := from[0] + int32(r.below(int(from[1]-from[0]+1)))
				b.WriteRune(c) // a surrogate half becomes U+FFFD
			}
		}
		out[i] = b.String()
	}
	return out
})

// faireTexts returns every distinct question, answer and fmt_content.
func faireTexts(t testing.TB) []string {
	t.Helper()
	type doc struct {
		FmtContent string `json:"fmt_content"`
	}
	seen := map[string]bool{}
	var out []string
	for _, name := range []string{"train_w_qa", "eval_w_qa", "test_w_qa", "documents"} {
		f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "faire", name+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var row struct {
				doc
				Question string `json:"question"`
				Answer   string `json:"gold_answer"`
				Gold     []doc  `json:"gold_docs"`
				Hard     []doc  `json:"hard_neg_docs"`
			}
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				t.Fatal(err)
			}
			texts := []string{row.Question, row.Answer}
			if row.Question == "" {
				texts = append(texts, row.FmtContent)
			}
			for _, d := range slices.Concat(row.Gold, row.Hard) {
				texts = append(texts, d.FmtContent)
			}
			for _, text := range texts {
				if text != "" && !seen[text] {
					seen[text] = true
					out = append(out, text)
				}
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func hashIDs(lists [][]int32) string {
	h := sha256.New()
	var b []byte
	for _, ids := range lists {
		b = binary.LittleEndian.AppendUint32(b[:0], uint32(len(ids)))
		for _, id := range ids {
			b = binary.LittleEndian.AppendUint32(b, uint32(id))
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func hashTexts(texts []string) string {
	h := sha256.New()
	for _, s := range texts {
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
		io.WriteString(h, s)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func hashBlock(tok *tokenizer.Tokenizer, texts []string, withPlain bool, into *goldenHashes) {
	ids, plain := make([][]int32, len(texts)), make([][]int32, len(texts))
	decoded, skipped := make([]string, len(texts)), make([]string, len(texts))
	for i, s := range texts {
		ids[i] = tok.Encode(s, true)
		if withPlain {
			plain[i] = tok.Encode(s, false)
		}
		decoded[i], skipped[i] = tok.Decode(ids[i], false), tok.Decode(ids[i], true)
	}
	into.IDs = append(into.IDs, hashIDs(ids))
	if withPlain {
		into.Plain = append(into.Plain, hashIDs(plain))
	}
	into.Decoded, into.Skipped = append(into.Decoded, hashTexts(decoded)), append(into.Skipped, hashTexts(skipped))
}

func TestGolden(t *testing.T) {
	g := readGolden(t)
	if got := hashTexts(fuzzed()); got != g.FuzzedHash {
		t.Fatalf("the fuzzed strings are not those of the golden: %s, want %s", got, g.FuzzedHash)
	}
	texts := faireTexts(t)
	if got := hashTexts(texts); got != g.FaireHash || len(texts) != g.FaireTexts {
		t.Fatalf("the Faire texts are not those of the golden: %d of hash %s, want %d of %s", len(texts), got, g.FaireTexts, g.FaireHash)
	}
	for name, want := range g.Tokenizers {
		t.Run(name, func(t *testing.T) {
			tok := load(t, name)
			if tok.Size() != want.Size {
				t.Errorf("size %d, want %d", tok.Size(), want.Size)
			}
			for i, text := range g.Texts {
				w := want.Torture[i]
				got := goldenTorture{tok.Encode(text, true), tok.Encode(text, false), "", ""}
				got.Decoded, got.Skipped = tok.Decode(w.IDs, false), tok.Decode(w.IDs, true)
				if d := cmp.Diff(w, got); d != "" {
					t.Errorf("%q (-want +got):\n%s", text, d)
				}
			}
			for what, c := range map[string]struct {
				texts []string
				block int
				want  goldenHashes
			}{"Faire": {texts, 500, want.Faire}, "fuzzed": {fuzzed(), g.Block, want.Fuzzed}} {
				got := goldenHashes{Plain: []string{}}
				for block := range slices.Chunk(c.texts, c.block) {
					if len(got.IDs) == len(c.want.IDs) {
						break // the rest is for the large tokenizers
					}
					hashBlock(tok, block, len(c.want.Plain) > 0, &got)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("%s, blocks of %d (-want +got):\n%s", what, c.block, d)
				}
			}
			var decoded, skipped []string
			r := splitmix(g.Seed + 1)
			for range 1000 {
				ids := make([]int32, r.below(20))
				for i := range ids {
					ids[i] = int32(r.below(want.Size + 2))
				}
				decoded, skipped = append(decoded, tok.Decode(ids, false)), append(skipped, tok.Decode(ids, true))
			}
			got := goldenHashes{Decoded: []string{hashTexts(decoded)}, Skipped: []string{hashTexts(skipped)}}
			if d := cmp.Diff(want.Random, got); d != "" {
				t.Errorf("random ids, decoded (-want +got):\n%s", d)
			}
		})
	}
}

func ExampleTokenizer_Encode() {
	file, err := readZipped("testdata/smollm2.json.gz")
	if err != nil {
		panic(err)
	}
	tok, err := tokenizer.Parse(file)
	if err != nil {
		panic(err)
	}
	ids := tok.Encode("Gravity is a force.\n\n2 apples", true)
	fmt.Println(ids)
	fmt.Println(tok.Decode(ids, true))
	// Output:
	// [22007 6463 314 253 3075 30 1116 34 13855]
	// Gravity is a force.
	//
	// 2 apples
}
