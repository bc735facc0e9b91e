package lock

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.lock")
	unlock, err := Take(t.Context(), path, func() { t.Error("waited for a free lock") })
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Take(ctx, path, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want to wait, then context.Canceled", err)
	}

	taken := make(chan func())
	go func() {
		second, err := Take(t.Context(), path, unlock)
		if err != nil {
			t.Error(err)
		}
		taken <- second
	}()
	(<-taken)()
	if _, err := Take(t.Context(), filepath.Join(path, "no", "folder"), nil); err == nil {
		t.Error("no error for a folder that is missing")
	}
}
