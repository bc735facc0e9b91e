// Package judge asks a language model behind an OpenAI-compatible endpoint
// whether answers are right, and keeps what it said: the same answer is judged
// once. It must not know how answers came about, nor the command line.
package judge

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"gorqa/files/endpoint"
	"gorqa/files/endpoint/chatmodel"
	"gorqa/files/replies"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
)

//go:embed system.txt
var systemText string

// Options are the settings of New.
type Options struct {
	chatmodel.Options
	CacheDir    string // where verdicts are kept, a file each; "" keeps none
	Concurrency int    // requests under way at a time

	// Progress, if not nil, is told how many answers of a call of Judge are done.
	// Calls come one after the other.
	Progress func(done, total int)
}

// DefaultOptions asks a model of the default endpoint, four questions at a time,
// and keeps nothing.
func DefaultOptions(model string) Options {
	return Options{Options: chatmodel.Options{Options: endpoint.Default(), Model: model}, Concurrency: 4}
}

// Validate reports every setting that cannot be used.
func (o Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("judge: "+format, args...)) }
	if o.Model == "" {
		bad("no model; expected the name of a chat model; set judge_model")
	}
	if err := o.Options.Validate(); err != nil {
		bad("%w", err)
	}
	if o.Concurrency < 1 {
		bad("Concurrency is %d; expected at least 1", o.Concurrency)
	}
	return errors.Join(errs...)
}

// Judge is an [evaluate.Judge].
type Judge struct {
	opt   Options
	model *chatmodel.Model
}

// New makes a judge and the folder of its verdicts; nothing is sent yet.
func New(opt Options) (*Judge, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if err := replies.Folder(opt.CacheDir).Make(); err != nil {
		return nil, fmt.Errorf("judge: the folder of verdicts: %w", err)
	}
	return &Judge{opt: opt, model: chatmodel.New(opt.Options)}, nil
}

// Judge asks about every answer that it has no verdict on. What goes wrong with
// one is its verdict, and is asked again the next time. An error is a cancelled
// ctx or a verdict that could not be kept.
func (j *Judge) Judge(ctx context.Context, answers []evaluate.Answered) ([]evaluate.Verdict, error) {
	verdicts := make([]evaluate.Verdict, len(answers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(j.opt.Concurrency)
	var mu sync.Mutex
	done := 0
	for i, a := range answers {
		group.Go(func() error {
			v, err := j.judge(ctx, a)
			if err != nil {
				return err
			}
			verdicts[i] = v
			mu.Lock()
			defer mu.Unlock()
			if done++; j.opt.Progress != nil {
				j.opt.Progress(done, len(answers))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return verdicts, nil
}

// request is all that a verdict depends on.
type request struct {
	Model  string `json:"model"`
	System string `json:"system"`
	User   string `json:"user"`
}

func (j *Judge) judge(ctx context.Context, a evaluate.Answered) (evaluate.Verdict, error) {
	r := request{Model: j.opt.Model, System: strings.TrimSpace(systemText), User: show(a)}
	verdicts := replies.Folder(j.opt.CacheDir)
	var reply string
	if verdicts.Find(r, &reply) {
		if v, err := parse(reply); err == nil {
			return v, nil
		}
	}
	said, err := j.model.Ask(ctx, r.System, r.User)
	if ctx.Err() != nil {
		return evaluate.Verdict{}, ctx.Err()
	}
	if err == nil {
		var v evaluate.Verdict
		if v, err = parse(said.Text); err == nil {
			return v, verdicts.Keep(r, said.Text)
		}
	}
	return evaluate.Verdict{Verdict: evaluate.Failed, Reason: err.Error()}, nil
}

// show writes out what the judge is to look at.
func show(a evaluate.Answered) string {
	var b strings.Builder
	part := func(title, text string) { fmt.Fprintf(&b, "## %s\n%s\n\n", title, strings.TrimSpace(text)) }
	if len(a.History) > 0 {
		part("Earlier turns", turns(a.History))
	}
	part("Question", a.Question)
	part("Reference answer", a.Gold)
	for i, d := range a.Passages {
		part(fmt.Sprintf("Passage %d", i+1), d.Text())
	}
	part("Answer to check", a.Answer)
	return strings.TrimSpace(b.String())
}

func turns(history []dataset.Turn) string {
	var b strings.Builder
	for _, t := range history {
		b.WriteString(t.Speaker + ": " + t.Message + "\n")
	}
	return b.String()
}

// verdict is a line that gives one: in any case, in Markdown's marks, with or
// without a full stop, as models write what they were told to.
var verdict = regexp.MustCompile("(?i)^[\\s*_`#>]*VERDICT[*_`]*:[\\s*_`]*(correct|incorrect)[\\s*_`.]*$")

// mark begins a verdict.
const mark = "VERDICT:"

// parse reads a reply, which must end as it was told to, with one verdict.
func parse(reply string) (evaluate.Verdict, error) {
	reply = strings.TrimSpace(reply)
	reason, last := "", reply
	if at := strings.LastIndexByte(reply, '\n'); at >= 0 {
		reason, last = strings.TrimSpace(reply[:at]), reply[at+1:]
	}
	found := verdict.FindStringSubmatch(last)
	if found == nil || strings.Contains(reason, mark) || slices.ContainsFunc(strings.Split(reason, "\n"), verdict.MatchString) {
		return evaluate.Verdict{}, fmt.Errorf("the reply ends in %.80q; expected one verdict, as the last line", last)
	}
	return evaluate.Verdict{Verdict: strings.ToLower(found[1]), Reason: reason}, nil
}
