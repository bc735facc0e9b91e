package hfhub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

// stand is a stand-in for the hub: small files come from it, large ones by a
// redirect from another host, as from the hub's storage.
type stand struct {
	*httptest.Server
	storage *httptest.Server
	files   map[string]string
	lfs     map[string]bool
	lie     map[string]string // file -> hash to claim

	mu       sync.Mutex
	requests []string // "METHOD path range"
	tokens   map[string]bool
	cut      int // how many more downloads from storage break off half-way
	status   func(w http.ResponseWriter, r *http.Request) bool
}

func newStand(t *testing.T) *stand {
	s := &stand{
		files: map[string]string{
			"config.json": `{"a":1}`, "tokenizer.json": `{}`, "README.md": "#", "model.safetensors": strings.Repeat("weights!", 50_000),
			"pytorch_model.bin": "pickle", "consolidated.safetensors": "a second copy", "1_Pooling/config.json": `{"p":1}`, "onnx/config.json": "{}", "chat_template.jinja": "", "additional_chat_templates/rag.jinja": "r", "additional_chat_templates/deeper/x.jinja": "r",
		},
		lfs:    map[string]bool{"model.safetensors": true},
		lie:    map[string]string{},
		tokens: map[string]bool{},
	}
	s.storage = httptest.NewServer(http.HandlerFunc(s.store))
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.storage.Close)
	t.Cleanup(s.Close)
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "HF_HUB_CACHE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HF_HOME", t.TempDir())
	t.Setenv("HF_ENDPOINT", s.URL+"/")
	return s
}

func (s *stand) hash(name string) string {
	if lie, ok := s.lie[name]; ok {
		return lie
	}
	text := s.files[name]
	if s.lfs[name] {
		h := sha256.Sum256([]byte(text))
		return hex.EncodeToString(h[:])
	}
	h := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(text), text))
	return hex.EncodeToString(h[:])
}

func (s *stand) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	s.tokens["hub "+r.Header.Get("Authorization")] = true
	status := s.status
	s.mu.Unlock()
	if status != nil && status(w, r) {
		return
	}
	if r.URL.Path == "/api/models/org/name/revision/main" || r.URL.Path == "/api/models/org/name/revision/"+commit {
		var list []map[string]any
		for name, text := range s.files {
			f := map[string]any{"rfilename": name, "size": len(text), "blobId": s.hash(name)}
			if s.lfs[name] {
				f["blobId"] = strings.Repeat("0", 40)
				f["lfs"] = map[string]any{"sha256": s.hash(name), "size": len(text)}
			}
			list = append(list, f)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": list})
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/org/name/resolve/"+commit+"/")
	if _, there := s.files[name]; !ok || !there {
		w.Header().Set("X-Error-Code", "RepoNotFound")
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if s.lfs[name] {
		http.Redirect(w, r, strings.Replace(s.storage.URL, "127.0.0.1", "localhost", 1)+"/"+name+"?signature=x%2Fy", http.StatusFound)
		return
	}
	_, _ = w.Write([]byte(s.files[name]))
}

func (s *stand) store(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, strings.TrimSpace("storage "+r.URL.RequestURI()+" "+r.Header.Get("Range")))
	s.tokens["storage "+r.Header.Get("Authorization")] = true
	cut := s.cut > 0
	s.cut--
	s.mu.Unlock()
	text := s.files[strings.TrimPrefix(r.URL.Path, "/")]
	if cut {
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		_, _ = w.Write([]byte(text[:len(text)/2]))
		panic(http.ErrAbortHandler)
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
}

func snapshot(t *testing.T, dir string) map[string]int {
	t.Helper()
	sizes := map[string]int{}
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			data, err := os.ReadFile(name) // through the link
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(dir, name)
			sizes[filepath.ToSlash(rel)] = len(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

// Where there are no safetensors, PyTorch's files are brought.
func TestResolvePyTorch(t *testing.T) {
	s := newStand(t)
	delete(s.files, "model.safetensors")
	s.files["pytorch_model.bin.index.json"], s.files["pytorch_model.fp16.bin"] = "{}", "a second copy"
	dir, err := Resolve(t.Context(), "org/name", Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := snapshot(t, dir)
	if got["pytorch_model.bin"] != 6 || got["pytorch_model.bin.index.json"] != 2 || len(got) != 7 {
		t.Errorf("files %v", got)
	}
}

func TestResolveDownloads(t *testing.T) {
	s := newStand(t)
	t.Setenv("HF_TOKEN", "secret")
	var last Progress
	dir, err := Resolve(t.Context(), "org/name", Options{Progress: func(p Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--org--name", "snapshots", commit); dir != want {
		t.Errorf("folder %s; want %s", dir, want)
	}
	want := map[string]int{"config.json": 7, "tokenizer.json": 2, "model.safetensors": 400_000, "1_Pooling/config.json": 7, "chat_template.jinja": 0, "additional_chat_templates/rag.jinja": 1}
	if diff := cmp.Diff(want, snapshot(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if to, err := os.Readlink(filepath.Join(dir, "1_Pooling", "config.json")); err != nil || to != "../../../blobs/"+s.hash("1_Pooling/config.json") {
		t.Errorf("link to %q, %v; want the blob, relative, as huggingface_hub has it", to, err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "..", "..", "refs", "main")); err != nil || string(data) != commit {
		t.Errorf("refs/main is %q, %v", data, err)
	}
	if diff := cmp.Diff(Progress{"model.safetensors", 400_000, 400_000}, last); diff != "" {
		t.Errorf("last progress (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]bool{"hub Bearer secret": true, "storage ": true}, s.tokens); diff != "" {
		t.Errorf("who saw the token (-want +got):\n%s", diff)
	}

	s.requests = nil
	if again, err := Resolve(t.Context(), "org/name", Options{}); err != nil || again != dir {
		t.Errorf("again: %s, %v", again, err)
	}
	if diff := cmp.Diff([]string{"/api/models/org/name/revision/main"}, s.requests); diff != "" {
		t.Errorf("the second time asks for the commit only (-want +got):\n%s", diff)
	}

	s.requests = nil
	t.Setenv("HF_HUB_OFFLINE", "1")
	for _, revision := range []string{"", commit} {
		if again, err := Resolve(t.Context(), "org/name", Options{Revision: revision}); err != nil || again != dir {
			t.Errorf("offline, revision %q: %s, %v", revision, again, err)
		}
	}
	if len(s.requests) > 0 {
		t.Errorf("offline asked for %q", s.requests)
	}
}

func TestResolvePath(t *testing.T) {
	dir := t.TempDir()
	if got, err := Resolve(t.Context(), dir, Options{}); err != nil || got != dir {
		t.Errorf("Resolve = %q, %v; want the path itself", got, err)
	}
	for _, name := range []string{"", "/no/such/folder", "./no", "a/b/c", "org/na me", "org/..", "a--b/c", "https://x/y"} {
		if _, err := Resolve(t.Context(), name, Options{}); err == nil || !strings.Contains(err.Error(), "expected a path or org/name") {
			t.Errorf("%q: error %v", name, err)
		}
	}
	if _, err := Resolve(t.Context(), "org/name", Options{Revision: "../../x"}); err == nil || !strings.Contains(err.Error(), "expected a branch") {
		t.Errorf("error %v", err)
	}
}

func TestResolveResumes(t *testing.T) {
	s := newStand(t)
	s.cut = 1
	dir, err := Resolve(t.Context(), "org/name", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := snapshot(t, dir)["model.safetensors"]; got != 400_000 {
		t.Errorf("%d bytes; want 400000", got)
	}
	var stored []string
	for _, r := range s.requests {
		if strings.HasPrefix(r, "storage") {
			stored = append(stored, r)
		}
	}
	want := []string{"storage /model.safetensors?signature=x%2Fy", "storage /model.safetensors?signature=x%2Fy bytes=200000-"}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// What a run that gave up has brought, the next one does not bring again.
func TestResolveGivesUpAndGoesOn(t *testing.T) {
	s := newStand(t)
	s.status = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, ".safetensors") && r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}
	s.cut = 1
	_, err := Resolve(t.Context(), "org/name", Options{})
	if err == nil || !strings.Contains(err.Error(), "model.safetensors: broke off after 200000 of 400000 bytes, which are kept") {
		t.Fatalf("error %v", err)
	}
	_, err = Resolve(t.Context(), "org/name", Options{Offline: true})
	if err == nil || !strings.Contains(err.Error(), "revision main is not in the cache") {
		t.Errorf("offline after half a download: error %v", err)
	}
	s.status, s.requests = nil, nil
	if _, err := Resolve(t.Context(), "org/name", Options{}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.requests, "\n"); !strings.Contains(got, "bytes=200000-") || strings.Contains(got, "tokenizer.json") {
		t.Errorf("requests:\n%s\nwant the rest of the weights and nothing twice", got)
	}
}

// An adapter, which has no config.json, is fetched, and found again offline.
func TestResolveAdapter(t *testing.T) {
	s := newStand(t)
	s.files = map[string]string{"adapter_config.json": "{}", "adapter_model.safetensors": "weights", "adapter_model.bin": "pickle"}
	dir, err := Resolve(t.Context(), "org/name", Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"adapter_config.json": 2, "adapter_model.safetensors": 7}
	if diff := cmp.Diff(want, snapshot(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if again, err := Resolve(t.Context(), "org/name", Options{Offline: true}); err != nil || again != dir {
		t.Errorf("offline: %s, %v; want %s", again, err, dir)
	}
}

func TestResolveErrors(t *testing.T) {
	answer := func(status int, headers ...string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			return true
		}
	}
	tests := []struct {
		name, why string
		token     string
		status    func(http.ResponseWriter, *http.Request) bool
		change    func(*stand)
		want      []string
	}{
		{name: "401 without token", why: "the hub says so of unknown ids too", status: answer(401, "X-Error-Message", "Invalid username or password."), want: []string{"does not exist or is private", "Invalid username", "set HF_TOKEN"}},
		{name: "401 with token", why: "a wrong one", token: "x", status: answer(401), want: []string{"the token (HF_TOKEN) does not open it"}},
		{name: "gated", why: "terms to accept", token: "x", status: answer(403, "X-Error-Code", "GatedRepo"), want: []string{"accept the model's terms", "does not open it"}},
		{name: "404", why: "no such model", status: answer(404, "X-Error-Code", "RepoNotFound"), want: []string{"no revision main on", "check the id"}},
		{name: "no revision", why: "the model is there", status: answer(404, "X-Error-Code", "RevisionNotFound", "X-Error-Message", "Invalid rev id: main"), want: []string{"no revision main (Invalid rev id: main)", "--revision"}},
		{name: "too many", why: "a limit", status: answer(429), want: []string{"cannot answer now", "429"}},
		{name: "server error", why: "their fault", status: answer(503), want: []string{"cannot answer now"}},
		{name: "teapot", why: "anything else", status: answer(418), want: []string{"418"}},
		{name: "captive portal", why: "HTML instead of JSON", status: answer(200), want: []string{"does not answer as a hub does"}},
		{name: "no weights", why: "says what there is", change: func(s *stand) { delete(s.files, "model.safetensors"); delete(s.files, "pytorch_model.bin") }, want: []string{"no model.safetensors and no pytorch_model.bin in revision main", "consolidated.safetensors"}},
		{name: "damaged", why: "another file than the hub's list says", change: func(s *stand) { s.lie["model.safetensors"] = strings.Repeat("a", 64) }, want: []string{"model.safetensors: its hash is", "was removed"}},
		{name: "damaged small", why: "git's hash is checked too", change: func(s *stand) { s.lie["config.json"] = strings.Repeat("b", 40) }, want: []string{"config.json: its hash is"}},
		{name: "hash escapes", why: "the hash becomes a file name", change: func(s *stand) { s.lie["config.json"] = "../../x" }, want: []string{`lists file "config.json" with hash ""`}},
		{name: "name escapes", why: "the name becomes a path; nothing of it is taken", change: func(s *stand) {
			delete(s.files, "model.safetensors")
			delete(s.files, "pytorch_model.bin")
			s.files["../model.safetensors"] = "x"
		}, want: []string{"no model.safetensors"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStand(t)
			s.status = test.status
			if test.change != nil {
				test.change(s)
			}
			_, err := Resolve(t.Context(), "org/name", Options{Token: test.token})
			if err == nil {
				t.Fatalf("no error (%s)", test.why)
			}
			for _, want := range append(test.want, `model "org/name"`) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q; want %q in it (%s)", err, want, test.why)
				}
			}
			if _, err := Resolve(t.Context(), "org/name", Options{Offline: true}); err == nil || !strings.Contains(err.Error(), "offline") {
				t.Errorf("offline after the failure: error %v", err)
			}
		})
	}
}

// Without a network, a model that is in the cache is used, and it is said.
func TestResolveUnreachable(t *testing.T) {
	s := newStand(t)
	dir, err := Resolve(t.Context(), "org/name", Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	var warned string
	got, err := Resolve(t.Context(), "org/name", Options{Warn: func(text string) { warned = text }})
	if err != nil || got != dir {
		t.Errorf("Resolve = %q, %v; want the copy", got, err)
	}
	if !strings.Contains(warned, "out of reach") || !strings.Contains(warned, "the copy in the cache is used") {
		t.Errorf("warned %q", warned)
	}
	if _, err := Resolve(t.Context(), "org/other", Options{}); err == nil || !strings.Contains(err.Error(), "out of reach") || !strings.Contains(err.Error(), "HF_ENDPOINT") {
		t.Errorf("error %v", err)
	}
}

func TestResolveCancelled(t *testing.T) {
	s := newStand(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.status = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, ".safetensors") {
			cancel()
			<-r.Context().Done()
			return true
		}
		return false
	}
	if _, err := Resolve(ctx, "org/name", Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want context.Canceled", err)
	}
}

func TestFromEnvironment(t *testing.T) {
	newStand(t)
	home := os.Getenv("HF_HOME")
	if err := os.WriteFile(filepath.Join(home, "token"), []byte("from login\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opt, err := FromEnvironment(Options{})
	if err != nil || opt.Token != "from login" || opt.Cache != filepath.Join(home, "hub") || opt.Revision != "main" || opt.Offline {
		t.Errorf("options %+v, %v", opt, err)
	}
	t.Setenv("HF_TOKEN", "from env")
	t.Setenv("HF_HUB_CACHE", "/elsewhere")
	t.Setenv("HF_HUB_OFFLINE", "true")
	t.Setenv("HF_ENDPOINT", "")
	opt, err = FromEnvironment(Options{Revision: "v1"})
	if err != nil || opt.Token != "from env" || opt.Cache != "/elsewhere" || opt.Revision != "v1" || !opt.Offline || opt.Endpoint != "https://huggingface.co" {
		t.Errorf("options %+v, %v", opt, err)
	}
	t.Setenv("HF_HOME", "")
	t.Setenv("HF_HUB_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "/xdg")
	if opt, err = FromEnvironment(Options{}); err != nil || opt.Cache != "/xdg/huggingface/hub" {
		t.Errorf("cache %s, %v", opt.Cache, err)
	}
}

// The token goes to the host and port that it is for: another port of the same
// host is another server. What the hub sends back of it is not shown.
func TestTokenGoesToItsHostAlone(t *testing.T) {
	s := newStand(t)
	seen := ""
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen += r.Header.Get("Authorization")
		http.Error(w, "no", http.StatusTeapot)
	}))
	defer other.Close()
	s.status = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other.URL+"/elsewhere?signature=abcdef", http.StatusFound)
		return true
	}
	if _, err := Resolve(t.Context(), "org/name", Options{Token: "hf_secret"}); err == nil || seen != "" {
		t.Errorf("the other server saw %q; %v", seen, err)
	}
	other.Close()
	if _, err := Resolve(t.Context(), "org/name", Options{Token: "hf_secret"}); err == nil || strings.Contains(err.Error(), "abcdef") || !strings.Contains(err.Error(), other.URL+"/elsewhere") {
		t.Errorf("an address with a signature: %v", err)
	}
	s.status = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("X-Error-Message", "no access for "+r.Header.Get("Authorization")+" at me:hunter2")
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	endpoint := strings.Replace(s.URL, "://", "://me:hunter2@", 1)
	if _, err := Resolve(t.Context(), "org/name", Options{Token: "hf_secret", Endpoint: endpoint}); err == nil || strings.Contains(err.Error(), "hf_secret") || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "no access for Bearer ***") {
		t.Errorf("what the hub sends back: %v", err)
	}
}

// A token that cannot be read is an error: without it a model behind a gate would
// seem not to exist. A pipe is not waited for.
func TestTokenThatCannotBeReadIsAnError(t *testing.T) {
	s := newStand(t)
	path := filepath.Join(t.TempDir(), "token")
	t.Setenv("HF_TOKEN_PATH", path)
	if _, err := Resolve(t.Context(), "org/name", Options{}); err != nil {
		t.Errorf("without the file: %v", err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(t.Context(), "org/name", Options{}); err == nil || !strings.Contains(err.Error(), "the hub's token (HF_TOKEN_PATH): "+path+": is a named pipe") {
		t.Errorf("a pipe: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("hf_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HF_HOME", t.TempDir()) // to ask again
	if _, err := Resolve(t.Context(), "org/name", Options{}); err != nil || !s.tokens["hub Bearer hf_file"] {
		t.Errorf("%v; tokens sent: %v", err, s.tokens)
	}
}

// FuzzListing reads what a hub may say of a repository: files within the folder,
// with hash and size, or an error.
func FuzzListing(f *testing.F) {
	for _, seed := range []string{
		`{"sha": "` + commit + `", "siblings": [{"rfilename": "config.json", "size": 2, "blobId": "` + commit + `"}, {"rfilename": "model.safetensors", "lfs": {"sha256": "` + strings.Repeat("a", 64) + `", "size": 9}}]}`,
		`null`, `[]`, `{"sha": "main", "siblings": [null]}`, `{"sha": "` + commit + `", "siblings": [{"rfilename": "1_x/config.json", "size": -1, "lfs": null}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &repo{Options: Options{Endpoint: "https://hub", Revision: "main"}, id: "org/name"}
		sha, files, err := r.parseListing(data)
		if err != nil {
			return
		}
		if !commitPattern.MatchString(sha) || len(files) == 0 {
			t.Errorf("commit %q, %d files", sha, len(files))
		}
		for _, f := range files {
			if !filepath.IsLocal(f.Name) || !hashPattern.MatchString(f.id()) || f.size() < 0 {
				t.Errorf("%+v", f)
			}
		}
	})
}
