// Package share has threads that help with jobs of C code in a tenth of a
// millisecond or so, which to wake a goroutine for would cost as much. There is one
// job at a time. It knows nothing of what the jobs do.
package share

/*
#cgo CFLAGS: -O3
#cgo LDFLAGS: -lpthread
#include "share.h"

static void *run(void) { return (void *)share_run; }
*/
import "C"

import "unsafe"

// Function is share_run of share.h, for C code, which cannot link to another
// package's.
func Function() unsafe.Pointer { return C.run() }
