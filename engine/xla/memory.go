package xla

/*
#include <stdlib.h>
#include <stdbool.h>
#include <stdint.h>
#include "pjrt.h"

typedef struct {
	int64_t value;
	bool set;
} figure;

// peak is the most that was in use at once on the client's first device, 0 where the
// plugin does not tell.
static int64_t peak(const char *path, void *client) {
	api *found = api_of(path);
	if (!found) return 0;
	struct { size_t size; void *extension, *client, **devices; size_t count; } all = {sizeof all, NULL, client};
	if (!ok(found, found->functions[CLIENT_ADDRESSABLE_DEVICES](&all)) || !all.count) return 0;
	struct { size_t size; void *extension, *device; int64_t in_use; figure peak, others[9]; } stats = {sizeof stats, NULL, all.devices[0]};
	if (!ok(found, found->functions[DEVICE_MEMORY_STATS](&stats))) return 0;
	return stats.peak.set ? stats.peak.value : 0;
}
*/
import "C"

import "unsafe"

// PeakMemory is the most of a device's own memory that was ever in use at once, in
// bytes, or 0 where there is none or the plugin does not tell.
func (e *Engine) PeakMemory() int64 {
	c := client.Load()
	if e.onHost || c == nil {
		return 0
	}
	path := C.CString(e.plugin)
	defer C.free(unsafe.Pointer(path))
	return int64(C.peak(path, unsafe.Pointer(c)))
}
