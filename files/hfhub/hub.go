// Package hfhub finds a model by its id on the Hugging Face Hub and brings the
// files that are needed into the cache that all Hugging Face tools share, in
// that cache's layout (blobs, snapshots, refs), so that nothing is downloaded
// twice by different tools. Downloads go on where they broke off and are
// checked by size and hash.
//
// It knows nothing of what is in the files.
package hfhub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gorqa/files/lock"
	"gorqa/files/modelfile"
	"gorqa/files/redact"
	"gorqa/files/resume"
)

// Options say where to look and how. Empty fields come from the environment
// variables of huggingface_hub, then from its defaults.
type Options struct {
	Revision string         // branch, tag or commit; "" means main
	Token    string         // HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the file that "hf auth login" wrote
	Cache    string         // HF_HUB_CACHE, or hub in HF_HOME
	Endpoint string         // HF_ENDPOINT
	Offline  bool           // HF_HUB_OFFLINE: only look into the cache
	Progress func(Progress) // called during downloads, may be nil
	Warn     func(string)   // called when the hub is out of reach and the cache is used, may be nil
}

// Progress is how far the download of one file is.
type Progress struct {
	File        string
	Done, Total int64 // bytes
}

// FromEnvironment fills the fields of opt that are empty.
func FromEnvironment(opt Options) (Options, error) {
	home := os.Getenv("HF_HOME")
	if home == "" {
		cache := os.Getenv("XDG_CACHE_HOME")
		if cache == "" {
			user, err := os.UserHomeDir()
			if err != nil {
				return opt, fmt.Errorf("no home folder: %w; set HF_HOME", err)
			}
			cache = filepath.Join(user, ".cache")
		}
		home = filepath.Join(cache, "huggingface")
	}
	if opt.Revision == "" {
		opt.Revision = "main"
	}
	if opt.Cache == "" {
		opt.Cache = first(os.Getenv("HF_HUB_CACHE"), filepath.Join(home, "hub"))
	}
	if opt.Endpoint == "" {
		opt.Endpoint = first(os.Getenv("HF_ENDPOINT"), "https://huggingface.co")
	}
	opt.Endpoint = strings.TrimRight(opt.Endpoint, "/")
	if opt.Token == "" {
		opt.Token = first(os.Getenv("HF_TOKEN"), os.Getenv("HUGGING_FACE_HUB_TOKEN"))
	}
	if opt.Token == "" {
		data, err := modelfile.Read(first(os.Getenv("HF_TOKEN_PATH"), filepath.Join(home, "token")), maxLine)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return opt, fmt.Errorf("the hub's token (HF_TOKEN_PATH): %w", err)
		}
		opt.Token = strings.TrimSpace(string(data))
	}
	if slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(os.Getenv("HF_HUB_OFFLINE"))) {
		opt.Offline = true
	}
	return opt, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

var (
	idPattern     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?$`)
	commitPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)
	hashPattern   = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
	// Weights under the names that transformers gives them (a repository may hold
	// a second copy under others) and PEFT to adapters, the texts beside them, and the modules of
	// sentence-transformers in folders like 1_Pooling.
	wanted = regexp.MustCompile(`^([^/]+\.(json|txt|model|jinja)|(adapter_)?model[^/]*\.safetensors|\d+_\w+/(config\.json|model\.safetensors)|additional_chat_templates/[^/]+\.jinja)$`)
	// What is taken where there are no safetensors, as older repositories are.
	wantedTorch = regexp.MustCompile(`^pytorch_model(-\d+-of-\d+)?\.bin$`)
)

// Resolve returns the path of a model: nameOrPath itself where it exists, else
// the folder in the cache that holds the files of the hub's model of that id
// ("org/name"), downloaded as far as they are missing.
func Resolve(ctx context.Context, nameOrPath string, opt Options) (string, error) {
	if _, err := os.Stat(nameOrPath); err == nil {
		return nameOrPath, nil
	}
	if !idPattern.MatchString(nameOrPath) || strings.Contains(nameOrPath, "..") || strings.Contains(nameOrPath, "--") {
		return "", fmt.Errorf("model %q: no such file or folder, and no id of a hub's model; expected a path or org/name", nameOrPath)
	}
	opt, err := FromEnvironment(opt)
	if err != nil {
		return "", err
	}
	r := &repo{Options: opt, id: nameOrPath, dir: filepath.Join(opt.Cache, "models--"+strings.ReplaceAll(nameOrPath, "/", "--"))}
	if !filepath.IsLocal(filepath.FromSlash(opt.Revision)) {
		return "", fmt.Errorf("model %q: revision %q; expected a branch, a tag or a commit", r.id, opt.Revision)
	}
	if opt.Offline {
		dir, err := r.cached()
		if err != nil {
			return "", fmt.Errorf("model %q: %w; it is offline (HF_HUB_OFFLINE): fetch the model once with a network, or give a path", r.id, err)
		}
		return dir, nil
	}
	dir, err := r.online(ctx)
	var away *resume.Unreachable
	if errors.As(err, &away) && ctx.Err() == nil {
		if dir, missing := r.cached(); missing == nil {
			if opt.Warn != nil {
				opt.Warn(fmt.Sprintf("model %q: %v; the copy in the cache is used", r.id, err))
			}
			return dir, nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("model %q: %w", r.id, err)
	}
	return dir, nil
}

// repo is one model of the hub.
type repo struct {
	Options
	id  string
	dir string // in the cache
}

// address is where the hub is, without what may be secret in it.
func (r *repo) address() string { return redact.Address(r.Endpoint) }

// maxLine bounds files of one line: a token, the commit of a revision.
const maxLine = 1 << 16

// cached is the snapshot of the revision that an earlier run completed.
func (r *repo) cached() (string, error) {
	commit := r.Revision
	if !commitPattern.MatchString(commit) {
		data, err := modelfile.Read(filepath.Join(r.dir, "refs", filepath.FromSlash(r.Revision)), maxLine)
		if err != nil {
			return "", fmt.Errorf("revision %s is not in the cache %s", r.Revision, r.Cache)
		}
		commit = strings.TrimSpace(string(data))
	}
	dir := filepath.Join(r.dir, "snapshots", commit)
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	if !commitPattern.MatchString(commit) || !has("config.json") && !has("adapter_config.json") {
		return "", fmt.Errorf("revision %s is in the cache %s only in part", r.Revision, r.Cache)
	}
	return dir, nil
}

// file is one file of the repository as the hub's API lists it.
type file struct {
	Name string `json:"rfilename"`
	Size int64  `json:"size"`
	Blob string `json:"blobId"` // git's hash
	LFS  *struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	} `json:"lfs"`
}

func (r *repo) online(ctx context.Context) (string, error) {
	commit, files, err := r.list(ctx)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(r.dir, "snapshots", commit)
	blobs := filepath.Join(r.dir, "blobs")
	locks := filepath.Join(r.Cache, ".locks", filepath.Base(r.dir))
	for _, d := range []string{dir, blobs, locks} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return "", fmt.Errorf("%w; set HF_HOME to a folder that can be written", err)
		}
	}
	unlock, err := lock.Take(ctx, filepath.Join(locks, "gorqa.lock"), nil)
	if err != nil {
		return "", err
	}
	defer unlock()
	for _, f := range files {
		link := filepath.Join(dir, filepath.FromSlash(f.Name))
		if _, err := os.Stat(link); err == nil {
			continue
		}
		blob, err := r.download(ctx, commit, f, blobs)
		if err != nil {
			return "", err
		}
		if err := place(blob, link); err != nil {
			return "", err
		}
	}
	if commit != r.Revision { // last: what refs name is whole
		ref := filepath.Join(r.dir, "refs", filepath.FromSlash(r.Revision))
		if err := os.MkdirAll(filepath.Dir(ref), 0o777); err != nil {
			return "", err
		}
		if err := os.WriteFile(ref, []byte(commit), 0o666); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// place puts a blob into a snapshot, as the other tools do: by a relative link.
func place(blob, link string) error {
	if err := os.MkdirAll(filepath.Dir(link), 0o777); err != nil {
		return err
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) { // a link to a blob that is gone
		return err
	}
	to, err := filepath.Rel(filepath.Dir(link), blob)
	if err != nil {
		return err
	}
	if os.Symlink(to, link) == nil {
		return nil
	}
	return os.Link(blob, link) // a file system or a system without symbolic links
}

// list asks the hub for the commit of the revision and its files that matter.
func (r *repo) list(ctx context.Context) (commit string, files []file, err error) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	address := r.Endpoint + "/api/models/" + r.id + "/revision/" + url.PathEscape(r.Revision) + "?blobs=true"
	response, err := r.get(ctx, address, 0)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", nil, r.refused(response, "")
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxListing))
	if err != nil {
		return "", nil, &resume.Unreachable{Err: fmt.Errorf("%s does not answer as a hub does: %w", r.address(), err)}
	}
	return r.parseListing(data)
}

// maxListing bounds what the hub may say of a repository, in bytes.
const maxListing = 64 << 20

// parseListing reads what the hub says of a revision: its commit and the files
// that matter, small ones first.
func (r *repo) parseListing(data []byte) (commit string, files []file, err error) {
	var info struct {
		SHA      string `json:"sha"`
		Siblings []file `json:"siblings"`
	}
	if err := json.Unmarshal(data, &info); err != nil {
		return "", nil, &resume.Unreachable{Err: fmt.Errorf("%s does not answer as a hub does: %w", r.address(), err)}
	}
	if !commitPattern.MatchString(info.SHA) {
		return "", nil, fmt.Errorf("%s names commit %q; expected 40 hexadecimal digits", r.address(), info.SHA)
	}
	var all []string
	var torch []file
	weights := false
	for _, f := range info.Siblings {
		all = append(all, f.Name)
		old := wantedTorch.MatchString(f.Name)
		if !old && !wanted.MatchString(f.Name) {
			continue
		}
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) || f.id() == "" || f.size() < 0 {
			return "", nil, fmt.Errorf("%s lists file %q with hash %q and size %d; expected a name within the folder, a hash and a size", r.address(), f.Name, f.id(), f.size())
		}
		if old {
			torch = append(torch, f)
			continue
		}
		weights = weights || path.Ext(f.Name) == ".safetensors"
		files = append(files, f)
	}
	if !weights {
		files = append(files, torch...)
	}
	if !weights && len(torch) == 0 {
		if len(all) > 20 {
			all = append(all[:20], "…")
		}
		return "", nil, fmt.Errorf("no model.safetensors and no pytorch_model.bin in revision %s; it holds %s: take a model that was saved as safetensors", r.Revision, strings.Join(all, ", "))
	}
	// Small ones first: a config that does not fit shows before the gigabytes.
	slices.SortStableFunc(files, func(a, b file) int { return int(min(max(a.size()-b.size(), -1), 1)) })
	return info.SHA, files, nil
}

// get sends a request that begins at a byte of the content.
func (r *repo) get(ctx context.Context, address string, from int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "gorqa")
	request.Header.Set("Accept-Encoding", "identity")
	if r.Token != "" {
		request.Header.Set("Authorization", "Bearer "+r.Token)
	}
	if from > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	client := http.Client{CheckRedirect: keepToken}
	response, err := client.Do(request)
	if err != nil {
		// net/http names the whole address, of which a storage's query is a key.
		var at *url.Error
		if errors.As(err, &at) {
			err = fmt.Errorf("%s: %w", redact.Address(at.URL), at.Err)
		}
		return nil, &resume.Unreachable{Err: fmt.Errorf("the hub is out of reach: %w; check the network and HF_ENDPOINT", err)}
	}
	return response, nil
}

// keepToken has the token go to the host and port that it is for. (net/http also
// sends it to other ports and to hosts below that one.)
func keepToken(request *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	if first := via[0].URL; request.URL.Scheme != first.Scheme || request.URL.Host != first.Host {
		request.Header.Del("Authorization")
	}
	return nil
}

// refused says what a status other than success means.
func (r *repo) refused(response *http.Response, file string) error {
	where := "revision " + r.Revision
	if file != "" {
		where = file + " of " + where
	}
	said := redact.Text(first(response.Header.Get("X-Error-Message"), response.Status), append(redact.InAddress(r.Endpoint), r.Token)...)
	code := response.Header.Get("X-Error-Code")
	token := "no token was sent: set HF_TOKEN"
	if r.Token != "" {
		token = "the token (HF_TOKEN) does not open it"
	}
	switch {
	case code == "GatedRepo" || response.StatusCode == http.StatusForbidden:
		return fmt.Errorf("access to %s is restricted (%s); accept the model's terms on its page, and %s", where, said, token)
	case response.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%s does not exist or is private (%s); check the id; %s", where, said, token)
	case code == "RevisionNotFound":
		return fmt.Errorf("no %s (%s); check --revision", where, said)
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("no %s on %s (%s); check the id", where, r.address(), said)
	case response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= 500:
		return &resume.Unreachable{Err: fmt.Errorf("the hub cannot answer now (%s); try again later", said)}
	}
	return fmt.Errorf("the hub answers %s to %s; expected 200", said, where)
}
