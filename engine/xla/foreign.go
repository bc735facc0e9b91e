package xla

/*
#include <stdlib.h>
#include "pjrt.h"

enum { MINOR = 115 }; // before it a handler was registered by other arguments

// offer has the loaded plugin at path know a handler by name, and says whether it does.
static int offer(const char *path, const char *name, const char *platform, void *handler) {
	api *found = api_of(path);
	return found && found->version.minor >= MINOR && add_handler(found, name, platform, handler);
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// offer has a loaded plugin know a handler of foreign calls by name, for a platform in XLA's
// words, and says whether it does.
func offer(plugin, name, platform string, handler unsafe.Pointer) bool {
	of := [...]*C.char{C.CString(plugin), C.CString(name), C.CString(platform)}
	for _, text := range of {
		defer C.free(unsafe.Pointer(text))
	}
	return C.offer(of[0], of[1], of[2], handler) == 1
}

// Offer has the engine of a GPU know a handler of foreign calls (XLA's typed FFI) by the name
// of their target, a word that may stand in a program's name. Foreign makes functions of it.
func (e *Engine) Offer(target string, handler unsafe.Pointer) error {
	if e.onHost || !e.diverted || !offer(e.plugin, foreign+target, "CUDA", handler) {
		return fmt.Errorf("the engine %s takes no foreign calls; the plugin that `gorqa fetch engine cuda13` brings expected", e.plugin)
	}
	return nil
}
