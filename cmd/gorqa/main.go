// Command gorqa trains the generator of a retrieval-augmented
// question-answering system and evaluates it end to end.
//
// It turns a command line into settings, calls the one function of
// internal/app that does the work, and gives its error as an exit code: 0 for
// success, 1 for a failure, 2 for wrong usage, 130 after Ctrl-C.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"gorqa/internal/app"
)

// Exit codes.
const (
	success     = 0
	failure     = 1
	wrongUsage  = 2
	interrupted = 130
)

func main() {
	ctx, stop := untilSignal(os.Stderr)
	code := run(ctx, os.Args[1:], app.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

// untilSignal gives a context that the first Ctrl-C (or SIGTERM) cancels, so
// that the command stops cleanly. The second one ends the program at once.
func untilSignal(stderr io.Writer) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for n := 0; ; n++ {
			if _, ok := <-signals; !ok {
				return
			}
			if n > 0 {
				os.Exit(interrupted)
			}
			fmt.Fprintln(stderr, "\nstopping cleanly; once more to stop at once")
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
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
		fmt.Fprintf(streams.Err, "%v\nRun '%s --help' for how to use it.\n", err, cmd.CommandPath())
		return wrongUsage
	case ctx.Err() != nil:
		if err.Error() != context.Canceled.Error() { // a longer one says how to go on
			fmt.Fprintf(streams.Err, "gorqa: %v\n", err)
		}
		return interrupted
	}
	fmt.Fprintf(streams.Err, "gorqa: %v\n", err)
	return failure
}
