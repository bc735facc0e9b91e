// Package lock keeps two processes from doing the same work in one place. It
// knows nothing of the work.
package lock

import (
	"context"
	"fmt"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Take takes the lock file at path, creating it where it is missing, and returns
// how to give it back. It waits while another holder, in this process or
// another, has it; waiting (may be nil) is called once when that lasts. With ctx
// it gives up.
func Take(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	type result struct {
		unlock func()
		err    error
	}
	got := make(chan result, 1)
	go func() {
		unlock, err := lockedfile.MutexAt(path).Lock()
		got <- result{unlock, err}
	}()
	timer := time.NewTimer(300 * time.Millisecond)
	defer timer.Stop()
	for {
		select {
		case r := <-got:
			return r.unlock, r.err
		case <-timer.C:
			if waiting != nil {
				waiting()
			}
		case <-ctx.Done():
			go func() {
				if r := <-got; r.err == nil {
					r.unlock()
				}
			}()
			return nil, fmt.Errorf("another process holds %s: %w", path, ctx.Err())
		}
	}
}
