package recipe

import (
	"errors"

	"gorqa/batch"
	"gorqa/text/dataset"
)

// FiD renders rows for Fusion-in-Decoder: every passage alone, with history
// and question beside it, and the answer apart from them.
type FiD struct {
	Encoder   *Encoder // its MaxTokens are of one passage, the end token included
	MaxAnswer int      // tokens of an answer, the end token included
	End       int32    // ends every passage and every answer
}

// Passages gives the tokens of each of a row's passages. One that is too long
// loses text from its end; history and question are never cut. A row without
// passages has one of the question alone.
func (f *FiD) Passages(question string, history []dataset.Turn, passages []dataset.Document) ([][]int32, error) {
	alone := [][]dataset.Document{nil}
	if len(passages) > 0 {
		alone = alone[:0]
		for _, p := range passages {
			alone = append(alone, []dataset.Document{p})
		}
	}
	var out [][]int32
	for _, p := range alone {
		row, err := f.Encoder.Prompt(Input(question, history, p), true, f.Encoder.MaxTokens-1)
		if err != nil {
			var long *TooLong
			if errors.As(err, &long) {
				long.Tokens, long.Limit, long.Setting = long.Tokens+1, f.Encoder.MaxTokens, "max_encoder_seq_length"
			}
			return nil, err
		}
		out = append(out, f.Ended(row.Tokens))
	}
	return out, nil
}

// Fits says which questions leave no room for passages, an [*Overflow].
func (f *FiD) Fits(examples []dataset.Example) error {
	return Fitting(len(examples), func(i int) error {
		_, err := f.Passages(examples[i].Question, examples[i].History, nil)
		return err
	})
}

// Ended closes tokens with the end token, which some tokenizers have put there.
func (f *FiD) Ended(ids []int32) []int32 {
	if n := len(ids); n > 0 && ids[n-1] == f.End {
		return ids
	}
	return append(ids, f.End)
}

// Row gives the tokens of an example in its context. The answer is never cut.
func (f *FiD) Row(x dataset.Example, c Context) (batch.FiDRow, error) {
	answer := f.Ended(f.Encoder.Tokenizer.Encode(c.Target(x), false))
	if len(answer) > f.MaxAnswer {
		return batch.FiDRow{}, &TooLong{Tokens: len(answer), Limit: f.MaxAnswer, Of: "of the answer", Setting: "max_decoder_seq_length"}
	}
	if err := f.Encoder.check(answer); err != nil {
		return batch.FiDRow{}, err
	}
	passages, err := f.Passages(x.Question, x.History, c.documents())
	return batch.FiDRow{Passages: passages, Answer: answer, Index: c.Row}, err
}

// Rows encodes examples as Encoder.Rows does.
func (f *FiD) Rows(examples []dataset.Example, contexts []Context) ([]batch.FiDRow, error) {
	return rows(examples, contexts, f.Row)
}
