package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// TestServeUnderLoad: 64 clients for as long as GORQA_TEST_LOAD says (such as 5m), one
// request in ten given up by its client, get no error and no wrong answer, and the
// server's memory stays where it is.
func TestServeUnderLoad(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv("GORQA_TEST_LOAD"))
	if err != nil {
		t.Skip("GORQA_TEST_LOAD=5m runs it")
	}
	dir, common := toServe(t)
	questions := questionsOf(t, dir)
	want := asked(t, questions, common)
	s := startServer(t, append(common, "--served_model_name", "small")...)
	l := &load{t: t, questions: questions, want: want, client: openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey("none"), option.WithMaxRetries(0))}

	const parts, warm = 6, 2 // what is made once, of every size that comes up, is there after the warm ones
	began := time.Now()
	var before, after int
	for i := range parts {
		l.run(span / parts)
		after = residentKB(t, s.cmd.Process.Pid)
		fmt.Printf("memory after %.0f s: %d MB\n", time.Since(began).Seconds(), after>>10)
		if i+1 == warm {
			before = after
		}
	}
	fmt.Printf("%d answers in %.0f s, %d given up, %d wrong or failed; memory %+.1f %% since the warm-up\n",
		l.answered.Load(), time.Since(began).Seconds(), l.dropped.Load(), l.failed.Load(), 100*float64(after-before)/float64(before))
	if l.failed.Load() > 0 || after > before+before/20 {
		t.Errorf("expected no failure, and at most 5 %% more memory")
	}
}

// load is 64 clients.
type load struct {
	t                         *testing.T
	client                    openai.Client
	questions, want           []string
	answered, dropped, failed atomic.Int64
}

func (l *load) run(span time.Duration) {
	end := time.Now().Add(span)
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			for time.Now().Before(end) {
				l.ask(rand.IntN(len(l.questions)), rand.IntN(10) == 0, rand.IntN(2) == 0)
			}
		})
	}
	wait.Wait()
}

// ask asks a question, as a stream or not, and perhaps goes before the answer is there.
func (l *load) ask(i int, leaves, streams bool) {
	ctx, cancel := context.WithCancel(l.t.Context())
	defer cancel()
	if leaves {
		time.AfterFunc(time.Duration(rand.IntN(2000))*time.Millisecond, cancel)
	}
	params := openai.ChatCompletionNewParams{Model: "small", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(l.questions[i])}}
	var got string
	var err error
	if streams {
		stream := l.client.Chat.Completions.NewStreaming(ctx, params)
		for stream.Next() {
			if c := stream.Current().Choices; len(c) > 0 {
				got += c[0].Delta.Content
			}
		}
		err = stream.Err()
	} else if a, e := l.client.Chat.Completions.New(ctx, params); e != nil {
		err = e
	} else {
		got = a.Choices[0].Message.Content
	}
	switch {
	case ctx.Err() != nil:
		l.dropped.Add(1)
	case err != nil || got != l.want[i]:
		if l.failed.Add(1) < 10 {
			l.t.Errorf("%s: %q, %v; expected %q", l.questions[i], got, err, l.want[i])
		}
	default:
		l.answered.Add(1)
	}
}

// residentKB is the memory that a process holds.
func residentKB(t *testing.T, pid int) (kb int) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "VmRSS:")
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatal(err)
	}
	return kb
}
