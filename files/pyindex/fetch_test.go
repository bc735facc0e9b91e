package pyindex

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// index is a package index that serves one wheel as a real one does: a page for a
// package in the form that is asked for, the file with Range.
type index struct {
	*httptest.Server
	file      string
	wheel     []byte
	html      bool   // has no JSON
	noHash    bool   // tells none
	login     string // "name:password", "" for none
	breaks    int    // so many downloads break off in their middle
	elsewhere string // where files lie, if on another server

	mu   sync.Mutex
	seen []string // method, path and Range of each request
}

func (x *index) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	x.seen = append(x.seen, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	breaks := x.breaks > 0 && strings.HasPrefix(r.URL.Path, "/files/")
	if breaks {
		x.breaks--
	}
	x.mu.Unlock()
	if name, password, _ := r.BasicAuth(); x.login != "" && name+":"+password != x.login {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	sum := hex.EncodeToString(sum256(x.wheel))
	switch {
	case breaks:
		w.Header().Set("Content-Length", fmt.Sprint(len(x.wheel)))
		_, _ = w.Write(x.wheel[:len(x.wheel)/2])
	case r.URL.Path == "/files/"+x.file:
		http.ServeContent(w, r, x.file, time.Time{}, bytes.NewReader(x.wheel))
	case r.URL.Path != "/simple/some-package/":
		http.NotFound(w, r)
	case x.html || !strings.Contains(r.Header.Get("Accept"), "+json"):
		if x.noHash {
			sum = ""
		} else {
			sum = "#sha256=" + sum
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!DOCTYPE html><html><body><a href="../../files/Some_Package-0.9-py3-none-any.whl#sha256=00">old</a>
<a href="%s/files/%s%s" data-requires-python="&gt;=3.9">%[2]s</a></body></html>`, x.elsewhere, x.file, sum)
	default:
		w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"meta": map[string]string{"api-version": "1.3"}, "name": "some-package",
			"files": []any{map[string]any{"filename": x.file, "url": x.elsewhere + "/files/" + x.file, "hashes": map[string]string{"sha256": sum}, "size": len(x.wheel)}},
		})
	}
}

func sum256(data []byte) []byte { sum := sha256.Sum256(data); return sum[:] }

// serve starts an index of a wheel of about 200 KB.
func serve(t *testing.T, encrypted bool) *index {
	t.Helper()
	var data bytes.Buffer
	z := zip.NewWriter(&data)
	f, err := z.CreateHeader(&zip.FileHeader{Name: "some_package/data", Method: zip.Store})
	if err == nil {
		_, err = f.Write(bytes.Repeat([]byte("what is in it "), 15000))
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	x := &index{file: "some_package-1.0-py3-none-any.whl", wheel: data.Bytes()}
	if x.Server = httptest.NewUnstartedServer(x); encrypted {
		x.StartTLS()
	} else {
		x.Start()
	}
	t.Cleanup(x.Close)
	return x
}

func (x *index) want() Wheel {
	return Wheel{Package: "Some.Package", Version: "1.0", SHA256: hex.EncodeToString(sum256(x.wheel)), Bytes: int64(len(x.wheel))}
}

// alone forgets the settings of the machine that the test runs on.
func alone(t *testing.T) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "PIP_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") || strings.HasSuffix(name, "_CA_BUNDLE") || strings.HasPrefix(name, "SSL_CERT") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("NETRC", "")
	t.Setenv("XDG_CONFIG_HOME", "")
	t.Setenv("XDG_CONFIG_DIRS", t.TempDir())
	t.Setenv("VIRTUAL_ENV", "")
	t.Setenv("CONDA_PREFIX", "")
}

func fetched(t *testing.T, s Settings, w Wheel) (string, error) {
	t.Helper()
	s.Timeout = 5 * time.Second
	part := filepath.Join(t.TempDir(), "part")
	var last int64
	path, err := Fetch(t.Context(), s, w, part, func(done int64) { last = done })
	if err == nil && path == part && last != w.Bytes {
		t.Errorf("progress ended at %d; %d expected", last, w.Bytes)
	}
	return path, err
}

func TestFetch(t *testing.T) {
	alone(t)
	for _, test := range []struct {
		name, why string
		index     func(*index)
		settings  func(*index, *Settings)
		seen      []string
	}{
		{"json", "PEP 691", nil, nil, []string{"/simple/some-package/", "/files/some_package-1.0-py3-none-any.whl"}},
		{"html", "PEP 503", func(x *index) { x.html = true }, nil, nil},
		{"html without hashes", "the wheel's own hash decides", func(x *index) { x.html, x.noHash = true, true }, nil, nil},
		{"goes on", "the connection broke off twice", func(x *index) { x.breaks = 2 }, nil, []string{
			"/simple/some-package/", "/files/some_package-1.0-py3-none-any.whl", "/files/some_package-1.0-py3-none-any.whl bytes=105074-", "/files/some_package-1.0-py3-none-any.whl bytes=105074-",
		}},
		{"extra index", "the first one does not know the package", nil, func(x *index, s *Settings) {
			s.Index, s.Extra = x.URL+"/other", []string{x.URL + "/simple"}
		}, []string{"/other/some-package/", "/simple/some-package/", "/files/some_package-1.0-py3-none-any.whl"}},
		{"page of links", "find-links may be one", nil, func(x *index, s *Settings) {
			s.NoIndex, s.FindLinks = true, []string{x.URL + "/simple/some-package/"}
		}, nil},
		{"credentials in the address", "as pip.conf has them", func(x *index) { x.login = "me:p@ss" }, func(x *index, s *Settings) {
			s.Index = strings.Replace(x.URL, "//", "//me:p%40ss@", 1) + "/simple"
		}, nil},
		{"credentials in .netrc", "for the host", func(x *index) { x.login = "you:secret" }, func(*index, *Settings) {
			_ = os.WriteFile(filepath.Join(os.Getenv("HOME"), ".netrc"), []byte("# mine\nmachine 127.0.0.1 login you password secret\n"), 0o600)
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := serve(t, false)
			s := Settings{Index: x.URL + "/simple"}
			if test.index != nil {
				test.index(x)
			}
			if test.settings != nil {
				test.settings(x, &s)
			}
			path, err := fetched(t, s, x.want())
			if err != nil {
				t.Fatalf("%v (%s)", err, test.why)
			}
			if data, err := os.ReadFile(path); err != nil || !bytes.Equal(data, x.wheel) {
				t.Errorf("%d bytes, %v; the wheel's %d expected", len(data), err, len(x.wheel))
			}
			if diff := cmp.Diff(test.seen, x.seen); test.seen != nil && diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// A download that a killed process left is gone on with.
func TestFetchGoesOnWithWhatIsThere(t *testing.T) {
	alone(t)
	x := serve(t, false)
	part := filepath.Join(t.TempDir(), "part")
	if err := os.WriteFile(part, x.wheel[:1000], 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(t.Context(), Settings{Index: x.URL + "/simple", Timeout: time.Second}, x.want(), part, nil); err != nil {
		t.Fatal(err)
	}
	if last := x.seen[len(x.seen)-1]; !strings.HasSuffix(last, " bytes=1000-") {
		t.Errorf("last request %s; from byte 1000 on expected", last)
	}
}

// Certificates, hosts that are trusted without, and proxies are those of the settings;
// credentials go to the host that they are for.
func TestFetchReachesHostsAsPipDoes(t *testing.T) {
	alone(t)
	x := serve(t, true)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: x.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := fetched(t, Settings{Index: x.URL + "/simple"}, x.want()); err == nil || !strings.Contains(err.Error(), "names a file of certificates") {
		t.Errorf("an unknown certificate: %v", err)
	}
	for name, s := range map[string]Settings{
		"file": {Cert: bundle}, "folder": {Cert: filepath.Dir(bundle)}, "trusted": {Trusted: []string{"127.0.0.1"}}, "trusted port": {Trusted: []string{strings.TrimPrefix(x.URL, "https://")}},
	} {
		s.Index = x.URL + "/simple"
		if _, err := fetched(t, s, x.want()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	plain := serve(t, false)
	var through []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through = append(through, r.URL.String()+" "+r.Header.Get("Proxy-Authorization"))
		plain.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	if _, err := fetched(t, Settings{Index: "http://index.invalid/simple", Trusted: []string{"index.invalid"}, Proxy: strings.Replace(proxy.URL, "//", "//me:pw@", 1)}, plain.want()); err != nil {
		t.Error(err)
	}
	if want := []string{"http://index.invalid/simple/some-package/ Basic bWU6cHc=", "http://index.invalid/files/some_package-1.0-py3-none-any.whl Basic bWU6cHc="}; !cmp.Equal(want, through) {
		t.Errorf("through the proxy: %s", cmp.Diff(want, through))
	}

	other := serve(t, false)
	got := make(chan string, 9)
	other.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		other.ServeHTTP(w, r)
	})
	guarded := serve(t, false)
	guarded.login, guarded.elsewhere = "me:secret", strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	if _, err := fetched(t, Settings{Index: strings.Replace(guarded.URL, "//", "//me:secret@", 1) + "/simple"}, guarded.want()); err != nil {
		t.Error(err)
	}
	if auth := <-got; auth != "" {
		t.Errorf("another host got the index's credentials: %s", auth)
	}
}

func TestFetchErrors(t *testing.T) {
	alone(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + closed.Addr().String()
	_ = closed.Close()
	for _, test := range []struct {
		name, why string
		index     func(*index)
		settings  func(*index, *Settings)
		want      Wheel
		parts     []string
		pip       bool // may help
	}{
		{name: "nothing configured", why: "no host stands in the code", settings: func(_ *index, s *Settings) { s.Index = "" }, parts: []string{"no package index is configured"}, pip: true},
		{name: "offline", why: "what to do is said", settings: func(_ *index, s *Settings) { s.Index = nobody + "/simple" }, parts: []string{"out of reach for Some.Package==1.0", "connection refused", "PIP_FIND_LINKS"}},
		{name: "no credentials", why: "pip may have a key ring", index: func(x *index) { x.login = "me:secret" }, parts: []string{"401", ".netrc"}, pip: true},
		{name: "wrong ones", why: "they are hidden", index: func(x *index) { x.login = "me:secret" }, settings: func(x *index, s *Settings) {
			s.Index = strings.Replace(x.URL, "//", "//me:hunter2@", 1) + "/simple"
		}, parts: []string{"401"}, pip: true},
		{name: "another file", why: "the index holds one of that name", want: Wheel{Package: "some-package", Version: "1.0", SHA256: strings.Repeat("0", 64), Bytes: 9}, parts: []string{"another file: its hash is"}},
		{name: "another file, unsaid", why: "the download is looked at", index: func(x *index) { x.html, x.noHash = true, true }, want: Wheel{Package: "some-package", Version: "1.0", SHA256: strings.Repeat("0", 64), Bytes: 9}, parts: []string{"its hash is", "was removed"}},
		{name: "another version", why: "none is taken in its place", want: Wheel{Package: "some-package", Version: "2.0", SHA256: "00"}, parts: []string{"nothing of that version"}},
		{name: "another machine", why: "it would not run", index: func(x *index) { x.file = "some_package-1.0-cp312-cp312-win_amd64.whl" }, parts: []string{"win_amd64.whl (for other machines)"}},
		{name: "not encrypted", why: "pip refuses it too", settings: func(_ *index, s *Settings) { s.Index = "http://index.invalid/simple" }, parts: []string{"index.invalid is not encrypted", "trusted-host"}},
		{name: "no address", why: "a typing error", settings: func(_ *index, s *Settings) { s.Index = "index/simple" }, parts: []string{`index-url: "index/simple" found; an address`}},
		{name: "no page", why: "a portal's page of JSON", index: func(x *index) { x.Config.Handler = http.RedirectHandler("/x", http.StatusFound) }, parts: []string{"redirects"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := serve(t, false)
			s := Settings{Index: x.URL + "/simple"}
			if test.index != nil {
				test.index(x)
			}
			if test.settings != nil {
				test.settings(x, &s)
			}
			if test.want.Package == "" {
				test.want = x.want()
			}
			_, err := fetched(t, s, test.want)
			if err == nil {
				t.Fatalf("no error (%s)", test.why)
			}
			for _, part := range test.parts {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v; %q in it expected (%s)", err, part, test.why)
				}
			}
			if strings.Contains(err.Error(), "hunter2") || errors.As(err, new(*NeedsPip)) != test.pip {
				t.Errorf("%v (%T); no password, and NeedsPip %v, expected", err, err, test.pip)
			}
		})
	}
}

func TestFetchTakesAFolderOfWheels(t *testing.T) {
	alone(t)
	x := serve(t, false)
	dir := t.TempDir()
	path := filepath.Join(dir, x.file)
	if err := os.WriteFile(path, x.wheel, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{dir, "file://" + dir} {
		if got, err := fetched(t, Settings{FindLinks: []string{"nowhere", link}}, x.want()); err != nil || got != path {
			t.Errorf("%s: %s, %v; %s expected", link, got, err, path)
		}
	}
}

// Files of settings win in pip's order, download over global in all of them, variables
// over files.
func TestFromPip(t *testing.T) {
	alone(t)
	write := func(path, text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(os.Getenv("XDG_CONFIG_DIRS"), "pip", "pip.conf"), "[global]\nindex-url = https://machine/simple\ntimeout = 3\ntrusted_host = a b\n[download]\nextra-index-url =\n    https://one/simple\n    https://two/s%40imple\n")
	write(filepath.Join(os.Getenv("HOME"), ".pip", "pip.conf"), "[global]\nindex-url: https://old/simple\n")
	write(filepath.Join(os.Getenv("HOME"), ".config", "pip", "pip.conf"), "# mine\n[global]\nindex-url = https://user/simple#x\nextra-index-url = https://loses/simple\n[install]\nproxy = http://not:1\n")
	t.Setenv("VIRTUAL_ENV", t.TempDir())
	write(filepath.Join(os.Getenv("VIRTUAL_ENV"), "pip.conf"), "[global]\nproxy = proxy:3128\nfind-links = ~/wheels\n   /more\n")
	t.Setenv("PIP_DEFAULT_TIMEOUT", "7.5")
	want := Settings{
		Index: "https://user/simple#x", Extra: []string{"https://one/simple", "https://two/s%40imple"}, FindLinks: []string{os.Getenv("HOME") + "/wheels", "/more"},
		Trusted: []string{"a", "b"}, Proxy: "proxy:3128", Timeout: 7500 * time.Millisecond,
	}
	got, err := FromPip()
	got.Cert = "" // which /etc/pip.conf of this machine may name
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	t.Setenv("PIP_INDEX_URL", "https://variable/simple")
	t.Setenv("PIP_NO_INDEX", "1")
	t.Setenv("PIP_CONFIG_FILE", "/dev/null")
	want = Settings{Index: "https://variable/simple", NoIndex: true, Extra: []string{}, FindLinks: []string{}, Trusted: []string{}, Timeout: 7500 * time.Millisecond}
	got, err = FromPip()
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("without files: %v (-want +got):\n%s", err, diff)
	}
	t.Setenv("PIP_DEFAULT_TIMEOUT", "soon")
	if _, err := FromPip(); err == nil || !strings.Contains(err.Error(), `timeout: "soon" found`) {
		t.Errorf("%v", err)
	}
}

func TestNetrc(t *testing.T) {
	got := parseNetrc("machine a login me password \"p w\"\n# no\nmachine b\n  login you\n  account x\n  password s\nmacdef init\nmachine c login no password no\n\nmachine a login second password second default login any password all machine")
	want := map[string]login{"a": {"me", "p w"}, "b": {"you", "s"}, "": {"any", "all"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(login{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzPages(f *testing.F) {
	f.Add(`<base href="/x/"><a href="a-1.0-py3-none-any.whl#sha256=0&x">`, "text/html", "machine a login b")
	f.Add(`{"meta":{"api-version":"1.0"},"files":[{"filename":"a","url":"%"}]}`, "application/json", "macdef x\n\ndefault")
	f.Fuzz(func(t *testing.T, page, kind, netrc string) {
		from, _ := url.Parse("https://index/simple/a/")
		links, _ := readPage([]byte(page), kind, from)
		for _, l := range links {
			if l.url == nil {
				t.Error("a link without an address")
			}
		}
		Wheel{Package: "a", Version: "1.0"}.choose(links)
		parseNetrc(netrc)
	})
}
