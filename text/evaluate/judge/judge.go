// Package judge asks a language model behind an OpenAI-compatible endpoint
// whether answers are right, and keeps what it said: the same answer is judged
// once. It must not know how answers came about, nor the command line.
package judge

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/openai/openai-go/v3"
	"golang.org/x/sync/errgroup"

	"gorqa/files/endpoint"
	"gorqa/files/modelfile"
	"gorqa/text/dataset"
	"gorqa/text/evaluate"
)

//go:embed system.txt
var systemText string

// Options are the settings of New.
type Options struct {
	endpoint.Options
	Model       string // as the endpoint calls it
	CacheDir    string // where verdicts are kept, a file each; "" keeps none
	Concurrency int    // requests under way at a time

	// Progress, if not nil, is told how many answers of a call of Judge are done.
	// Calls come one after the other.
	Progress func(done, total int)
}

// DefaultOptions asks a model of the default endpoint, four questions at a time,
// and keeps nothing.
func DefaultOptions(model string) Options {
	return Options{Options: endpoint.Default(), Model: model, Concurrency: 4}
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
	if o.Key == "" && strings.Contains(o.BaseURL, "api.openai.com") {
		bad("no key for %s; expected one; set OPENAI_API_KEY, or OPENAI_BASE_URL to an endpoint that wants none", o.Address())
	}
	if o.Concurrency < 1 {
		bad("Concurrency is %d; expected at least 1", o.Concurrency)
	}
	return errors.Join(errs...)
}

// Judge is an [evaluate.Judge].
type Judge struct {
	opt     Options
	service openai.ChatCompletionService
}

// New makes a judge and the folder of its verdicts; nothing is sent yet.
func New(opt Options) (*Judge, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if opt.CacheDir != "" {
		if err := os.MkdirAll(opt.CacheDir, 0o777); err != nil {
			return nil, fmt.Errorf("judge: the folder of verdicts: %w", err)
		}
	}
	return &Judge{opt: opt, service: openai.NewChatCompletionService(opt.Request()...)}, nil
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

// kept is the file of a verdict, named by the hash of its request.
type kept struct {
	Request request `json:"request"`
	Reply   string  `json:"reply"`
}

// request is all that a verdict depends on.
type request struct {
	Model  string `json:"model"`
	System string `json:"system"`
	User   string `json:"user"`
}

func (j *Judge) judge(ctx context.Context, a evaluate.Answered) (evaluate.Verdict, error) {
	r := request{Model: j.opt.Model, System: strings.TrimSpace(systemText), User: show(a)}
	path, err := j.path(r)
	if err != nil {
		return evaluate.Verdict{}, err
	}
	if v, ok := read(path, r); ok {
		return v, nil
	}
	reply, err := j.ask(ctx, r)
	if ctx.Err() != nil {
		return evaluate.Verdict{}, ctx.Err()
	}
	if err == nil {
		var v evaluate.Verdict
		if v, err = parse(reply); err == nil {
			return v, write(path, kept{Request: r, Reply: reply})
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

// ask makes the request.
func (j *Judge) ask(ctx context.Context, r request) (string, error) {
	answer, err := j.service.New(ctx, openai.ChatCompletionNewParams{
		Model:       r.Model,
		Messages:    []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(r.System), openai.UserMessage(r.User)},
		Temperature: openai.Float(0),
	})
	if err != nil {
		return "", j.opt.Explain(ctx, r.Model, err)
	}
	if answer == nil || len(answer.Choices) == 0 {
		return "", fmt.Errorf("%s, model %s: it gave no reply; expected one; check that the model answers chats", j.opt.Address(), r.Model)
	}
	return j.opt.Hide(content(answer.Choices[0].Message)), nil
}

// content is what a message says: a text, or the texts of its parts, as some servers
// write it.
func content(m openai.ChatCompletionMessage) string {
	var parts []struct{ Text string }
	if json.Unmarshal([]byte(m.JSON.Content.Raw()), &parts) != nil {
		return m.Content
	}
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
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

// path is the file of a request's verdict, "" where none is kept.
func (j *Judge) path(r request) (string, error) {
	if j.opt.CacheDir == "" {
		return "", nil
	}
	data, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("judge: %w", err)
	}
	sum := sha256.Sum256(data)
	return filepath.Join(j.opt.CacheDir, hex.EncodeToString(sum[:])+".json"), nil
}

// read finds a verdict that was kept. A file that is damaged or answers another
// request is as good as none: the judge is asked, and it is replaced.
func read(path string, r request) (evaluate.Verdict, bool) {
	if path == "" {
		return evaluate.Verdict{}, false
	}
	data, err := modelfile.Read(path, maxKept)
	if err != nil {
		return evaluate.Verdict{}, false
	}
	var k kept
	if json.Unmarshal(data, &k) != nil || k.Request != r {
		return evaluate.Verdict{}, false
	}
	v, err := parse(k.Reply)
	return v, err == nil
}

// maxKept bounds a verdict with what was asked.
const maxKept = 64 << 20

// write keeps a verdict, whole or not at all.
func write(path string, k kept) (err error) {
	if path == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("judge: keeping a verdict: %w", err)
		}
	}()
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(k); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data.Bytes())
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
