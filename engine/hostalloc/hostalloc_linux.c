// The memory of large buffers is kept for the next buffer of about that size. XLA
// allocates every output and every scratch buffer anew at each call, and so does
// go-xla what it shares with it; glibc would give the pages back and have the kernel
// clear new ones each time, or keep them where nothing else fits (docs/engine.md has
// the counts). A program may define these functions itself: see "Replacing malloc" in
// glibc's manual. Buffers under LARGE stay glibc's, in one arena a processor: it would
// make eight, and what each keeps free of XLA's many threads is lost.

#define _GNU_SOURCE
#include <features.h>
#ifdef __GLIBC__

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    LARGE = 1 << 17,  // from this size on a buffer is ours
    NEAR = 1 << 16,   // its address is a multiple of this,
    HUGE = 2 << 20,   // and if it is as large as a huge page, of this
    SLACK = 32 << 20, // how much more may be held than was ever in use
    CLASSES = 24,     // of buffers that have room for LARGE << class bytes
    KEPT = 1024,      // how many buffers of a class may be kept
};

// page is the system's, of which a buffer's header has one before it: 4, 16 or 64 KB. It is 0
// before the program has asked, and where it is another size: malloc is glibc's alone then.
static size_t page;

// header lies a page before a buffer. glibc's own chunks have their size right
// before them, so that page can always be read.
typedef struct {
    uint64_t mark;  // the buffer's address, times a number that nobody else writes
    size_t touched; // how much of it was ever in use, so that it has pages
    int class;
} header;

static const uint64_t MARK = 0x9E3779B97F4A7C15u;

// spare is a free buffer.
typedef struct {
    char *p;
    size_t touched;
    uint64_t since;
} spare;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static spare kept[CLASSES][KEPT]; // the oldest first
static int count[CLASSES];
static uint64_t turn;
static size_t used, held, most; // touched bytes in use, kept, and the most ever in use

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_memalign(size_t align, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

__attribute__((constructor)) static void begin(void) {
    const long size = sysconf(_SC_PAGESIZE);
    if (size != 4 << 10 && size != 16 << 10 && size != 64 << 10) return;
    page = (size_t)size;
    mallopt(M_ARENA_MAX, (int)sysconf(_SC_NPROCESSORS_ONLN));
}

static header *head(const void *p) { return (header *)((char *)p - page); }

static int ours(const void *p) {
    return page && p && (uintptr_t)p % NEAR == 0 && head(p)->mark == (uintptr_t)p * MARK;
}

static size_t room(int class) { return (size_t)LARGE << class; }

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

// without removes a spare buffer from those kept.
static spare without(int class, int i) {
    spare s = kept[class][i];
    memmove(kept[class] + i, kept[class] + i + 1, sizeof s * (--count[class] - i));
    held -= s.touched;
    return s;
}

// let_go gives the buffer that was kept for the longest back to the system.
static void let_go(void) {
    int class = -1;
    for (int c = 0; c < CLASSES; c++)
        if (count[c] && (class < 0 || kept[c][0].since < kept[class][0].since)) class = c;
    munmap(without(class, 0).p - page, room(class) + page);
}

static void *map(int class, size_t size) {
    size_t all = room(class), align = all < HUGE ? NEAR : HUGE;
    char *from = mmap(NULL, all + align + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (from == MAP_FAILED) return NULL;
    char *p = (char *)(((uintptr_t)from + page + align - 1) / align * align), *end = from + all + align + page;
    if (p - page > from) munmap(from, p - page - from);
    if (end > p + all) munmap(p + all, end - p - all);
    madvise(p, size / HUGE * HUGE, MADV_HUGEPAGE);
    *head(p) = (header){(uintptr_t)p * MARK, size, class};
    return p;
}

// large says whether a buffer of that size is ours to give.
static int large(size_t size) { return page && size >= LARGE; }

// take gives a buffer, of pages that are there if it can; fresh says that they are new
// and all zeros.
static void *take(size_t size, int *fresh) {
    int class = 0;
    while (class < CLASSES && room(class) < size) class++;
    if (class == CLASSES) return NULL;
    pthread_mutex_lock(&lock);
    int best = -1;
    for (int i = count[class] - 1; i >= 0; i--) {
        size_t here = kept[class][i].touched, there = best < 0 ? 0 : kept[class][best].touched;
        if (best < 0 || (here >= size ? there < size || here < there : here > there)) best = i;
    }
    char *p = NULL;
    if (best >= 0) {
        p = without(class, best).p;
        head(p)->touched = larger(head(p)->touched, size);
    }
    size_t touched = p ? head(p)->touched : size;
    used += touched;
    most = larger(most, used);
    while (held && used + held > most + SLACK) let_go();
    pthread_mutex_unlock(&lock);
    *fresh = !p;
    if (p || (p = map(class, size))) return p;
    pthread_mutex_lock(&lock);
    used -= touched;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void keep(char *p) {
    const header *h = head(p);
    pthread_mutex_lock(&lock);
    while (count[h->class] == KEPT) let_go();
    used -= h->touched;
    held += h->touched;
    kept[h->class][count[h->class]++] = (spare){p, h->touched, turn++};
    while (held && used + held > most + SLACK) let_go();
    pthread_mutex_unlock(&lock);
}

void *malloc(size_t size) {
    int fresh;
    return large(size) ? take(size, &fresh) : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    size_t all;
    int fresh;
    if (__builtin_mul_overflow(n, size, &all) || !large(all)) return __libc_calloc(n, size);
    void *p = take(all, &fresh);
    return p && !fresh ? memset(p, 0, all) : p;
}

void *memalign(size_t align, size_t size) {
    int fresh;
    return large(size) && align <= (size < HUGE ? NEAR : HUGE) ? take(size, &fresh) : __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size) { return memalign(align, size); }

int posix_memalign(void **out, size_t align, size_t size) {
    if (align % sizeof(void *) || (align & (align - 1)) || !align) return EINVAL;
    void *p = memalign(align, size);
    if (!p) return ENOMEM;
    *out = p;
    return 0;
}

void free(void *p) {
    if (ours(p))
        keep(p);
    else
        __libc_free(p);
}

size_t malloc_usable_size(void *p) {
    if (ours(p)) return head(p)->touched;
    size_t (*glibc)(void *) = (size_t(*)(void *))dlsym(RTLD_NEXT, "malloc_usable_size");
    return glibc(p);
}

void *realloc(void *p, size_t size) {
    if (!ours(p)) return __libc_realloc(p, size);
    const size_t touched = head(p)->touched;
    if (size <= touched) return p;
    int fresh;
    void *q = take(size, &fresh);
    if (!q) return NULL;
    memcpy(q, p, touched);
    keep(p);
    return q;
}

#endif
