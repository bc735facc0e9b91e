package dataset

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const faire = "../../../shared/data/faire/"

func TestBadExamples(t *testing.T) {
	good := `{"question":"q","gold_docs":[{"page_content":"p"}],"gold_answer":"a"}`
	tests := []struct {
		name, why string
		data      string
		rows      int
		want      []string
	}{
		{
			name: "all problems together", why: "one run shows everything, and the sound row is kept",
			data: strings.Join([]string{
				`{"gold_docs":[],"gold_answer":"a"}`,
				good,
				`{"question":"  ","gold_docs":[],"gold_answer":""}`,
				`{"question":1,"gold_docs":{},"gold_answer":["a"]}`,
				`{"question":"q","gold_docs":[{"fmt_content":"f"},3,null,{"page_content":"p","metadata":[1]}],"gold_answer":"a"}`,
			}, "\n"),
			rows: 1,
			want: []string{
				`x.jsonl:1: no question among the fields "gold_answer", "gold_docs"; expected a string; add it, or remove the row`,
				`x.jsonl:3: an empty question; expected text; fill it in, or remove the row`,
				`x.jsonl:3: an empty gold_answer; expected text; fill it in, or remove the row`,
				`x.jsonl:4: question is a number (1); expected a string; write the text in double quotes`,
				`x.jsonl:4: gold_docs is an object; expected an array of objects; put it in [ ]`,
				`x.jsonl:4: gold_answer is an array; expected a string; write the text in double quotes`,
				`x.jsonl:5: gold_docs[1] is a number (3); expected an object; write it as {…}`,
				`x.jsonl:5: gold_docs[2] is null; expected an object; write it as {…}`,
				`x.jsonl:5: no gold_docs[0].page_content among the fields "fmt_content"; expected a string; add it, or remove the row`,
				`x.jsonl:5: gold_docs[3].metadata is an array; expected an object; write it as {…}`,
			},
		},
		{
			name: "unanswerable", why: "a flag is no text",
			data: `{"question":"q","gold_docs":[],"gold_answer":"a","unanswerable":"no"}`,
			want: []string{`x.jsonl:1: unanswerable is a string ("no"); expected true or false; correct it, or remove it`},
		},
		{
			name: "history", why: "a turn needs a speaker and a message",
			data: `{"question":"q","gold_docs":[],"gold_answer":"a","chat_history":[{"message":"m"},{"speaker":"","message":"m"},"x",{"speaker":"s","message":"m","source_documents":1}]}`,
			want: []string{
				`x.jsonl:1: chat_history[2] is a string ("x"); expected an object; write it as {…}`,
				`x.jsonl:1: no chat_history[0].speaker among the fields "message"; expected a string; add it, or remove the row`,
				`x.jsonl:1: an empty chat_history[1].speaker; expected text; fill it in, or remove the row`,
				`x.jsonl:1: chat_history[3].source_documents is a number (1); expected an array of objects; put it in [ ]`,
			},
		},
		{
			name: "null", why: "a field that is there and null is not missing",
			data: `{"question":null,"gold_docs":null,"gold_answer":null,"chat_history":[{"speaker":null,"message":"m"}]}`,
			want: []string{
				`x.jsonl:1: question is null; expected a string; fill it in, or remove the row`,
				`x.jsonl:1: gold_docs is null; expected an array of objects; fill it in, or remove the row`,
				`x.jsonl:1: gold_answer is null; expected a string; fill it in, or remove the row`,
				`x.jsonl:1: chat_history[0].speaker is null; expected a string; fill it in, or remove the row`,
			},
		},
		{
			name: "byte order mark", why: "Windows editors write one; the rest of the line is still checked",
			data: "\xef\xbb\xbf" + `{"question":"q"}`,
			want: []string{
				`x.jsonl:1: a byte order mark; expected the first row at the first byte; save the file as UTF-8 without BOM`,
				`x.jsonl:1: no gold_docs among the fields "question"; expected an array of objects; add it, or remove the row`,
				`x.jsonl:1: no gold_answer among the fields "question"; expected a string; add it, or remove the row`,
			},
		},
		{
			name: "UTF-16", why: "one problem, not one a line",
			data: "\xff\xfe{\x00\n\x00}\x00",
			want: []string{`x.jsonl:1: a UTF-16 byte order mark; expected UTF-8; save the file as UTF-8`},
		},
		{
			name: "array", why: "one problem, not one a line",
			data: "[\n" + good + ",\n" + good + "\n]",
			want: []string{`x.jsonl:1: the beginning of a JSON array; expected one JSON object a line; convert the file, for example with jq -c '.[]'`},
		},
		{
			name: "broken UTF-8", why: "encoding/json would silently replace it",
			data: `{"question":"caf` + "\xe9" + `","gold_docs":[],"gold_answer":"a"}` + "\n" + `{"question":"\ud83d","gold_docs":[],"gold_answer":"\ud83d\ude00"}`,
			want: []string{
				`x.jsonl:1: broken UTF-8 at byte 17 (0xe9); expected UTF-8; save the file as UTF-8, or remove the row`,
				`x.jsonl:2: half of a surrogate pair at byte 14 (\ud83d); expected both halves (\ud8xx\udcxx) or the character itself; correct the escape, or remove the row`,
			},
		},
		{
			name: "broken JSON", why: "truncated, two values, not an object",
			data: good + good + "\n[1]\nnull\n{'a':1}\n" + good[:30],
			want: []string{
				`x.jsonl:1: wrong JSON at byte 70: invalid character '{' after top-level value; expected one JSON object a line; correct the line`,
				`x.jsonl:2: an array; expected one JSON object a line; write each row as {…} on its own line`,
				`x.jsonl:3: null; expected one JSON object a line; remove the line`,
				`x.jsonl:4: wrong JSON at byte 2: invalid character '\'' looking for beginning of object key string; expected one JSON object a line; correct the line`,
				`x.jsonl:5: JSON that ends too early, after 30 bytes; expected a whole JSON object on one line; make or copy the file again`,
			},
		},
		{
			name: "documents", why: "one problem, not three a line, which names the commands that take them",
			data: `{"page_content":"p"}` + "\n" + `{"page_content":"q"}`,
			want: []string{`x.jsonl:1: a document (page_content); expected a question with its answer on each line; ` + DocumentsUse},
		},
		{
			name: "empty", why: "a run without rows is a mistake",
			data: "\n \n",
			want: []string{`x.jsonl: no rows; expected one JSON object a line; check that this is the right file`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := readExamples(context.Background(), "x.jsonl", strings.NewReader(tt.data))
			var bad *BadData
			if !errors.As(err, &bad) {
				t.Fatalf("%s: got error %v, want *BadData", tt.why, err)
			}
			if diff := cmp.Diff(strings.Join(tt.want, "\n"), err.Error()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.why, diff)
			}
			if len(rows) != tt.rows {
				t.Errorf("got %d sound rows, want %d", len(rows), tt.rows)
			}
			var p Problem
			if !errors.As(err, &p) || p != bad.Problems[0] {
				t.Errorf("errors.As gave the problem %v", p)
			}
		})
	}
}

func TestManyProblemsAreBounded(t *testing.T) {
	_, err := readExamples(context.Background(), "x.jsonl", strings.NewReader(strings.Repeat("{}\n", 1000)))
	var bad *BadData
	if !errors.As(err, &bad) {
		t.Fatalf("got %v", err)
	}
	if len(bad.Problems) != 50 || bad.Count != 3000 || bad.BadRows != 1000 {
		t.Errorf("got %d of %d problems in %d rows, want 50 of 3000 in 1000", len(bad.Problems), bad.Count, bad.BadRows)
	}
	if want := "x.jsonl: and 2950 more of the kind, in 1000 rows altogether"; !strings.HasSuffix(err.Error(), "\n"+want) {
		t.Errorf("the error does not end with %q", want)
	}
}

func TestLongLine(t *testing.T) {
	row := `{"page_content":"p"}`
	data := io.MultiReader(strings.NewReader(row+"\n"), strings.NewReader(strings.Repeat("x", maxLineBytes)), strings.NewReader("\n"+row))
	docs, err := readDocuments(context.Background(), "x.jsonl", data)
	want := "x.jsonl:2: a line of 67108864 bytes; expected less than 67108864, one row a line; check that the file has a newline after every row"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if len(docs) != 2 {
		t.Errorf("got %d documents around the long line, want 2", len(docs))
	}
}

func TestOptionalFields(t *testing.T) {
	data := `{"question":"q","gold_docs":[{"page_content":"p","metadata":{"title":"T","n":12345678901234567890}}],"gold_answer":"a","extra":1,"chat_history":null,"unanswerable":true}` + "\r\n\n" +
		`{"question":"q","gold_docs":[],"gold_answer":"a","hard_neg_docs":[{"page_content":"","fmt_content":"F","metadata":null}],"chat_history":[{"speaker":"USER","message":""}]}` + "\n"
	got, err := readExamples(context.Background(), "x.jsonl", strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := WriteExamples(&b, got); err != nil {
		t.Fatal(err)
	}
	want := `{"question":"q","gold_docs":[{"page_content":"p","fmt_content":"","metadata":{"n":12345678901234567890,"title":"T"}}],"gold_answer":"a","chat_history":[],"hard_neg_docs":[],"unanswerable":true}
{"question":"q","gold_docs":[],"gold_answer":"a","chat_history":[{"speaker":"USER","message":"","source_documents":[]}],"hard_neg_docs":[{"page_content":"","fmt_content":"F","metadata":{}}]}
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := readDocuments(ctx, "x.jsonl", strings.NewReader(`{"page_content":"p"}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestExtensions(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ name, why, want string }{
		{"a.csv", "an unknown format is refused by name", `the extension ".csv"; expected a split as .jsonl, one example a line; convert or rename the file`},
		{"a.pkl", "splits have no pickle form", `the extension ".pkl"; expected a split as .jsonl, one example a line; convert or rename the file`},
		{"gone.jsonl", "the system's error is kept", "no such file"},
	} {
		if _, err := ReadExamples(context.Background(), filepath.Join(dir, tt.name)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %s: got %v", tt.name, tt.why, err)
		}
	}
	if _, err := ReadExamples(context.Background(), filepath.Join(dir, "gone.jsonl")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestFaire(t *testing.T) {
	ctx := context.Background()
	docs, err := ReadDocuments(ctx, faire+"documents.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	pickled, err := ReadDocuments(ctx, faire+"faire.pkl")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(docs, pickled); diff != "" {
		t.Errorf("the pickle is not the JSONL (-jsonl +pickle):\n%s", diff)
	}
	if len(docs) != 1758 {
		t.Errorf("got %d documents, want 1758", len(docs))
	}
	keys := map[string]bool{}
	for _, d := range docs {
		keys[d.Key()] = true
		built := Document{Content: d.Content, Metadata: d.Metadata}
		if built.Text() != d.Formatted {
			t.Fatalf("the text built from metadata is %q, the file has %q", built.Text(), d.Formatted)
		}
	}
	if len(keys) != 1757 { // one passage is there twice
		t.Errorf("got %d keys, want 1757", len(keys))
	}

	splits := map[string][]Example{}
	for _, s := range []struct {
		name string
		rows int
		bad  string
	}{
		{"train", 574, "train_w_qa.jsonl:495: an empty question; expected text; fill it in, or remove the row"},
		{"eval", 73, ""},
		{"test", 75, ""},
	} {
		rows, err := ReadExamples(ctx, faire+s.name+"_w_qa.jsonl")
		if s.bad == "" && err != nil || s.bad != "" && (err == nil || err.Error() != faire+s.bad) {
			t.Errorf("%s: got error %v, want %q", s.name, err, s.bad)
		}
		if len(rows) != s.rows {
			t.Errorf("%s: got %d rows, want %d", s.name, len(rows), s.rows)
		}
		for _, r := range rows {
			if len(r.GoldDocs) != 1 || len(r.HardNegDocs) != 2 || !keys[r.GoldDocs[0].Key()] {
				t.Fatalf("%s: the row %q has %d gold and %d hard negative passages", s.name, r.Question, len(r.GoldDocs), len(r.HardNegDocs))
			}
		}
		splits[s.name] = rows
	}
	for _, s := range []struct {
		name string
		want []string
	}{
		{"eval", []string{"How can I limit who can purchase my preorders?"}},
		{"test", []string{"How can I apply for an EORI number?"}},
	} {
		var got []string
		for _, o := range Overlap(splits["train"], splits[s.name]) {
			got = append(got, o.Question)
			if o.SameAnswer {
				t.Errorf("the answer to %q is the same in train and %s", o.Question, s.name)
			}
		}
		if diff := cmp.Diff(s.want, got); diff != "" {
			t.Errorf("train and %s share (-want +got):\n%s", s.name, diff)
		}
	}
}

func TestNoHistory(t *testing.T) {
	data := `{"question":"q","gold_docs":[],"gold_answer":"a","chat_history":""}` + "\n" + `{"question":"q","gold_docs":[],"gold_answer":"a","chat_history":null}`
	rows, err := readExamples(context.Background(), "x.jsonl", strings.NewReader(data))
	if err != nil || len(rows) != 2 || rows[0].History != nil || rows[1].History != nil {
		t.Errorf("%+v, %v; two rows without a history expected: LocalRQA's scripts write it as empty text, others as null", rows, err)
	}
}

func TestReadTurns(t *testing.T) {
	for _, test := range []struct {
		name, why, data string
		turns           int
		problems        []string
	}{
		{"turns", "as in the data", `[{"speaker": "USER", "message": "m", "source_documents": []}, {"speaker": "ASSISTANT", "message": ""}]` + "\n", 2, nil},
		{"none", "a question without a history", "[]", 0, nil},
		{"one turn", "not in an array", `{"speaker": "USER", "message": "m"}`, 0, []string{"turns.json: an object; expected a JSON array of turns"}},
		{"parts", "all problems together", `[{"speaker": "", "message": "m"}, 5, {"speaker": "s"}]`, 0, []string{"chat_history[1] is", "chat_history[0].speaker", "chat_history[2].message"}},
		{"cut off", "a copy that stopped", `[{"speaker"`, 0, []string{"turns.json: no JSON; expected a JSON array of turns"}},
		{"empty", "an empty file", "", 0, []string{"no JSON"}},
		{"bytes", "not text", "[\xff]", 0, []string{"broken UTF-8 at byte 2"}},
		{"half", "would be replaced silently", `[{"speaker": "s", "message": "\ud800"}]`, 0, []string{"half of a surrogate pair"}},
	} {
		turns, err := readTurns("turns.json", []byte(test.data))
		if len(turns) != test.turns || (err == nil) != (test.problems == nil) {
			t.Errorf("%s: %d turns, %v; %s", test.name, len(turns), err, test.why)
		}
		for _, want := range test.problems {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; %q expected", test.name, err, want)
			}
		}
	}
	if _, err := ReadTurns("none.json"); err == nil {
		t.Error("no file, no error")
	}
}

func FuzzReadTurns(f *testing.F) {
	f.Add([]byte(`[{"speaker": "s", "message": "m", "source_documents": [{"page_content": "p"}]}]`))
	f.Add([]byte(`[null, 1, {"speaker": [], "message": "\ud800"}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if turns, err := readTurns("x.json", data); err != nil && turns != nil {
			t.Fatal("turns beside an error")
		}
	})
}

func FuzzReadExamples(f *testing.F) {
	f.Add(`{"question":"q","gold_docs":[{"page_content":"p","fmt_content":"f","metadata":{"source":"s","n":1e3}}],"gold_answer":"a","chat_history":[{"speaker":"s","message":"m","source_documents":[]}],"hard_neg_docs":[]}` + "\n{}\n[")
	f.Add("\xef\xbb\xbf{\"question\":\"\\ud800\"}\r\n\xff")
	f.Add(`{"question":null,"gold_docs":[[],{},null],"gold_answer":{"a":[[[[1]]]]}}`)
	f.Fuzz(func(t *testing.T, data string) {
		rows, err := readExamples(context.Background(), "x.jsonl", strings.NewReader(data))
		if len(rows) == 0 {
			if err == nil {
				t.Fatal("neither rows nor an error")
			}
			return
		}
		var b strings.Builder
		if err := WriteExamples(&b, rows); err != nil {
			t.Fatal(err)
		}
		again, err := readExamples(context.Background(), "x.jsonl", strings.NewReader(b.String()))
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, b.String())
		}
		var b2 strings.Builder
		if err := WriteExamples(&b2, again); err != nil || b2.String() != b.String() {
			t.Fatalf("a second round differs: %v\n%s\n%s", err, b.String(), b2.String())
		}
	})
}

func TestRowsInThePlaceOfDocumentsAreToldOnce(t *testing.T) {
	rows := `{"question":"q","gold_docs":[],"gold_answer":"a"}` + "\n"
	_, err := readDocuments(t.Context(), "x.jsonl", strings.NewReader(rows+rows))
	if err == nil || !strings.HasPrefix(err.Error(), "x.jsonl:1: a row (question); expected a document") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}
