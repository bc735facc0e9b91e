// Command gorqa trains the generator of a retrieval-augmented
// question-answering system and evaluates it end to end.
//
// It turns a command line into settings, calls the one function of
// app that does the work, and gives its error as an exit code: 0 for
// success, 1 for a failure, 2 for wrong usage, 3 where ask found no answer, 130 after
// Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"gorqa/app"
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
	ctx, stop := untilSignal(console)
	code := run(ctx, os.Args[1:], app.Streams{In: os.Stdin, Out: os.Stdout, Err: console})
	stop()
	os.Exit(code)
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

// run does what args say and returns the exit code.
func run(ctx context.Context, args []string, streams app.Streams) int {
	root := commands(streams)
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return success
	case errors.As(err, new(usageError)):
		fmt.Fprintf(streams.Err, "%s\nRun '%s --help' for how to use it.\n", report.Clean(err.Error()), cmd.CommandPath())
		return wrongUsage
	case ctx.Err() != nil:
		if err.Error() != context.Canceled.Error() { // a longer one says how to go on
			fmt.Fprintf(streams.Err, "gorqa: %s\n", report.Clean(err.Error()))
		}
		var by bySignal
		errors.As(context.Cause(ctx), &by)
		return stopped + int(by.Signal)
	}
	fmt.Fprintf(streams.Err, "gorqa: %s\n", report.Clean(err.Error()))
	if errors.As(err, new(app.NoAnswer)) {
		return noAnswer
	}
	return failure
}
