package dataset

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Pieces of protocol 4, by hand.
const (
	pklHead  = "\x80\x04"
	pklClass = "\x8c\x19local_rqa.schema.document\x8c\x08Document\x93"
	pklDoc   = pklClass + ")\x81}(" +
		"\x8c\x0cpage_content\x8c\x01c" +
		"\x8c\x0bfmt_content\x8c\x01f" +
		"\x8c\x08metadata"
)

func TestPickle(t *testing.T) {
	want := []Document{{Content: "c", Formatted: "f", Metadata: map[string]any{
		"i": json.Number("-2"), "big": json.Number("18446744073709551616"), "f": json.Number("0.5"),
		"b": true, "n": nil, "l": []any{"x", json.Number("1")}, "d": map[string]any{},
	}}}
	meta := "}(" +
		"\x8c\x01iJ\xfe\xff\xff\xff" +
		"\x8c\x03big\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x8c\x01fG\x3f\xe0\x00\x00\x00\x00\x00\x00" +
		"\x8c\x01b\x88\x8c\x01nN" +
		"\x8c\x01l](\x8c\x01xK\x01e" +
		"\x8c\x01d}u"
	got, err := readPickle(context.Background(), "x.pkl", strings.NewReader(pklHead+"]("+pklDoc+meta+"ube."))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBadPickle(t *testing.T) {
	// a list in which each level holds the level below ten times
	laughs := "](]q\x00"
	for i := range 30 {
		laughs += "](" + strings.Repeat("h"+string(rune(i)), 10) + "eq" + string(rune(i+1))
	}
	tests := []struct{ name, why, data, want string }{
		{"call", "a pickle runs no code", "cposix\nsystem\n\x8c\x02id\x85R.", `the class "system" of module "posix", at byte 0`},
		{"eval", "nor a function of Python's own", "c__builtin__\neval\n(V1\ntR.", `the class "eval" of module "__builtin__"`},
		{"getattr", "nor one that finds others", pklHead + "\x8c\x08builtins\x8c\x07getattr\x93\x8c\x04uuid\x8c\x04UUID\x93\x8c\x08__init__\x86R.", `the class "UUID.__init__" of module "uuid"`},
		{"old instance", "protocol 0's way of calling", "(ios\nsystem\n.", `the class "system" of module "os"`},
		{"outside", "a reference to what is not in the file", "Pid\n.", "a reference out of the pickle"},
		{"class", "only the one class", pklHead + "](\x8c\x02os\x8c\x06system\x93)\x81e.", `the class "system" of module "os"`},
		{"builtin class", "gopickle knows three classes of its own", pklHead + "](c__builtin__\nobject\ne.", "document 1: it is the class __builtin__.object"},
		{"other class", "is named", pklHead + "](" + pklDoc + "}(\x8c\x01x\x8c\x09myapp.api\x8c\x03Ref\x93)\x81uube.", `the class "Ref" of module "myapp.api"`},
		{"value of another class's part", "a time zone alone says nothing", pklHead + "](" + pklDoc + "}(\x8c\x01x\x8c\x08datetime\x8c\x08timezone\x93)\x81uube.", `metadata: "x": an object of datetime.timezone`},
		{"month 13", "no date", pklHead + "](" + pklDoc + "}(\x8c\x01x\x8c\x08datetime\x8c\x04date\x93C\x04\x07\xe8\x0d\x01\x85Ruube.", `metadata: "x": an object of datetime.date`},
		{"short scalar", "numpy's width is checked", pklHead + "](" + pklDoc + "}(\x8c\x01x\x8c\x15numpy.core.multiarray\x8c\x06scalar\x93\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f8\x89\x88\x87RC\x02\x00\x00\x86Ruube.", `metadata: "x": an object of numpy.core.multiarray.scalar`},
		{"constructor", "only plain instances", pklHead + "](" + pklClass + "\x8c\x01a\x85\x81e.", "a document that is made with arguments"},
		{"long length", "nothing is allocated for bytes that are not there", pklHead + "\x8d\x00\x00\x00\x00\x00\x00\x00\x40.", "a length of 4611686018427387904 where 1 bytes are left, at byte 2"},
		{"long frame", "the same for frames", pklHead + "\x95\xff\xff\xff\xff\xff\xff\xff\x7f.", "a length of 9223372036854775807 where 1 bytes are left, at byte 2"},
		{"odd dict", "a half entry", pklHead + "}(Nu.", "a damaged pickle: a key without a value, at byte 5"},
		{"empty number", "is 0", pklHead + "\x8a\x00.", "a pickle of a number"},
		{"empty stack", "nothing to take", pklHead + "a.", "a damaged pickle: a value is missing, at byte 2"},
		{"behind a mark", "what stands below it is another's", pklHead + "](0a.", "a damaged pickle: a value is missing"},
		{"not kept", "no such number", pklHead + "h\x07.", "a damaged pickle: value 7 was not kept"},
		{"marks", "each takes 256 bytes of memory", pklHead + strings.Repeat("(", 300) + ".", "257 open marks, at byte 258"},
		{"lists", "each takes 120 bytes of memory", pklHead + strings.Repeat("]", 8000) + ".", "more than 6096 lists, dicts and objects in 8003 bytes"},
		{"shared lists", "a small file must not become a huge tree", pklHead + "](" + pklDoc + "}(\x8c\x01l" + laughs + "euube.", `metadata: "l": values that repeat others past any use`},
		{"holds itself", "no endless descent", pklHead + "](" + pklDoc + "}(\x8c\x01l]q\x00h\x00auube.", `metadata: "l": values nested more than 32 deep`},
		{"truncated", "", pklHead + "](" + pklDoc, "a pickle without end, after"},
		{"truncated argument", "", pklHead + "\x8c", "a pickle that ends too early, at byte 2"},
		{"not a list", "", pklHead + "}.", "a pickle of a dict"},
		{"not documents", "", pklHead + "](\x8c\x01xK\x01e.", "x.pkl:2: document 2: it is a number; expected"},
		{"no documents", "", pklHead + "].", "no documents"},
		{"content missing", "", pklHead + "](" + pklClass + ")\x81e.", "page_content is nothing"},
		{"broken UTF-8", "", pklHead + "](" + pklClass + ")\x81}\x8c\x0cpage_content\x8c\x01\xffsbe.", "text that is not UTF-8"},
		{"set", "not in a list of documents", pklHead + "\x8f.", "a pickle of a set"},
		{"empty file", "", "", "a pickle without end, after 0 bytes"},
		{"text", "", "{}\n", "the pickle opcode 0x7b, at byte 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readPickle(context.Background(), "x.pkl", strings.NewReader(tt.data))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "x.pkl") {
				t.Errorf("%s: got %v\nwant %s", tt.why, err, tt.want)
			}
		})
	}
}

// pythonPickles are what Python 3.11 writes for two documents of a class
// Document in a module local_rqa.schema.document, in protocols 2 to 5; the
// base64 of each. One is formatted, and both share their metadata.
var pythonPickles = []string{
	"gAJdcQAoY2xvY2FsX3JxYS5zY2hlbWEuZG9jdW1lbnQKRG9jdW1lbnQKcQEpgXECfXEDKFgMAAAAcGFnZV9jb250ZW50cQRYAwAAAG9uZXEFWAsAAABmbXRfY29udGVudHEGWAUAAABGIG9uZXEHWAgAAABtZXRhZGF0YXEIfXEJKFgGAAAAc291cmNlcQpYAQAAAHNxC1gBAAAAbnEMTSwBWAEAAAB4cQ1dcQ4oRz/4AAAAAAAATlgCAAAAw6lxD2V1dWJoASmBcRB9cREoaARYAwAAAHR3b3ESaAZYAAAAAHETaAhoCXViZS4=",
	"gANdcQAoY2xvY2FsX3JxYS5zY2hlbWEuZG9jdW1lbnQKRG9jdW1lbnQKcQEpgXECfXEDKFgMAAAAcGFnZV9jb250ZW50cQRYAwAAAG9uZXEFWAsAAABmbXRfY29udGVudHEGWAUAAABGIG9uZXEHWAgAAABtZXRhZGF0YXEIfXEJKFgGAAAAc291cmNlcQpYAQAAAHNxC1gBAAAAbnEMTSwBWAEAAAB4cQ1dcQ4oRz/4AAAAAAAATlgCAAAAw6lxD2V1dWJoASmBcRB9cREoaARYAwAAAHR3b3ESaAZYAAAAAHETaAhoCXViZS4=",
	"gASVtgAAAAAAAABdlCiMGWxvY2FsX3JxYS5zY2hlbWEuZG9jdW1lbnSUjAhEb2N1bWVudJSTlCmBlH2UKIwMcGFnZV9jb250ZW50lIwDb25llIwLZm10X2NvbnRlbnSUjAVGIG9uZZSMCG1ldGFkYXRhlH2UKIwGc291cmNllIwBc5SMAW6UTSwBjAF4lF2UKEc/+AAAAAAAAE6MAsOplGV1dWJoAymBlH2UKGgGjAN0d2+UaAiMAJRoCmgLdWJlLg==",
	"gAWVtgAAAAAAAABdlCiMGWxvY2FsX3JxYS5zY2hlbWEuZG9jdW1lbnSUjAhEb2N1bWVudJSTlCmBlH2UKIwMcGFnZV9jb250ZW50lIwDb25llIwLZm10X2NvbnRlbnSUjAVGIG9uZZSMCG1ldGFkYXRhlH2UKIwGc291cmNllIwBc5SMAW6UTSwBjAF4lF2UKEc/+AAAAAAAAE6MAsOplGV1dWJoAymBlH2UKGgGjAN0d2+UaAiMAJRoCmgLdWJlLg==",
}

func TestPythonPickles(t *testing.T) {
	meta := map[string]any{"source": "s", "n": json.Number("300"), "x": []any{json.Number("1.5"), nil, "é"}}
	want := []Document{{Content: "one", Formatted: "F one", Metadata: meta}, {Content: "two", Metadata: meta}}
	for _, p := range pythonPickles {
		data, err := base64.StdEncoding.DecodeString(p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readPickle(context.Background(), "x.pkl", bytes.NewReader(data))
		if err != nil {
			t.Errorf("protocol %d: %v", data[1], err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("protocol %d (-want +got):\n%s", data[1], diff)
		}
	}
}

// What Python pickles in any protocol is what it means: rqa/testdata/pickles.json
// is of parity/make_pickles.py.
func TestPicklesOfPython(t *testing.T) {
	data, err := os.ReadFile("testdata/pickles.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Name      string          `json:"name"`
			Pickle    []byte          `json:"pickle"`
			Documents json.RawMessage `json:"documents"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b json.Number) bool {
		x, ok := new(big.Rat).SetString(a.String())
		y, ok2 := new(big.Rat).SetString(b.String())
		return ok && ok2 && x.Cmp(y) == 0
	})
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			got, err := readPickle(context.Background(), "x.pkl", bytes.NewReader(c.Pickle))
			if err != nil {
				t.Fatal(err)
			}
			var want []Document
			d := json.NewDecoder(bytes.NewReader(c.Documents))
			d.UseNumber()
			if err := d.Decode(&want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, same); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzReadPickle(f *testing.F) {
	f.Add([]byte(pklHead + "](" + pklDoc + "}(\x8c\x01lK\x01uube."))
	f.Add([]byte(pklHead + "\x95\x05\x00\x00\x00\x00\x00\x00\x00](NNe."))
	for _, p := range pythonPickles {
		data, err := base64.StdEncoding.DecodeString(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("(lp0\nccopyreg\n_reconstructor\n(clocal_rqa.schema.document\nDocument\nc__builtin__\nobject\nNtR(dVpage_content\nVc\nsVmetadata\n(dVt\ncdatetime\ndate\n(c_codecs\nencode\n(V\\u0007\\u00e8\\u0002\\u001d\nVlatin1\ntRtRsbsa."))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return // the bound below is for small files
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		docs, err := readPickle(context.Background(), "x.pkl", bytes.NewReader(data))
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
			t.Errorf("%d bytes of pickle made %d bytes of memory", len(data), got)
		}
		if err == nil && len(docs) == 0 {
			t.Error("neither documents nor an error")
		}
	})
}

func BenchmarkReadPickle(b *testing.B) {
	data, err := os.ReadFile(faire + "faire.pkl")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := readPickle(context.Background(), "faire.pkl", bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}
