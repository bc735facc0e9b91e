package xla_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gorqa/engine/xla"
	"gorqa/files/wheel"

	"github.com/gomlx/gomlx/core/graph"
)

// TestCompiledGraphsAreKeptAndForgotten compiles a graph, reads it again from its file, compiles it anew
// where the file is damaged, and forgets it when nobody has read it for long.
func TestCompiledGraphsAreKeptAndForgotten(t *testing.T) {
	plugin, err := wheel.Engine(context.Background(), wheel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// Beside a link to the plugin, so that the user's own files stay as they are.
	link := filepath.Join(t.TempDir(), filepath.Base(plugin))
	if err := os.Symlink(plugin, link); err != nil {
		t.Fatal(err)
	}
	open := func() *xla.Engine {
		t.Helper()
		e, err := xla.Open("cpu", link)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open()
	call := func(f *xla.Func, values ...float32) {
		t.Helper()
		x, err := xla.FromHost(e, values, len(values))
		if err != nil {
			t.Fatal(err)
		}
		out, err := f.Call(x)
		if err != nil {
			t.Fatal(err)
		}
		y, err := xla.ToHost[float32](out[0])
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if y[i] != 2*v {
				t.Fatalf("twice %v is %v", values, y)
			}
		}
	}
	twice := func() *xla.Func {
		t.Helper()
		f, err := e.Func("twice", func(in []*graph.Node) []*graph.Node { return []*graph.Node{graph.Add(in[0], in[0])} })
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	run := func() {
		t.Helper()
		call(twice(), 1, 2, 3)
	}
	file := func() (path string, info os.FileInfo) {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(filepath.Dir(link), "compiled", "*"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%d files are kept (%v); expected one", len(files), err)
		}
		if info, err = os.Stat(files[0]); err != nil {
			t.Fatal(err)
		}
		return files[0], info
	}
	age := func(path string, age time.Duration) {
		t.Helper()
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}

	run()
	path, first := file()
	age(path, time.Hour)
	run()
	_, read := file()
	if !os.SameFile(first, read) || time.Since(read.ModTime()) > time.Minute {
		t.Error("the file was not read")
	}

	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range [][]byte{nil, data[:len(data)/2], append(data[:len(data)-1:len(data)-1], data[len(data)-1]+1)} {
		if err := os.WriteFile(path, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		_, before := file()
		run()
		if _, after := file(); os.SameFile(before, after) {
			t.Errorf("%d bytes of a damaged file of %d stay as they are", len(damaged), len(data))
		}
	}

	f := twice() // what comes before it is no part of a graph
	call(f, 1)
	call(f, 1, 2, 3)
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 2 {
		t.Errorf("%d files of two graphs (%v)", len(files), err)
	}

	age(path, 31*24*time.Hour)
	open()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("a file of last month is kept (%v)", err)
	}
}
