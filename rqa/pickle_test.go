package rqa

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
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
		{"call", "a pickle runs no code", "cposix\nsystem\n\x8c\x02id\x85R.", "a pickle that calls something, at byte 19"},
		{"class", "only the one class", pklHead + "](\x8c\x02os\x8c\x06system\x93)\x81e.", `the class "system" of module "os"`},
		{"builtin class", "gopickle knows three classes of its own", pklHead + "](c__builtin__\nobject\ne.", "document 1: it is another kind of value"},
		{"constructor", "only plain instances", pklHead + "](" + pklClass + "\x8c\x01a\x85\x81e.", "a document that is made with arguments"},
		{"long length", "nothing is allocated for bytes that are not there", pklHead + "\x8d\x00\x00\x00\x00\x00\x00\x00\x40.", "a length of 4611686018427387904 at byte 2, where 1 bytes are left"},
		{"long frame", "the same for frames", pklHead + "\x95\xff\xff\xff\xff\xff\xff\xff\x7f.", "a length of 9223372036854775807 at byte 2, where 1 bytes are left"},
		{"odd dict", "gopickle would panic", pklHead + "}(Nu.", "a damaged pickle (runtime error: index out of range [1] with length 1)"},
		{"empty number", "gopickle would panic", pklHead + "\x8a\x00.", "a number without digits at byte 2"},
		{"marks", "each takes 256 bytes of memory", pklHead + strings.Repeat("(", 100) + ".", "65 open marks at byte 66"},
		{"lists", "each takes 120 bytes of memory", pklHead + strings.Repeat("]", 5000) + ".", "more than 4722 lists and dicts in 5003 bytes"},
		{"shared lists", "a small file must not become a huge tree", pklHead + "](" + pklDoc + "}(\x8c\x01l" + laughs + "euube.", `metadata: "l": values that repeat others past any use`},
		{"holds itself", "no endless descent", pklHead + "](" + pklDoc + "}(\x8c\x01l]q\x00h\x00auube.", `metadata: "l": values nested more than 32 deep`},
		{"truncated", "", pklHead + "](" + pklDoc, "a pickle without end, after"},
		{"truncated argument", "", pklHead + "\x8c", "a pickle that ends in the middle of an opcode"},
		{"not a list", "", pklHead + "}.", "a pickle of a dict"},
		{"not documents", "", pklHead + "](\x8c\x01xK\x01e.", "x.pkl:2: document 2: it is a number; expected"},
		{"no documents", "", pklHead + "].", "no documents"},
		{"content missing", "", pklHead + "](" + pklClass + ")\x81e.", "page_content is nothing"},
		{"broken UTF-8", "", pklHead + "](" + pklClass + ")\x81}\x8c\x0cpage_content\x8c\x01\xffsbe.", "text that is not UTF-8"},
		{"set", "not in a list of documents", pklHead + "\x8f.", "the pickle opcode 0x8f at byte 2"},
		{"empty file", "", "", "a pickle without end, after 0 bytes"},
		{"text", "", "{}\n", "the pickle opcode 0x7b at byte 0"},
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
