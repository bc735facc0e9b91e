// Command gorqa trains the generator of a retrieval-augmented
// question-answering system and evaluates it end to end.
//
// It turns a command line into settings, calls the one function of
// app that does the work, and gives its error as an exit code: 0 for
// success, 1 for a failure, 2 for wrong usage, 3 where ask found no answer, 130 after
// Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"gorqa/app"
	"gorqa/engine/world"
	"gorqa/report"
)

// Exit codes. After a signal it is 128 and the signal's number.
const (
	success    = 0
	failure    = 1
	wrongUsage = 2
	noAnswer   = 3
	stopped    = 128
)

func main() {
	console := stderr()
	notices := &notices{out: console}
	ctx, stop := untilSignal(notices)
	code := onWorld(ctx, os.Args[1:], app.Streams{In: os.Stdin, Out: os.Stdout, Err: console}, notices)
	stop()
	os.Exit(code)
}

// onWorld does what args say together with the other processes that a launcher started, if
// one did, and returns the exit code. Rank 0 alone speaks; what another one ends with,
// it is told and says.
func onWorld(ctx context.Context, args []string, streams app.Streams, notices *notices) int {
	w, err := world.Open(world.Options{Console: streams.Err})
	if err != nil {
		fmt.Fprintf(streams.Err, "gorqa: %s\n", report.Clean(err.Error()))
		return failure
	}
	if w.Rank() > 0 {
		streams.Out, streams.Err = io.Discard, io.Discard
		notices.off.Store(true)
	}
	streams.World = w
	ctx, stop := w.Failed(ctx)
	defer stop()
	code, said := run(ctx, args, streams)
	if said != "" {
		fmt.Fprintln(streams.Err, said)
	}
	return w.Close(code, cmp.Or(strings.TrimPrefix(said, "gorqa: "), "stopped by a signal"))
}

// stderr is the standard error under another number: a write to number 2 that
// nobody reads any more ends a Go program at once, one to another number is an
// error, and the work goes on.
func stderr() *os.File {
	fd, err := unix.FcntlInt(uintptr(syscall.Stderr), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return os.Stderr
	}
	return os.NewFile(uintptr(fd), os.Stderr.Name())
}

// notices are what is said of signals, from before it is known which rank this is.
type notices struct {
	out io.Writer
	off atomic.Bool
}

func (n *notices) Write(p []byte) (int, error) {
	if n.off.Load() {
		return len(p), nil
	}
	return n.out.Write(p)
}

// bySignal is why a command was stopped.
type bySignal struct{ syscall.Signal }

func (s bySignal) Error() string { return s.String() }

// untilSignal gives a context that the first Ctrl-C, SIGTERM or SIGHUP cancels, so
// that the command stops cleanly; under nohup a SIGHUP does nothing. A second
// Ctrl-C or SIGTERM ends the program at once; a terminal that is closed may send
// several SIGHUPs, and what ends a session one of each.
func untilSignal(console io.Writer) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	watched := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		watched = append(watched, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, watched...)
	go func() {
		asked := 0
		for s := range signals {
			number := s.(syscall.Signal)
			if number != syscall.SIGHUP {
				if asked++; asked > 1 {
					os.Exit(stopped + int(number))
				}
			}
			if ctx.Err() == nil {
				fmt.Fprintln(console, "\nstopping cleanly; once more to stop at once")
				cancel(bySignal{number})
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

// run does what args say and returns the exit code, and what the user is to be told last.
func run(ctx context.Context, args []string, streams app.Streams) (code int, said string) {
	root := commands(streams)
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return success, ""
	case errors.As(err, new(usageError)):
		return wrongUsage, fmt.Sprintf("%s\nRun '%s --help' for how to use it.", report.Clean(err.Error()), cmd.CommandPath())
	}
	var gone *world.Failure
	if errors.As(context.Cause(ctx), &gone) || errors.As(err, &gone) {
		return gone.Code, "gorqa: " + report.Clean(gone.Error())
	}
	said = "gorqa: " + report.Clean(err.Error())
	if ctx.Err() == nil {
		if errors.As(err, new(app.NoAnswer)) {
			return noAnswer, said
		}
		return failure, said
	}
	switch { // a longer one says how to go on
	case err.Error() == context.Canceled.Error():
		said = ""
	case strings.HasSuffix(said, ": "+context.Canceled.Error()):
		said = "gorqa: stopped; start the same command again"
	}
	var by bySignal
	errors.As(context.Cause(ctx), &by)
	return stopped + int(by.Signal), said
}
