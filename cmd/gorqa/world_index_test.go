package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gorqa/internal/worldtest"
)

// indexKilled: an index that two processes build goes on where rank 0 was killed after its first
// chunk, and is that of one process byte for byte.
func indexKilled(t *testing.T, m worldtest.MPI, program, dir string) {
	const documents, perChunk, width = 384, 256, 384
	var text strings.Builder
	for i := range documents {
		fmt.Fprintf(&text, `{"page_content": "%d", "metadata": {}}`+"\n", i)
	}
	path := filepath.Join(dir, "many.jsonl")
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	args := func(index string) []string {
		return []string{"index", "--full_dataset_file_path", path, "--full_dataset_index_path", index, "--eval_embedding_model", "all-MiniLM-L6-v2", "--bf16", "false"}
	}
	one, two := filepath.Join(dir, "one", "index"), filepath.Join(dir, "two", "index")
	m.Run(t, 1, program, args(one)...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := m.Command(ctx, 2, program, args(two)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	for ; !killed && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		if written(t, two) < perChunk*width*4 {
			continue
		}
		for _, id := range ranks(program, two) {
			if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", id)); err == nil && bytes.Contains(env, []byte("OMPI_COMM_WORLD_RANK=0\x00")) {
				killed = syscall.Kill(id, syscall.SIGKILL) == nil
			}
		}
		break
	}
	if err := cmd.Wait(); !killed || err == nil || written(t, two) >= written(t, one) {
		t.Fatalf("not killed midway: %v:\n%s", err, said.String())
	}
	if again := m.Run(t, 2, program, args(two)...); !strings.Contains(again, "256 texts were there, 128 embedded") {
		t.Errorf("it does not go on with the chunks that were written:\n%s", again)
	}
	files, err := filepath.Glob(filepath.Join(one, "*.*s"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no index: %v", err)
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		got, errGot := os.ReadFile(filepath.Join(two, filepath.Base(file)))
		if err != nil || errGot != nil || !bytes.Equal(want, got) {
			t.Errorf("%s: %v, %v, or it differs from that of one process", filepath.Base(file), err, errGot)
		}
	}
}

// written is how many bytes lie in a folder.
func written(t *testing.T, dir string) (n int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
	}
	return n
}
