// Package enginetest opens the engine for tests, fetching the plugin into the
// cache folder where it is not there yet, and walks tapes. Only tests import it.
package enginetest

import (
	"context"
	"sync"
	"testing"

	"gorqa/fetch"
	"gorqa/internal/xla"
	"gorqa/tape"
)

var open = sync.OnceValues(func() (*xla.Engine, error) {
	path, err := fetch.Engine(context.Background(), fetch.Options{})
	if err != nil {
		return nil, err
	}
	return xla.Open("cpu", path)
})

// Open gives the process's one CPU engine. It stays open until the process
// ends: the plugin holds state of the whole process.
func Open(t testing.TB) *xla.Engine {
	t.Helper()
	e, err := open()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Walk gives the loss of a micro-batch on a new tape, which it frees; with
// backward it adds the gradients to those of the trained weights.
func Walk[B any](t testing.TB, tp *tape.Tape, loss func(*tape.Tape, B) ([]*tape.Value, error), b B, backward bool) float64 {
	t.Helper()
	losses, err := loss(tp, b)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := tape.Sum(losses)
	if err != nil {
		t.Fatal(err)
	}
	if backward {
		if err := tp.Backward(losses...); err != nil {
			t.Fatal(err)
		}
	}
	if err := tp.Free(); err != nil {
		t.Fatal(err)
	}
	return sum
}
