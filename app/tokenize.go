package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"gorqa/config"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/tokenizer"
)

// maxTokenizeLine bounds a line of the input of Tokenize, in bytes.
const maxTokenizeLine = 64 << 20

// Tokenize reads JSON strings, one a line, and writes the JSON array of each
// one's ids; with Decode the other way. An empty line is an error, an empty
// text is "".
func Tokenize(ctx context.Context, c config.Tokenize, s Streams) (err error) {
	show, err := report.Open("", report.Options{Console: s.Err})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, show.Close()) }()
	path, err := session{hub: c.Hub, show: show}.locateModel(ctx, c.Model)
	if err != nil {
		return err
	}
	t, err := qa.LoadTokenizer(ctx, path)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(&report.CleanJSON{Out: s.Out})
	n := 0
	for input := range lines(ctx, s.In) {
		n++
		err := input.err
		if err == nil {
			err = tokenizeLine(out, t, input.line, c)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("standard input:%d: %w", n, err), out.Flush())
		}
		if input.last { // the other end of a pipe may wait for it
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
	return errors.Join(ctx.Err(), out.Flush())
}

// inputLine is a line of an input, or the error where one should be.
type inputLine struct {
	line []byte
	last bool // of those that are there by now
	err  error
}

// lines reads until the end, an error or the end of ctx, which need not wait
// for a line to come.
func lines(ctx context.Context, r io.Reader) iter.Seq[inputLine] {
	return func(yield func(inputLine) bool) {
		read := make(chan inputLine)
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			defer close(read)
			in := bufio.NewReaderSize(r, 1<<16)
			for {
				line, err := readLine(in)
				if errors.Is(err, io.EOF) {
					return
				}
				select {
				case read <- inputLine{line, in.Buffered() == 0, err}:
				case <-stop:
					return
				}
				if err != nil {
					return
				}
			}
		}()
		for {
			select {
			case <-ctx.Done():
				return
			case input, ok := <-read:
				if !ok || ctx.Err() != nil || !yield(input) {
					return
				}
			}
		}
	}
}

// readLine returns a line without its end, or io.EOF.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxTokenizeLine:
			return nil, fmt.Errorf("a line longer than %d bytes; shorter ones expected; split the text", maxTokenizeLine)
		case errors.Is(err, bufio.ErrBufferFull):
		case err == nil, errors.Is(err, io.EOF) && len(line) > 0:
			return bytes.TrimRight(line, "\r\n"), nil
		default:
			return nil, err
		}
	}
}

func tokenizeLine(out *bufio.Writer, t *tokenizer.Tokenizer, line []byte, c config.Tokenize) error {
	if !c.Decode {
		var text *string
		if err := json.Unmarshal(line, &text); err != nil || text == nil {
			return fmt.Errorf("%s found; a JSON string expected; put the text in double quotes", excerpt(line))
		}
		ids := t.Encode(*text, c.AddSpecialTokens)
		if err := t.Err(); err != nil {
			return err
		}
		out.WriteByte('[')
		for i, id := range ids {
			if i > 0 {
				out.WriteByte(',')
			}
			fmt.Fprint(out, id)
		}
		_, err := out.WriteString("]\n")
		return err
	}
	var ids []int32
	if err := json.Unmarshal(line, &ids); err != nil || ids == nil {
		return fmt.Errorf("%s found; a JSON array of ids expected, such as [1,2]", excerpt(line))
	}
	for _, id := range ids {
		if _, ok := t.Token(id); !ok {
			return fmt.Errorf("id %d found; an id of the vocabulary expected; is this the right model?", id)
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := errors.Join(enc.Encode(t.Decode(ids, c.SkipSpecialTokens)), t.Err()); err != nil {
		return err
	}
	_, err := out.Write(text.Bytes())
	return err
}

func excerpt(line []byte) string {
	if len(line) == 0 {
		return "an empty line"
	}
	if len(line) > 40 {
		return fmt.Sprintf("%.40q...", line)
	}
	return fmt.Sprintf("%q", line)
}
