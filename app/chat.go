package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/term"

	"gorqa/report"
	"gorqa/text/dataset"
	"gorqa/text/recipe"
)

// chatHelp is what /help says.
const chatHelp = `  /sources    the passages of the last answer
  /source 2   the text of the second one
  /new        forget the turns so far
  /quit       end, as Ctrl-D does
Ctrl-C stops an answer. A question follows on the ones before it.
`

// chat is a conversation on a terminal.
type chat struct {
	*answerer
	keys  *keyboard
	show  *term.Terminal
	begin []dataset.Turn // that each conversation begins with
	turns []dataset.Turn
	last  *answer
}

// chat asks for questions until the input or the context ends.
func (x *answerer) chat(ctx context.Context, in, out *os.File, history []dataset.Turn) (err error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, term.Restore(int(in.Fd()), before)) }()
	keys := newKeyboard(in, ctx.Done())
	c := &chat{answerer: x, keys: keys, begin: history, turns: history}
	c.show = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{keys, out}, "> ")
	if err := c.say("Ask about the documents. /help tells what else there is, /quit ends.\n"); err != nil {
		return err
	}
	for {
		if width, height, err := term.GetSize(int(out.Fd())); err == nil && width > 0 && height > 0 {
			if err := c.show.SetSize(width, height); err != nil {
				return err
			}
		}
		typed, err := c.show.ReadLine()
		if err := ctx.Err(); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return c.say("\n")
		}
		if err != nil {
			return err
		}
		if over, err := c.take(ctx, strings.TrimSpace(typed)); over || err != nil {
			return err
		}
	}
}

func (c *chat) say(text string) error {
	_, err := io.WriteString(c.show, text)
	return err
}

// take does what a line says.
func (c *chat) take(ctx context.Context, typed string) (over bool, err error) {
	word, rest, _ := strings.Cut(typed, " ")
	switch word {
	case "":
		return false, nil
	case "/quit", "/exit":
		return true, nil
	case "/help":
		return false, c.say(chatHelp)
	case "/new":
		c.turns, c.last = c.begin, nil
		return false, c.say("A new conversation.\n")
	case "/sources", "/source":
		return false, c.say(c.sources(strings.TrimSpace(rest)))
	}
	if strings.HasPrefix(word, "/") && strings.Count(word, "/") == 1 {
		return false, c.say(report.Clean(word) + " is no command; /help lists them.\n")
	}
	return false, c.ask(ctx, typed)
}

// sources are the passages of the last answer, or one with its text.
func (c *chat) sources(which string) string {
	switch {
	case c.last == nil:
		return "There is no answer yet.\n"
	case len(c.last.Citations) == 0:
		return "Nothing was found.\n"
	case which == "":
		return c.last.sources()
	}
	n, err := strconv.Atoi(which)
	if err != nil || n < 1 || n > len(c.last.Citations) {
		return fmt.Sprintf("%s: 1 to %d expected, as in /source 1.\n", report.Clean(which), len(c.last.Citations))
	}
	return report.Clean(c.last.Citations[n-1].Text) + "\n"
}

// ask answers a question that follows on the turns so far, of which the first are
// forgotten where they leave it no room.
func (c *chat) ask(ctx context.Context, question string) error {
	answering, stop := context.WithCancel(ctx)
	defer stop()
	c.keys.during(stop)
	defer c.keys.during(nil)
	told := &growing{out: c.show}
	a, err := c.answer(answering, question, c.turns, told.take)
	for long := new(recipe.TooLong); errors.As(err, &long) && len(c.turns) > 1; a, err = c.answer(answering, question, c.turns, told.take) {
		c.turns = c.turns[2:]
		if err := c.say("(The first turns are left out: there is no room for them.)\n"); err != nil {
			return err
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.Canceled):
		return c.say("\n(Stopped.)\n")
	case errors.As(err, new(*recipe.TooLong)): // the next one may be shorter
		return c.say(report.Clean(err.Error()) + "\n")
	case err != nil:
		return err
	}
	if c.last = a; a.Answered {
		c.turns = append(c.turns[:len(c.turns):len(c.turns)], dataset.Turn{Speaker: "user", Message: question}, dataset.Turn{Speaker: "assistant", Message: a.Answer})
	}
	return c.say(a.rest())
}

// keyboard reads the keys of a terminal ahead, so that Ctrl-C stops an answer while it
// is written.
type keyboard struct {
	typed chan byte
	done  <-chan struct{}
	mu    sync.Mutex
	stop  func() // what is under way; nil where nothing is
}

const ctrlC = 3

func newKeyboard(in io.Reader, done <-chan struct{}) *keyboard {
	k := &keyboard{typed: make(chan byte, 1<<12), done: done}
	go k.read(in)
	return k
}

// read takes keys until there are no more.
func (k *keyboard) read(in io.Reader) {
	defer close(k.typed)
	buffer := make([]byte, 256)
	for {
		n, err := in.Read(buffer)
		for _, key := range buffer[:n] {
			if key == ctrlC && k.interrupt() {
				continue
			}
			select {
			case k.typed <- key:
			case <-k.done:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// during says what Ctrl-C stops.
func (k *keyboard) during(stop func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stop = stop
}

// interrupt stops what is under way, if anything is.
func (k *keyboard) interrupt() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stop == nil {
		return false
	}
	k.stop()
	return true
}

// Read gives the next key.
func (k *keyboard) Read(p []byte) (int, error) {
	select {
	case key, ok := <-k.typed:
		if !ok {
			return 0, io.EOF
		}
		p[0] = key
		return 1, nil
	case <-k.done:
		return 0, io.EOF
	}
}
