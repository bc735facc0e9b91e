// A library that stands in for NCCL on a machine without a GPU: the calls that gorqa makes,
// over host memory that the processes of one machine share. Sums are taken in the order of a
// ring, as NCCL's. Each call checks what it is given; where a process does not come within
// 20 s it fails. GORQA_STANDIN_NCCL names what is to fail: "id", "join" or "later".
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { OK = 0, SYSTEM = 2, INTERNAL = 3, ARGUMENT = 4, USAGE = 5, F32 = 7, BF16 = 9, SUM = 0 };
enum { SLOT = 1 << 20, MOST = 16 }; // bytes at a time, processes

typedef struct { char path[128]; } id_of;
typedef struct {
	atomic_int arrived, round;
	_Alignas(64) char slots[MOST][SLOT];
} shared;
typedef struct { int size, rank, grouped; shared *memory; } communicator;

static communicator one;
static int exchanges;

static int fails(const char *what) { return getenv("GORQA_STANDIN_NCCL") && !strcmp(getenv("GORQA_STANDIN_NCCL"), what); }

// all waits for all processes.
static int all(communicator *c) {
	shared *m = c->memory;
	const int round = atomic_load(&m->round);
	if (atomic_fetch_add(&m->arrived, 1) == c->size - 1) {
		atomic_store(&m->arrived, 0);
		atomic_fetch_add(&m->round, 1);
		return OK;
	}
	for (int i = 0; atomic_load(&m->round) == round; i++) {
		if (i > 400000) return INTERNAL;
		nanosleep(&(struct timespec){0, 50000}, NULL);
	}
	return OK;
}

int ncclGetVersion(int *version) { return *version = 22809, OK; }
const char *ncclGetErrorString(int code) { return code == OK ? "no error" : code == SYSTEM ? "unhandled system error (stand-in)" : code == ARGUMENT ? "invalid argument (stand-in)" : "failed (stand-in)"; }
const char *ncclGetLastError(void *c) { return (void)c, fails("join") ? "this one was told to fail" : ""; }

int ncclGetUniqueId(id_of *id) {
	if (fails("id")) return SYSTEM;
	snprintf(id->path, sizeof id->path, "/dev/shm/gorqa-nccl-%d-%ld", (int)getpid(), (long)time(NULL));
	return OK;
}

int ncclCommInitRank(communicator **c, int size, id_of id, int rank) {
	const char *algorithm = getenv("NCCL_ALGO"), *protocol = getenv("NCCL_PROTO");
	if (!algorithm || strcmp(algorithm, "Ring") || !protocol || strcmp(protocol, "Simple") || size > MOST) return USAGE;
	if (fails("join") && rank == size - 1) return SYSTEM;
	int file = open(id.path, O_RDWR | O_CREAT, 0600);
	if (file < 0 || ftruncate(file, sizeof(shared))) return SYSTEM;
	one = (communicator){size, rank, 0, mmap(NULL, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)};
	close(file);
	if (one.memory == MAP_FAILED) return SYSTEM;
	int code = all(&one);
	if (!rank || code) unlink(id.path);
	*c = &one;
	return code;
}

int ncclCommAbort(communicator *c) { return (void)c, OK; }
int ncclCommGetAsyncError(communicator *c, int *code) { return *code = c->rank == 0 && fails("later") && exchanges > 6 ? SYSTEM : OK, OK; }
int ncclGroupStart(void) { return one.grouped++, OK; }
int ncclGroupEnd(void) { return one.grouped-- == 1 ? OK : USAGE; }

static float value(const char *slot, size_t i, int type) {
	if (type == F32) return ((const float *)slot)[i];
	uint32_t bits = (uint32_t)((const uint16_t *)slot)[i] << 16;
	float f;
	memcpy(&f, &bits, sizeof f);
	return f;
}

// good looks at what every call is given.
static int good(const void *in, const void *out, int type, communicator *c, void *stream) {
	exchanges++;
	return in && out && in != out && (type == F32 || type == BF16) && c == &one && one.grouped == 1 && stream ? OK : ARGUMENT;
}

// reduce sums values lo to hi of n over all processes, each of a part's in the order of the ring
// that begins behind its rank.
static int reduce(const char *in, float *out, size_t n, size_t lo, size_t hi, communicator *c) {
	const size_t step = SLOT / sizeof(float), each = (n + (size_t)c->size - 1) / (size_t)c->size;
	for (size_t at = 0; at < n; at += step) {
		const size_t most = n - at < step ? n - at : step;
		memcpy(c->memory->slots[c->rank], in + at * sizeof(float), most * sizeof(float));
		int code = all(c);
		if (code) return code;
		for (size_t i = at; i < at + most; i++) {
			if (i < lo || i >= hi) continue;
			float sum = 0;
			for (int r = 1; r <= c->size; r++) sum += value(c->memory->slots[((int)(i / each) + r) % c->size], i - at, F32);
			out[i - lo] = sum;
		}
		if ((code = all(c))) return code;
	}
	return OK;
}

int ncclAllReduce(const void *in, void *out, size_t n, int type, int by, communicator *c, void *stream) {
	if (good(in, out, type, c, stream) || type != F32 || by != SUM) return ARGUMENT;
	return reduce(in, out, n, 0, n, c);
}

int ncclReduceScatter(const void *in, void *out, size_t each, int type, int by, communicator *c, void *stream) {
	if (good(in, out, type, c, stream) || type != F32 || by != SUM) return ARGUMENT;
	return reduce(in, out, each * (size_t)c->size, each * (size_t)c->rank, each * ((size_t)c->rank + 1), c);
}

// spread copies what the processes have to all; from root alone where that is not negative.
static int spread(const char *in, char *out, size_t bytes, int root, communicator *c) {
	for (size_t at = 0; at < bytes; at += SLOT) {
		const size_t most = bytes - at < SLOT ? bytes - at : SLOT;
		memcpy(c->memory->slots[c->rank], in + at, most);
		int code = all(c);
		if (code) return code;
		for (int r = 0; r < c->size; r++)
			if (root < 0 || r == root) memcpy(out + at + (root < 0 ? (size_t)r * bytes : 0), c->memory->slots[r], most);
		if ((code = all(c))) return code;
	}
	return OK;
}

int ncclAllGather(const void *in, void *out, size_t each, int type, communicator *c, void *stream) {
	if (good(in, out, type, c, stream)) return ARGUMENT;
	return spread(in, out, each * (type == F32 ? 4 : 2), -1, c);
}

int ncclBroadcast(const void *in, void *out, size_t n, int type, int root, communicator *c, void *stream) {
	if (good(in, out, type, c, stream)) return ARGUMENT;
	return spread(in, out, n * (type == F32 ? 4 : 2), root, c);
}
