package xla

// Compiled graphs are kept on disk beside the plugin, since a layer takes a
// second or two to compile for each number of positions. go-xla has no call for
// that, so the plugin's own entry for compiling is replaced by one that looks for
// the file first. The code that oneDNN makes cannot be kept: this plugin crashes on
// it. Programs get their foreign calls there too (gemm.go, targets.go).

/*
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "pjrt.h"

static api *plugin;
static function *compile; // the plugin's own

void *gorqaCompile(void *args);

// divert has the loaded plugin at path compile by gorqaCompile, and says whether it does.
static int divert(const char *path) {
	api *found = api_of(path);
	if (!found || plugin) return found && plugin == found;
	plugin = found;
	compile = plugin->functions[CLIENT_COMPILE];
	plugin->functions[CLIENT_COMPILE] = gorqaCompile;
	return 1;
}

// compile_text compiles a text in the place of the program's own.
static void *compile_text(compile_args *args, const char *text, size_t size) {
	const program *own = args->program;
	program changed = *own;
	changed.code = text, changed.code_size = size;
	args->program = &changed;
	void *error = compile(args);
	args->program = own;
	return error;
}

// load sets what was compiled from what serialize gave, and says whether it could.
static int load(compile_args *args, const void *bytes, size_t size) {
	load_args load = {sizeof load, NULL, args->client, bytes, size, NULL, NULL, 0};
	if (!ok(plugin, plugin->functions[DESERIALIZE](&load))) return 0;
	args->loaded = load.loaded;
	return 1;
}

// serialize gives what was compiled as bytes of an owner, NULL if it cannot, to be released.
static serialize_args serialize(compile_args *args) {
	serialize_args out = {sizeof out};
	struct { size_t size; void *extension, *loaded, *executable; } get = {sizeof get, NULL, args->loaded, NULL};
	if (!ok(plugin, plugin->functions[GET_EXECUTABLE](&get))) return out;
	out.executable = get.executable;
	if (!ok(plugin, plugin->functions[SERIALIZE](&out))) out.owner = NULL;
	struct { size_t size; void *extension, *executable; } destroy = {sizeof destroy, NULL, get.executable};
	ok(plugin, plugin->functions[EXECUTABLE_DESTROY](&destroy));
	return out;
}

static void release(serialize_args s) { s.free(s.owner); }
*/
import "C"

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// store is where compiled graphs are kept. What the code depends on beside the
// graph is part of their names.
type store struct {
	dir  string
	salt []byte
}

// kept is the process's store, nil for none.
var kept atomic.Pointer[store]

// client is the plugin's, once something was compiled.
var client atomic.Pointer[byte]

// unused is how long a compiled graph that nobody reads is kept.
const unused = 30 * 24 * time.Hour

// divert has the loaded plugin compile by gorqaCompile, where it can.
func divert(plugin string) bool {
	path := C.CString(plugin)
	defer C.free(unsafe.Pointer(path))
	return C.divert(path) == 1
}

// keepCompiled has the diverted plugin keep what it compiles for a device of that
// description, where it can.
func keepCompiled(plugin, device string) {
	flags := os.Getenv("XLA_FLAGS")
	info, err := os.Stat(plugin)
	processor, unknown := os.ReadFile("/proc/cpuinfo")
	if err != nil || unknown != nil || strings.Contains(flags, "onednn_custom_call=true") || strings.Contains(flags, "dump") {
		return
	}
	s := &store{
		dir:  filepath.Join(filepath.Dir(plugin), "compiled"),
		salt: fmt.Appendf(nil, "%d %s %d %s %s\n", info.Size(), info.ModTime(), runtime.NumCPU(), flags, device),
	}
	first, _, _ := bytes.Cut(processor, []byte("\n\n"))
	for line := range bytes.Lines(first) {
		if !bytes.HasPrefix(line, []byte("cpu MHz")) && !bytes.HasPrefix(line, []byte("bogomips")) {
			s.salt = append(s.salt, line...)
		}
	}
	if os.MkdirAll(s.dir, 0o755) != nil {
		return // in a folder that others own
	}
	s.prune()
	kept.Store(s)
}

// prune removes what nobody has read for long.
func (s *store) prune() {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > unused {
			_ = os.Remove(filepath.Join(s.dir, entry.Name())) // another process may have
		}
	}
}

// read gives what write kept, or nil.
func (s *store) read(name string) []byte {
	path := filepath.Join(s.dir, name)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	code := unsealed(data)
	if code != nil {
		now := time.Now()
		_ = os.Chtimes(path, now, now) // for prune
	}
	return code
}

// sealed is code behind its checksum: the plugin crashes on what is damaged.
func sealed(code []byte) []byte {
	sum := sha256.Sum256(code)
	return append(sum[:], code...)
}

// unsealed is the code of what sealed gave, nil of anything else.
func unsealed(data []byte) []byte {
	if len(data) < sha256.Size {
		return nil
	}
	sum, code := data[:sha256.Size], data[sha256.Size:]
	if want := sha256.Sum256(code); !bytes.Equal(sum, want[:]) {
		return nil
	}
	return code
}

// write keeps code behind its checksum. What cannot be written is compiled again.
func (s *store) write(name string, code []byte) {
	f, err := os.CreateTemp(s.dir, name+".*")
	if err != nil {
		return
	}
	_, err = f.Write(sealed(code))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(s.dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
}

// numbered is how a text begins: its function's name, and how many graphs of that go-xla had
// built by then.
var numbered = regexp.MustCompile(`^module @\w+(_\d+) \{`)

// unnumbered is a text that does not depend on what was compiled before it.
func unnumbered(text []byte) []byte {
	m := numbered.FindSubmatchIndex(text)
	if m == nil {
		return text
	}
	return slices.Concat(text[:m[2]], text[m[3]:])
}

// gorqaCompile takes the place of PJRT_Client_Compile.
//
//export gorqaCompile
func gorqaCompile(p unsafe.Pointer) unsafe.Pointer {
	args, s := (*C.compile_args)(p), kept.Load()
	client.Store((*byte)(args.client))
	text := unnumbered(unsafe.Slice((*byte)(unsafe.Pointer(args.program.code)), args.program.code_size))
	text = withPieces(withForeignCall(text))
	if takesGEMM.Load() {
		text = withGEMMCalls(text)
	}
	compile := func() unsafe.Pointer {
		return C.compile_text(args, (*C.char)(unsafe.Pointer(unsafe.SliceData(text))), C.size_t(len(text)))
	}
	if s == nil {
		return compile()
	}
	h := sha256.New()
	h.Write(s.salt)
	h.Write(unsafe.Slice((*byte)(unsafe.Pointer(args.options)), args.options_size))
	h.Write(text)
	name := hex.EncodeToString(h.Sum(nil))
	if code := s.read(name); len(code) > 0 && C.load(args, unsafe.Pointer(&code[0]), C.size_t(len(code))) == 1 {
		return nil
	}
	if err := compile(); err != nil {
		return err
	}
	if out := C.serialize(args); out.owner != nil {
		s.write(name, unsafe.Slice((*byte)(unsafe.Pointer(out.bytes)), out.bytes_size))
		C.release(out)
	}
	return nil
}
