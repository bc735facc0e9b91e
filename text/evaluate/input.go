package evaluate

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"gorqa/files/modelfile"
)

// ReadPredictions reads a file of WritePredictions, or one that LocalRQA's evaluation
// wrote; what is wrong in it is reported at the first line that has it.
func ReadPredictions(path string) ([]Prediction, error) {
	f, _, err := modelfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading predictions: %w", err)
	}
	defer f.Close()
	return readPredictions(path, f)
}

func readPredictions(name string, r io.Reader) ([]Prediction, error) {
	var predictions []Prediction
	words := passageWords{}
	d := json.NewDecoder(bufio.NewReader(r))
	for row := 1; ; row++ {
		var p struct {
			Prediction
			Answer *string `json:"generated_answer"`
		}
		var text json.RawMessage
		err := d.Decode(&text)
		if err == io.EOF {
			break
		}
		if err == nil {
			in := json.NewDecoder(bytes.NewReader(text))
			in.UseNumber()
			err = modelfile.JSONError(text, in.Decode(&p))
		}
		if p.Answer != nil {
			p.GeneratedAnswer = *p.Answer
		}
		foreign := p.Context == "" && p.Scores == nil
		switch {
		case err != nil:
		case p.Question == "" || foreign && p.Answer == nil:
			err = errors.New("no question or generated_answer")
		case foreign:
			p.complete(row-1, words)
		case p.Context == "" || p.Scores == nil:
			err = errors.New("no context or scores")
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w; expected a prediction that gorqa or LocalRQA's evaluation of answers wrote; evaluate the model again", name, row, err)
		}
		predictions = append(predictions, p.Prediction)
	}
	if len(predictions) == 0 {
		return nil, fmt.Errorf("%s: no predictions; expected one a line; evaluate the model again", name)
	}
	return predictions, nil
}

// complete gives a row of LocalRQA's file what only gorqa writes: its place, its context,
// which is always what was retrieved, the passages' keys and the scores. Such rows have
// no history, although it was answered with.
func (p *Prediction) complete(row int, words passageWords) {
	p.Row, p.Context, p.Scores = row, Retrieved, Scores{}
	for _, docs := range [][]Passage{p.GoldDocs, p.RetrievedDocs} {
		for i := range docs {
			docs[i].ID = docs[i].Key()
		}
	}
	p.scoreRetrieval(words)
	p.scoreAnswer(documents(p.RetrievedDocs), words)
}
