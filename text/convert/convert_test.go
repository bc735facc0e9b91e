package convert

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gorqa/text/dataset"
)

// tell writes rows as "question > answer | gold … - negative …", with the turns before.
func tell(rows []dataset.Example) []string {
	var lines []string
	for _, r := range rows {
		line := ""
		for _, t := range r.History {
			line += t.Message + " / "
		}
		line += r.Question + " > " + r.GoldAnswer
		for _, d := range r.GoldDocs {
			line += fmt.Sprintf(" | %v: %s", d.Metadata["title"], d.Content)
		}
		for _, d := range r.HardNegDocs {
			line += fmt.Sprintf(" - %v: %s", d.Metadata["title"], d.Content)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestFormats(t *testing.T) {
	squad := []string{"How long does a litre take? > three minutes | Electric kettle: The kettle boils a litre in three minutes."}
	hotpot := []string{"Is the maker of K1 older than that of K2? > yes | K1: K1 is made by A. A is old. | K2: K2 is made by B. B is young. - Tea: Tea is a drink."}
	tests := []struct {
		file, format string
		rows         []string
		documents    int
		unanswerable int
		unanswered   int
	}{
		{"squad-dev.json", SQuAD, squad, 1, 1, 0},
		{"squad-flat.jsonl", SQuAD, squad, 1, 1, 0},
		{"squad.parquet", SQuAD, squad, 1, 1, 0},
		{"nq-open.jsonl", NQ, []string{"when was the electric kettle invented > 1893"}, 0, 0, 0},
		{"nq.jsonl", NQ, []string{"when was the kettle invented > 1893 | Kettle: It was invented in 1893 by makers ."}, 1, 1, 0},
		{"triviaqa.json", TriviaQA, []string{"What boils water? > Kettle"}, 0, 0, 0},
		{"triviaqa-flat.jsonl", TriviaQA, []string{"What boils water? > Kettle"}, 1, 0, 0},
		{"hotpotqa.json", HotpotQA, hotpot, 3, 0, 0},
		{"hotpotqa-flat.jsonl", HotpotQA, hotpot, 3, 0, 0},
		{"dpr.json", DPR, []string{"who boils water > the kettle | Kettle: Water is boiled by the kettle. - Cup: A cup holds water."}, 4, 0, 0},
		{"msmarco.json", MSMARCO, []string{"how long does it boil > It boils in three minutes. | <nil>: It boils in three minutes. - <nil>: Tea."}, 3, 1, 0},
		{"msmarco-flat.jsonl", MSMARCO, []string{"how long does it boil > Three minutes | <nil>: It boils in three minutes. - <nil>: Tea."}, 2, 0, 0},
		{"beir", BEIR, []string{"how long does it boil > three minutes | Kettle: It boils in three minutes."}, 2, 0, 1},
		{"alpaca.json", Alpaca, []string{"What does the text say of the litre? > It is boiled. | <nil>: The kettle boils a litre.", "Say hello. > Hello."}, 1, 0, 0},
		{"sharegpt.json", ShareGPT, []string{"Which kettle? > K1.", "Which kettle? / K1. / Why? > It is fast."}, 0, 0, 0},
		{"messages.jsonl", Messages, []string{"Which kettle? > K1."}, 0, 0, 0},
		{"table.tsv", CSV, []string{`How "long"? > three minutes | <nil>: It boils in three minutes.`}, 1, 0, 0},
		{"table.parquet", Parquet, []string{"How long? > three minutes | <nil>: It boils in three minutes. | <nil>: Tea.", "How long? > three minutes | <nil>: It boils in three minutes. | <nil>: Tea.", "How long? > three minutes | <nil>: It boils in three minutes. | <nil>: Tea."}, 2, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			path := filepath.Join("testdata", tt.file)
			if got, err := Detect(t.Context(), path); err != nil || got != tt.format {
				t.Errorf("taken as %q, %v; %s expected", got, err, tt.format)
			}
			for _, format := range []string{Auto, tt.format} {
				s, err := Read(t.Context(), path, Options{Format: format})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.rows, tell(s.Rows)); diff != "" {
					t.Errorf("as %s (-want +got):\n%s", format, diff)
				}
				if len(s.Documents) != tt.documents || s.Unanswerable != tt.unanswerable || s.Unanswered != tt.unanswered {
					t.Errorf("%d documents, %d unanswerable, %d unanswered; %d, %d, %d expected", len(s.Documents), s.Unanswerable, s.Unanswered, tt.documents, tt.unanswerable, tt.unanswered)
				}
			}
		})
	}
}

func TestColumns(t *testing.T) {
	s, err := Read(t.Context(), "testdata/table.csv", Options{Format: CSV, Columns: map[string]string{"question": "Q", "answer": "A", "context": "Text"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"How long, then? > three\nminutes | <nil>: It boils in three minutes.", "Who? > Me"}
	if diff := cmp.Diff(want, tell(s.Rows)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.Rows[1].Line != 4 {
		t.Errorf("the second row is of line %d; 4 expected, since a cell has two", s.Rows[1].Line)
	}
}

// Unanswerable questions are left out, or have the answer that says so.
func TestUnanswerable(t *testing.T) {
	s, err := Read(t.Context(), "testdata/squad-dev.json", Options{Format: Auto, Unanswerable: "I do not know."})
	if err != nil || len(s.Rows) != 2 || s.Rows[1].GoldAnswer != "I do not know." || !s.Rows[1].Unanswerable || len(s.Rows[1].GoldDocs) != 0 || len(s.Rows[1].HardNegDocs) != 1 {
		t.Errorf("%v: %v", err, tell(s.Rows))
	}
}

func TestProblemsAreNamedByLine(t *testing.T) {
	tests := []struct {
		name, format, data string
		want               []string
	}{
		{"documents.jsonl", Auto, "{\"page_content\": \"a\"}\n", []string{"documents.jsonl:1: gorqa's own documents; expected questions", "--full_dataset_file_path", "gorqa data qa"}},
		{"documents.jsonl", SQuAD, "{\"page_content\": \"a\"}\n", []string{"gorqa's own documents"}},
		{"texts.jsonl", Auto, "{\"text\": \"a\", \"id\": 1}\n", []string{"texts.jsonl:1: texts without questions", "gorqa data docs"}},
		{"rows.jsonl", Auto, "{\"a\": 1}\n", []string{`rows.jsonl:1: fields that no format has: "a"`, "--columns question=…"}},
		{"rows.jsonl", JSON, "{\"question\": \"q\", \"answer\": \"a\"}\n\n{\"question\": \"q\"}\n{\"answer\": \"a\"}\n", []string{"rows.jsonl:3: no question or no answer", "rows.jsonl:4: no question or no answer"}},
		{"rows.jsonl", DPR, "{\"question\": \"q\"}\n{\"answers\": []}\n{}\n", []string{"rows.jsonl:2: no question", "rows.jsonl:3: no question"}},
		{"broken.json", Auto, "[{\"question\": 1},\n {\"question\" 2}]", []string{"broken.json:2: JSON that is wrong"}},
		{"cut.json", Auto, "[{\"question\": 1},\n", []string{"cut.json:2: "}},
		{"list.json", Auto, "[1]", []string{"list.json:1: 1; expected a JSON object"}},
		{"deep.json", Auto, strings.Repeat("{\"a\":[", 200) + strings.Repeat("]}", 200), []string{"deep.json:1: JSON nested too deeply"}},
		{"empty.json", Auto, " ", []string{"empty.json: no rows"}},
		{"bytes.json", Auto, "{\"a\": \"\xff\"}", []string{"bytes.json: broken UTF-8"}},
		{"chat.json", Auto, `[{"conversations": [{"from": "human", "value": "x"}, {"from": "robot", "value": "y"}]}]`, []string{`chat.json:1: a turn 2 of "robot"; expected human and gpt`}},
		{"tool.json", Auto, `[{"messages": [{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}]}]`, []string{`a turn 2 of "tool"; expected turns of a user and an assistant alone`}},
		{"squad.json", SQuAD, `{"data": [{"title": "t", "paragraphs": [{"context": "c", "qas": [{"answers": []}]}]}]}`, []string{"squad.json:1: data[0].paragraphs[0].qas[0]: no question"}},
		{"cells.csv", Auto, "question,answer\na,b\nc\nd,e,f\n", []string{"cells.csv:3: a row that cannot be read", "cells.csv:4: a row"}},
		{"quote.csv", Auto, "question,answer\n\"a,b\n", []string{"quote.csv:2: a row that cannot be read"}},
		{"no.parquet", Auto, "PAR1", []string{"no.parquet: a Parquet file that cannot be read"}},
		{"own.jsonl", Auto, `{"question": "q", "gold_answer": "a", "gold_docs": []}`, []string{"own.jsonl:1: gorqa's own rows"}},
	}
	for _, tt := range tests {
		t.Run(tt.name+" as "+tt.format, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tt.name)
			if err := os.WriteFile(path, []byte(tt.data), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Read(t.Context(), path, Options{Format: tt.format})
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v; %q expected", err, want)
				}
			}
		})
	}
	if _, err := Read(t.Context(), "testdata/table.csv", Options{Format: CSV, Columns: map[string]string{"question": "X"}}); err == nil || !strings.Contains(err.Error(), `no column "X" for the question among "A", "Q", "Text"`) {
		t.Errorf("%v", err)
	}
}

// A row without a passage gets the best that holds its answer word for word.
func TestMatchGivesThePassageThatHoldsTheAnswer(t *testing.T) {
	docs := []dataset.Document{{Content: "Tea takes four minutes, a kettle boils."}, {Content: "The kettle boils in three minutes."}, {Content: "Thirty-three minutes of kettle."}}
	rows := []dataset.Example{
		{Question: "How long does the kettle boil?", GoldAnswer: "Three minutes"},
		{Question: "Does the kettle boil?", GoldAnswer: "yes"},
		{Question: "How long?", GoldAnswer: "nine minutes"},
		{Question: "Has one?", GoldAnswer: "four minutes", GoldDocs: []dataset.Document{{Content: "own"}}},
	}
	n, err := Match(t.Context(), rows, docs, func(int, int) {})
	if err != nil || n != 1 || rows[0].GoldDocs[0].Content != docs[1].Content || len(rows[1].GoldDocs)+len(rows[2].GoldDocs) != 0 || rows[3].GoldDocs[0].Content != "own" {
		t.Errorf("%d, %v: %v", n, err, tell(rows))
	}
}

func TestWrittenRowsReadBackAndStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	s, err := Read(t.Context(), "testdata/hotpotqa.json", Options{Format: Auto})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]dataset.Example{TrainFile: s.Rows}
	if err := Write(dir, rows, s.Documents, false); err != nil {
		t.Fatal(err)
	}
	back, err := dataset.ReadExamples(t.Context(), filepath.Join(dir, TrainFile))
	if err != nil || !cmp.Equal(tell(back), tell(s.Rows)) {
		t.Errorf("%v: %v", err, tell(back))
	}
	if err := Write(dir, rows, s.Documents, false); err == nil || !strings.Contains(err.Error(), "holds train_w_qa.jsonl, documents.jsonl") {
		t.Errorf("%v", err)
	}
	if err := Write(dir, map[string][]dataset.Example{TestFile: s.Rows}, nil, true); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, TrainFile)); err == nil {
		t.Error("rows of another data set stayed")
	}
}

// Any bytes are read or refused, in any format.
func FuzzRecords(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, filepath.Ext(file), "auto")
	}
	f.Fuzz(func(t *testing.T, data []byte, ext, format string) {
		if formats[format] == nil {
			format = Auto
		}
		if ext != ".parquet" && ext != ".csv" && ext != ".tsv" {
			ext = ".json"
		}
		path := filepath.Join(t.TempDir(), "f"+ext)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Read(context.Background(), path, Options{Format: format})
		if err == nil {
			for _, r := range s.Rows {
				if r.Question == "" || r.GoldAnswer == "" {
					t.Errorf("%s: an empty row: %v", format, r)
				}
			}
		}
	})
}
