// Package enginetest opens the engine for tests, fetching the plugin into the
// cache folder where it is not there yet. Only tests import it.
package enginetest

import (
	"context"
	"sync"
	"testing"

	"gorqa/fetch"
	"gorqa/internal/xla"
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
