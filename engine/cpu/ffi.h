// Parts of XLA's interface to foreign calls, from openxla's xla/ffi/api/c_api.h, of
// version 0: places and sizes never change within one.

#pragma once

#include <stddef.h>
#include <stdint.h>

enum { METADATA = 1, EXECUTING = 3, EXHAUSTED = 8, INTERNAL = 13 };

// Kinds of values.
enum { FFI_F32 = 11, FFI_BF16 = 16 };

typedef struct {
    size_t size;
    void *extension;
    int major, minor;
} ffi_version;

typedef struct {
    size_t size;
    void *extension;
    const char *message;
    int code;
} ffi_error;

// The stream of a call, on a GPU.
typedef struct {
    size_t size;
    void *extension;
    void *context;
    void *stream; // out
} ffi_stream;

typedef struct {
    size_t size;
    void *extension;
    ffi_version version;
    void *internal;
    void *(*create_error)(ffi_error *error);
    void *(*others[3])(void *args);
    void *(*get_stream)(ffi_stream *stream); // other functions follow
} ffi_api;

typedef struct {
    size_t size;
    void *extension;
    int dtype;
    void *data;
    int64_t rank, *dims;
} ffi_buffer;

typedef struct {
    size_t size;
    void *extension;
    int64_t count;
    int *types;
    ffi_buffer **list;
} ffi_buffers;

// An extension of a frame whose type is METADATA asks for the version.
typedef struct {
    size_t size;
    int type;
    void *next;
    struct {
        size_t size;
        ffi_version version;
    } *metadata;
} ffi_metadata;

typedef struct {
    size_t size;
    ffi_metadata *extension;
    const ffi_api *api;
    void *context;
    int stage;
    ffi_buffers in, out; // attributes follow
} ffi_frame;

// ffi_values is how many values a buffer has.
static inline long ffi_values(const ffi_buffer *b) {
    long n = 1;
    for (int64_t i = 0; i < b->rank; i++) n *= b->dims[i];
    return n;
}

// ffi_executes says whether a call is to be done now. One that asks for the version is answered.
static inline int ffi_executes(ffi_frame *f) {
    if (f->extension && f->extension->type == METADATA) {
        f->extension->metadata->version.major = f->api->version.major;
        f->extension->metadata->version.minor = f->api->version.minor;
        return 0;
    }
    return f->stage == EXECUTING;
}

static inline void *ffi_failed(ffi_frame *f, int code, const char *message) {
    ffi_error error = {sizeof error, NULL, message, code};
    return f->api->create_error(&error);
}
