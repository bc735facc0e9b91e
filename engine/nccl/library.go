package nccl

// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "nccl.h"
import "C"

import (
	"errors"
	"unsafe"
)

// called gives what a function of the library ends with, in its words.
func called(fn func(text *C.char) C.int) error {
	text := (*C.char)(C.calloc(1, C.NCCL_TEXT))
	defer C.free(unsafe.Pointer(text))
	if fn(text) == 0 {
		return nil
	}
	return errors.New(C.GoString(text))
}

// load loads the library at a path, or of a name that the system finds.
func load(path string) (version int, err error) {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	var found C.int
	err = called(func(text *C.char) C.int { return C.nccl_load(p, &found, text) })
	return int(found), err
}

// newID makes the id that processes find one another by.
func newID() ([]byte, error) {
	id := make([]byte, C.NCCL_ID)
	return id, called(func(text *C.char) C.int { return C.nccl_new_id((*C.char)(unsafe.Pointer(&id[0])), text) })
}

// join waits for all processes of an id.
func join(id []byte, size, rank int) error {
	if len(id) != C.NCCL_ID {
		return errors.New("an id of another length")
	}
	return called(func(text *C.char) C.int {
		return C.nccl_join((*C.char)(unsafe.Pointer(&id[0])), C.int(size), C.int(rank), text)
	})
}

// state is the error that something on its way has met.
func state() error { return called(func(text *C.char) C.int { return C.nccl_state(text) }) }

// end has what waits for other processes end, and all calls from now on fail.
func end() { C.nccl_end() }

// handler does a call's work.
func handler(c call) unsafe.Pointer {
	return C.nccl_handler([...]C.int{
		allReduce: C.NCCL_ALL_REDUCE, reduceScatter: C.NCCL_REDUCE_SCATTER, allGather: C.NCCL_ALL_GATHER, broadcast: C.NCCL_BROADCAST,
	}[c])
}
