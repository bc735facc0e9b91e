package qa

import (
	"context"
	"errors"
	"strings"

	"gorqa/batch"
	"gorqa/tensor/generate"
	"gorqa/text/evaluate"
	"gorqa/text/recipe"
)

// Stream answers questions that come and go, as they are written. It is not safe for
// concurrent use, and its model answers nothing else meanwhile.
type Stream interface {
	// Ask lets a question wait for its turn, and gives the tokens of its prompt.
	Ask(q evaluate.Query, o GenerationOptions, said func(Said) (goOn bool)) (promptTokens int, err error)
	// Continue does the same with a text that is not a question.
	Continue(text string, o GenerationOptions, said func(Said) (goOn bool)) (promptTokens int, err error)
	// Step takes every answer further.
	Step(ctx context.Context) error
	// Len is how many have not ended, those that wait among them.
	Len() int
	Close() error
}

// Said is an answer so far.
type Said struct {
	Text   string // all of it; of one that has not ended, what no later token changes
	Tokens int
	Ended  bool
	Cut    bool      // it ended because it was as long as it may be
	Shares []float64 // of an ended one, as evaluate.Answer has them
	// LogProbs are of each of the Tokens, where they are asked for.
	LogProbs []LogProbs
}

// decoderStream is a decoder's.
type decoderStream struct {
	*decoder
	batch *generate.Batch
	asked int // numbers the questions, for their random numbers
}

// Stream answers so many questions at a time.
func (d *decoder) Stream(size int) (Stream, error) {
	b, err := d.generator.NewBatch(size)
	if err != nil {
		return nil, err
	}
	b.Eager = true
	return &decoderStream{decoder: d, batch: b}, nil
}

func (s *decoderStream) Step(ctx context.Context) error { return s.batch.Step(ctx) }
func (s *decoderStream) Len() int                       { return s.batch.Len() }
func (s *decoderStream) Close() error                   { return s.batch.Free() }

func (s *decoderStream) Ask(q evaluate.Query, o GenerationOptions, said func(Said) bool) (int, error) {
	row, err := s.ask.prompt(q, o.MaxNewTokens)
	if err != nil {
		return 0, err
	}
	return len(row.Tokens), s.add(row, o, said)
}

func (s *decoderStream) Continue(text string, o GenerationOptions, said func(Said) bool) (int, error) {
	ids := s.Encoder.Tokenizer.Encode(text, true)
	if err := s.Encoder.Tokenizer.Err(); err != nil {
		return 0, err
	}
	if most := s.Encoder.MaxTokens; len(ids)+o.MaxNewTokens > most {
		return 0, &recipe.TooLong{Tokens: len(ids), Limit: most - o.MaxNewTokens, Of: "of the prompt", Setting: roomForAnswer}
	}
	return len(ids), s.add(batch.Row{Tokens: ids}, o, said)
}

func (s *decoderStream) add(row batch.Row, o GenerationOptions, said func(Said) bool) error {
	opt, err := s.options(o)
	if err != nil {
		return err
	}
	number := s.asked
	s.asked++
	var probabilities []LogProbs
	var logits func(int32, []float32)
	if o.LogProbs {
		before := row.Tokens[len(row.Tokens)-1]
		logits = func(token int32, logits []float32) {
			probabilities = append(probabilities, logProbs(s.Encoder.Tokenizer, before, token, logits, o.TopLogProbs))
			before = token
		}
	}
	return s.batch.Add(generate.Request{Prompt: row.Tokens, Blocks: row.Blocks, Options: opt, Stream: number, Logits: logits, Took: func(answer []int32, ended bool) bool {
		text := s.spoken(answer, opt)
		if !ended {
			text = s.settled(text)
		}
		return said(Said{
			Text: text, Tokens: len(answer), Ended: ended, Cut: ended && len(answer) == opt.MaxNewTokens,
			LogProbs: probabilities[:min(len(answer), len(probabilities))],
		})
	}})
}

// settled is what of an answer's text no later token changes: without half a
// character, what may be the beginning of a text that ends it, and white space.
func (s *decoderStream) settled(text string) string {
	text = strings.TrimRight(text, "\uFFFD")
	for _, stop := range s.Encoder.Template.Stops() {
		text = WithoutPart(text, stop)
	}
	return strings.TrimSpace(text)
}

// fidStream is an encoder-decoder's, whose answers come whole, one after the other.
type fidStream struct {
	*fid
	waiting []func(ctx context.Context) error
}

// Stream answers one question at a time.
func (f *fid) Stream(int) (Stream, error) { return &fidStream{fid: f}, nil }

func (s *fidStream) Len() int     { return len(s.waiting) }
func (s *fidStream) Close() error { return nil }

func (s *fidStream) Step(ctx context.Context) error {
	if len(s.waiting) == 0 {
		return nil
	}
	next := s.waiting[0]
	s.waiting = s.waiting[1:]
	return next(ctx)
}

func (s *fidStream) Ask(q evaluate.Query, o GenerationOptions, said func(Said) bool) (int, error) {
	passages, err := s.ask.text.Passages(q.Question, q.History, q.Passages)
	if err != nil {
		return 0, err
	}
	if o.LogProbs {
		return 0, errors.New("logprobs: found with an encoder-decoder, which gives none; leave it out")
	}
	tokens := 0
	for _, p := range passages {
		tokens += len(p)
	}
	before := s.beams
	err = s.UseGeneration(o)
	s.beams = before
	if err != nil {
		return 0, err
	}
	s.waiting = append(s.waiting, func(ctx context.Context) error {
		if !said(Said{}) { // nobody waits for it any more
			return nil
		}
		if err := s.UseGeneration(o); err != nil {
			return err
		}
		answers, err := s.Generate(ctx, []evaluate.Query{q})
		s.beams = before
		if err != nil {
			return err
		}
		written := len(s.Encoder.Tokenizer.Encode(answers[0].Text, false))
		said(Said{Text: answers[0].Text, Tokens: written, Ended: true, Cut: written >= o.MaxNewTokens, Shares: answers[0].Shares})
		return s.Encoder.Tokenizer.Err()
	})
	return tokens, nil
}

func (s *fidStream) Continue(string, GenerationOptions, func(Said) bool) (int, error) {
	return 0, errors.New("completions: found with an encoder-decoder, which answers questions from passages; use /v1/chat/completions")
}
