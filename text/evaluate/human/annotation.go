package human

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"gorqa/files/modelfile"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
)

// Annotation is what one rater said of one item at one time: a line of the file. Its
// fields are those of LocalRQA's annotations (session, annotation, metadata), with what
// that has no room for beside them: other, and most of the metadata.
type Annotation struct {
	Session  Session        `json:"session"`
	Other    *Session       `json:"other,omitempty"` // of a pair, the second run's
	Judged   map[string]any `json:"annotation"`      // by scale 1, 2 and so on; of a pair by Preference
	Metadata Metadata       `json:"metadata"`
}

// Session is a dialogue that ends with the answer, as LocalRQA writes it.
type Session struct {
	Dialogue struct {
		History []dataset.Turn `json:"history"`
	} `json:"_session"`
	Data struct {
		GoldAnswer string `json:"gold_answer"`
	} `json:"_tmp_data"`
}

// Metadata is where an item comes from and who said what when.
type Metadata struct {
	File      string           `json:"file"`
	OtherFile string           `json:"other_file,omitempty"`
	Row       int              `json:"row"`
	Context   evaluate.Context `json:"context"`
	Rater     string           `json:"rater"`
	Time      time.Time        `json:"time"`
	Comment   string           `json:"comment,omitempty"`
	Left      string           `json:"left,omitempty"` // of a pair: which stood on the left, First or Second
}

// What a preference says: of the first run's answer and the second's, which is better.
const (
	First  = "first"
	Tie    = "tie"
	Second = "second"
)

// The speakers of a session's last two turns.
const (
	asker    = "user"
	answerer = "assistant"
)

func newSession(p evaluate.Prediction) (s Session) {
	for _, t := range p.History {
		s.Dialogue.History = append(s.Dialogue.History, dataset.Turn{Speaker: t.Speaker, Message: t.Message})
	}
	s.Dialogue.History = append(s.Dialogue.History, dataset.Turn{Speaker: asker, Message: p.Question}, dataset.Turn{Speaker: answerer, Message: p.GeneratedAnswer})
	s.Data.GoldAnswer = p.GoldAnswer
	return s
}

// key tells answers apart: by the turns before them, their words and their context.
func (s Session) key(context evaluate.Context) string {
	parts := []string{string(context)}
	for _, t := range s.Dialogue.History {
		parts = append(parts, t.Speaker, t.Message)
	}
	return fmt.Sprintf("%q", parts)
}

// key is that of the item which the annotation is about.
func (a Annotation) key() string {
	if a.Other == nil {
		return a.Session.key(a.Metadata.Context)
	}
	return a.Session.key(a.Metadata.Context) + a.Other.key(a.Metadata.Context)
}

// Value is the number of a judgement: its place on the scale, or of a preference -1 for
// the first run, 0 for a tie and 1 for the second.
func (a Annotation) Value(scale string) (value float64, ok bool) {
	switch v := a.Judged[scale].(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case string:
		value, ok = map[string]float64{First: -1, Tie: 0, Second: 1}[v]
	}
	return value, ok
}

// Read reads the annotations of a file, none where it is not there. A last line that a
// kill cut off is left out.
func Read(path string) ([]Annotation, error) {
	f, _, err := modelfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading annotations: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	return parse(path, text)
}

func parse(name string, text []byte) (all []Annotation, err error) {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var a Annotation
		err := modelfile.JSONPart(line, &a)
		if err == nil && (a.Metadata.Rater == "" || a.Metadata.Context == "" || len(a.Session.Dialogue.History) < 2) {
			err = errors.New("no session, rater or context")
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w; an annotation of gorqa review expected", name, number, err)
		}
		all = append(all, a)
	}
	return all, nil
}
