package questions

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"gorqa/files/endpoint/chatmodel"
	"gorqa/files/replies"
	"gorqa/text/dataset"
)

// Request is what a Writer is asked for: a Task with passages, or, where Begin is
// set, a text to continue to the end of its line.
type Request struct {
	System   string             `json:"system,omitempty"`
	Passages []dataset.Document `json:"passages,omitempty"`
	Task     string             `json:"task,omitempty"`
	Begin    string             `json:"begin,omitempty"`
}

// Reply is what a Writer wrote. Err is what went wrong with this request alone.
type Reply struct {
	Text                 string `json:"text"`
	PromptTokens, Tokens int
	Err                  error `json:"-"`
	Kept                 bool  `json:"-"` // from an earlier run
}

// Writer writes text: a language model, wherever it runs.
type Writer interface {
	// Name identifies the model and every setting that its replies depend on.
	Name() string
	// Write hands the reply to each request to took, one after the other, as they come.
	// An error, of took as well, ends it.
	Write(ctx context.Context, requests []Request, took func(i int, r Reply) error) error
}

// endpointWriter is a chat model behind an endpoint.
type endpointWriter struct {
	opt         chatmodel.Options
	model       *chatmodel.Model
	concurrency int
}

// NewEndpoint is a writer behind an OpenAI-compatible endpoint, with so many requests
// under way at a time. The options must be valid.
func NewEndpoint(o chatmodel.Options, concurrency int) Writer {
	return &endpointWriter{o, chatmodel.New(o), concurrency}
}

func (w *endpointWriter) Name() string { return w.opt.Model + " at " + w.opt.Address() }

func (w *endpointWriter) Write(ctx context.Context, requests []Request, took func(int, Reply) error) error {
	group, until := errgroup.WithContext(ctx) // the first error
	group.SetLimit(w.concurrency)
	var mu sync.Mutex
	for i, r := range requests {
		if until.Err() != nil {
			break
		}
		group.Go(func() error {
			system, user := r.chat()
			said, err := w.model.Ask(until, system, user)
			if until.Err() != nil {
				return until.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			return took(i, Reply{Text: said.Text, PromptTokens: said.PromptTokens, Tokens: said.Tokens, Err: err})
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// chat is a request as a system's and a user's message.
func (r Request) chat() (system, user string) {
	if r.Begin != "" {
		return "Continue the text with one line, and write nothing else.", r.Begin
	}
	for _, p := range r.Passages {
		user += "Passage:\n" + p.Text() + "\n\n"
	}
	return r.System, user + r.Task
}

// Kept is a writer that keeps its replies in a folder, and writes none of those again.
func Kept(w Writer, folder replies.Folder) Writer { return &keptWriter{w, folder} }

type keptWriter struct {
	Writer
	folder replies.Folder
}

// asked is what a reply is known by.
type asked struct {
	Writer string   `json:"writer"`
	Passes []string `json:"passages,omitempty"`
	System string   `json:"system,omitempty"`
	Task   string   `json:"task,omitempty"`
	Begin  string   `json:"begin,omitempty"`
}

func (w *keptWriter) key(r Request) asked {
	a := asked{Writer: w.Name(), System: r.System, Task: r.Task, Begin: r.Begin}
	for _, p := range r.Passages {
		a.Passes = append(a.Passes, p.Text())
	}
	return a
}

func (w *keptWriter) Write(ctx context.Context, requests []Request, took func(int, Reply) error) error {
	var rest []Request
	var at []int
	for i, r := range requests {
		var reply Reply
		if !w.folder.Find(w.key(r), &reply) {
			rest, at = append(rest, r), append(at, i)
			continue
		}
		reply.Kept = true
		if err := took(i, reply); err != nil {
			return err
		}
	}
	if len(rest) == 0 {
		return ctx.Err()
	}
	return w.Writer.Write(ctx, rest, func(i int, r Reply) error {
		if r.Err == nil {
			if err := w.folder.Keep(w.key(rest[i]), r); err != nil {
				return err
			}
		}
		return took(at[i], r)
	})
}
