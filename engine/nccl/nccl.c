#include "nccl.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../cpu/ffi.h"

// Numbers of NCCL, the same in all of its versions 2.
enum { NCCL_OK = 0, NCCL_F32 = 7, NCCL_BF16 = 9, NCCL_SUM = 0 };

typedef struct { char bytes[NCCL_ID]; } unique_id;
typedef void *communicator, *stream;

static struct {
    int (*version)(int *version);
    int (*new_id)(unique_id *id);
    int (*join)(communicator *c, int size, unique_id id, int rank);
    int (*abort)(communicator c);
    int (*state)(communicator c, int *code);
    const char *(*in_words)(int code);
    const char *(*last)(communicator c);
    int (*begin)(void);
    int (*end)(void);
    int (*all_reduce)(const void *in, void *out, size_t n, int type, int by, communicator c, stream s);
    int (*reduce_scatter)(const void *in, void *out, size_t each, int type, int by, communicator c, stream s);
    int (*all_gather)(const void *in, void *out, size_t each, int type, communicator c, stream s);
    int (*broadcast)(const void *in, void *out, size_t n, int type, int root, communicator c, stream s);
} nccl;

static const struct {
    const char *name;
    void *at;
} entries[] = {
    {"ncclGetVersion", &nccl.version},
    {"ncclGetUniqueId", &nccl.new_id},
    {"ncclCommInitRank", &nccl.join},
    {"ncclCommAbort", &nccl.abort},
    {"ncclCommGetAsyncError", &nccl.state},
    {"ncclGetErrorString", &nccl.in_words},
    {"ncclGetLastError", &nccl.last},
    {"ncclGroupStart", &nccl.begin},
    {"ncclGroupEnd", &nccl.end},
    {"ncclAllReduce", &nccl.all_reduce},
    {"ncclReduceScatter", &nccl.reduce_scatter},
    {"ncclAllGather", &nccl.all_gather},
    {"ncclBroadcast", &nccl.broadcast},
};

// The communicator of this process, NULL before nccl_join and after a failure.
static _Atomic(communicator) joined;

// said puts a code in NCCL's words into text, and gives it.
static int said(const char *what, int code, char *text) {
    if (!code) return 0;
    const char *last = nccl.last(NULL);
    snprintf(text, NCCL_TEXT, "%s: %s%s%s", what, nccl.in_words(code), last && *last ? ": " : "", last ? last : "");
    for (char *end = text + strlen(text); end > text && (end[-1] == '\n' || end[-1] == ' ');) *--end = 0;
    return code;
}

int nccl_load(const char *path, int *version, char *text) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(text, NCCL_TEXT, "%s", dlerror());
        return 1;
    }
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *found = dlsym(library, entries[i].name);
        if (!found) {
            snprintf(text, NCCL_TEXT, "%s has no %s; NCCL 2.13 or later expected", path, entries[i].name);
            return 1;
        }
        memcpy(entries[i].at, &found, sizeof found);
    }
    return said("ncclGetVersion", nccl.version(version), text);
}

int nccl_new_id(char *id, char *text) {
    unique_id new;
    int code = nccl.new_id(&new);
    if (!code) memcpy(id, new.bytes, NCCL_ID);
    return said("ncclGetUniqueId", code, text);
}

int nccl_join(const char *id, int size, int rank, char *text) {
    unique_id of;
    communicator c = NULL;
    memcpy(of.bytes, id, NCCL_ID);
    int code = nccl.join(&c, size, of, rank);
    if (!code) atomic_store(&joined, c);
    return said("ncclCommInitRank", code, text);
}

void nccl_end(void) {
    communicator c = atomic_exchange(&joined, NULL);
    if (c) nccl.abort(c);
}

int nccl_state(char *text) {
    communicator c = atomic_load(&joined);
    int code = NCCL_OK;
    if (!c) return 0;
    int failed = nccl.state(c, &code);
    if (!failed) failed = code;
    return said("NCCL", failed, text);
}

static int move(int call, const ffi_buffer *in, const ffi_buffer *out, communicator c, stream s) {
    const int type = in->dtype == FFI_BF16 ? NCCL_BF16 : NCCL_F32;
    switch (call) {
    case NCCL_ALL_REDUCE: return nccl.all_reduce(in->data, out->data, ffi_values(in), type, NCCL_SUM, c, s);
    case NCCL_REDUCE_SCATTER: return nccl.reduce_scatter(in->data, out->data, ffi_values(out), type, NCCL_SUM, c, s);
    case NCCL_ALL_GATHER: return nccl.all_gather(in->data, out->data, ffi_values(in), type, c, s);
    }
    return nccl.broadcast(in->data, out->data, ffi_values(in), type, 0, c, s);
}

// handle puts the exchange of all of a call's buffers on its stream, behind what it computed.
static void *handle(ffi_frame *f, int call) {
    char text[NCCL_TEXT] = "NCCL has failed before";
    if (!ffi_executes(f)) return NULL;
    ffi_stream on = {sizeof on, NULL, f->context, NULL};
    void *error = f->api->get_stream(&on);
    if (error) return error;
    communicator c = atomic_load(&joined);
    int code = !c;
    for (int64_t i = 0; !code && i < f->in.count; i++)
        if (f->in.list[i]->dtype != FFI_F32 && f->in.list[i]->dtype != FFI_BF16) {
            snprintf(text, sizeof text, "NCCL: values of XLA's type %d; f32 or bf16 expected", f->in.list[i]->dtype);
            code = 1;
        }
    if (!code && !(code = said("ncclGroupStart", nccl.begin(), text))) {
        for (int64_t i = 0; !code && i < f->in.count; i++) code = said("NCCL", move(call, f->in.list[i], f->out.list[i], c, on.stream), text);
        const int ended = nccl.end();
        if (!code) code = said("ncclGroupEnd", ended, text);
    }
    if (!code) return NULL;
    return ffi_failed(f, INTERNAL, text);
}

static void *all_reduce(ffi_frame *f) { return handle(f, NCCL_ALL_REDUCE); }
static void *reduce_scatter(ffi_frame *f) { return handle(f, NCCL_REDUCE_SCATTER); }
static void *all_gather(ffi_frame *f) { return handle(f, NCCL_ALL_GATHER); }
static void *broadcast(ffi_frame *f) { return handle(f, NCCL_BROADCAST); }

void *nccl_handler(int call) {
    switch (call) {
    case NCCL_ALL_REDUCE: return (void *)all_reduce;
    case NCCL_REDUCE_SCATTER: return (void *)reduce_scatter;
    case NCCL_ALL_GATHER: return (void *)all_gather;
    }
    return (void *)broadcast;
}
