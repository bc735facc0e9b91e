package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gomlx/go-huggingface/hub"

	"gorqa/config"
	"gorqa/fetch"
	"gorqa/report"
)

// hubID is an owner and a name, as Hugging Face writes them.
var hubID = regexp.MustCompile(`^[\w.-]+/[\w.-]+$`)

// modelFiles and tokenizerFiles tell which files of a hub's model are wanted.
// Weights are taken as safetensors at the top; the copies that some models
// hold in other formats or folders are left.
func modelFiles(name string) bool {
	if tokenizerFiles(name) {
		return true
	}
	base := path.Base(name)
	if base == name {
		return strings.HasSuffix(name, ".json") || strings.HasPrefix(name, "model") && strings.HasSuffix(name, ".safetensors")
	}
	return base == "config.json" && path.Dir(path.Dir(name)) == "." // 1_Pooling/config.json
}

func tokenizerFiles(name string) bool {
	switch name {
	case "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model", "spiece.model", "chat_template.jinja", "chat_template.json":
		return true
	}
	return false
}

// locateModel finds a model on the disk: a path as it is, a model that fetch
// knows by name, or a hub id from the hub's cache or the hub.
func locateModel(ctx context.Context, m config.Model, h config.Hub, wanted func(string) bool, show *report.Run) (string, error) {
	name := m.ModelNameOrPath
	if exists(name) {
		return name, nil
	}
	known := func(k fetch.Known) bool { return k.Name == name }
	if models := fetch.Models(); slices.ContainsFunc(models, known) {
		dir, err := fetch.Cache()
		if err != nil {
			return "", err
		}
		if k := models[slices.IndexFunc(models, known)]; h.Offline && !exists(filepath.Join(dir, k.Path)) {
			return "", fmt.Errorf("model %s: not in the cache; expected there when offline; run gorqa fetch model %s once", name, name)
		}
		progress, done := fetchProgress(show)
		defer done()
		return fetch.Model(ctx, name, fetch.Options{Progress: progress})
	}
	if !hubID.MatchString(name) {
		return "", fmt.Errorf("model %s: nothing is there; expected a model folder, a .gguf file, a hub id (owner/name) or a name that gorqa fetch model lists", name)
	}
	return hubModel(ctx, m, h, wanted, show)
}

// hubModel returns the snapshot folder of a hub's model, in the cache that is
// shared with Python's huggingface_hub.
func hubModel(ctx context.Context, m config.Model, h config.Hub, wanted func(string) bool, show *report.Run) (string, error) {
	id := m.ModelNameOrPath
	repo := hub.New(id).WithRevision(m.ModelRevision).WithAuth(hubToken(h.Token)).WithProgressBar(false)
	repo.Verbosity = 0
	cache := hub.DefaultCacheDir()
	if h.CacheDir != "" {
		cache = h.CacheDir
	}
	repo = repo.WithCacheDir(cache)
	cached, ok := snapshot(cache, id, m.ModelRevision) // before the hub package renews its notes
	if h.Offline && ok {
		return cached, nil
	}
	if h.Offline {
		return "", fmt.Errorf("model %s: revision %s is not in %s; expected there when offline; run once without --offline", id, m.ModelRevision, cache)
	}
	fail := func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("model %s: %w; expected on the hub or in %s; look at the name, the network and, for a gated model, HF_TOKEN, or use --offline", id, err, cache)
	}
	if err := repo.DownloadInfo(true); err != nil {
		if ok && ctx.Err() == nil {
			show.Warn("model %s: the hub did not answer (%v); using what is in %s", id, err, cache)
			return cached, nil
		}
		return "", fail(err)
	}
	var names []string
	for name, err := range repo.IterFileNames() {
		if err != nil {
			return "", fail(err)
		}
		if wanted(name) {
			names = append(names, name)
		}
	}
	if !slices.Contains(names, "config.json") && !slices.Contains(names, "tokenizer.json") {
		return "", fmt.Errorf("model %s: neither config.json nor tokenizer.json is on the hub; expected a model of transformers", id)
	}
	slices.Sort(names)
	task := show.Task("Files of "+id, len(names))
	defer task.Done()
	dir := ""
	for _, name := range names {
		file, err := repo.DownloadFileCtx(ctx, name)
		if err != nil {
			return "", fail(err)
		}
		if dir == "" {
			dir = strings.TrimSuffix(filepath.ToSlash(file), "/"+name)
		}
		task.Advance(1)
	}
	return filepath.FromSlash(dir), nil
}

// snapshot finds a revision in a cache of the hub's layout.
func snapshot(cache, id, revision string) (string, bool) {
	dir := filepath.Join(cache, "models--"+strings.ReplaceAll(id, "/", "--"))
	commit := revision
	var info struct{ SHA string }
	if data, err := os.ReadFile(filepath.Join(dir, "refs", filepath.FromSlash(revision))); err == nil {
		commit = strings.TrimSpace(string(data)) // as Python writes it
	} else if data, err := os.ReadFile(filepath.Join(dir, "info", filepath.FromSlash(revision))); err == nil && json.Unmarshal(data, &info) == nil && info.SHA != "" {
		commit = info.SHA // as the hub package writes it
	}
	if !filepath.IsLocal(commit) {
		return "", false
	}
	found := filepath.Join(dir, "snapshots", commit)
	stat, err := os.Stat(found)
	return found, err == nil && stat.IsDir()
}

// hubToken is the token given, that of the environment, or the one that
// Python's huggingface_hub saved.
func hubToken(given string) string {
	for _, token := range []string{given, os.Getenv("HF_TOKEN")} {
		if token != "" {
			return token
		}
	}
	file := os.Getenv("HF_TOKEN_PATH")
	if file == "" {
		home := os.Getenv("HF_HOME")
		if home == "" {
			cache, err := os.UserCacheDir()
			if err != nil {
				return ""
			}
			home = filepath.Join(cache, "huggingface")
		}
		file = filepath.Join(home, "token")
	}
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return ""
	}
	return strings.TrimSpace(string(data))
}
