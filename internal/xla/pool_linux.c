// The memory of large buffers is kept for the next buffer of that size. XLA
// allocates every output and every scratch buffer anew at each call, in sizes
// that repeat from layer to layer and step to step; glibc would give the pages
// back and have the kernel clear new ones each time (docs/engine.md has the
// counts). A program may define these functions itself: see "Replacing malloc"
// in glibc's manual. Buffers under LARGE stay glibc's, in one arena a processor:
// it would make eight, and what each keeps free of XLA's many threads is lost.

#include <features.h>
#ifdef __GLIBC__

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    LARGE = 1 << 20,   // from this size on a buffer is ours
    HUGE = 2 << 20,    // its address is a multiple of this, a huge page's size
    PAGE = 1 << 12,    // its header is the page before it
    STEP = 1 << 16,    // its size is a multiple of this
    SLACK = 32 << 20,  // how much more may be held than was ever in use
    KEPT = 4096,       // how many buffers may be kept
};

// header lies a page before a buffer. glibc's own chunks have their size right
// before them, so that page can always be read.
typedef struct {
    uint64_t mark; // the buffer's address, times a number that nobody else writes
    size_t size;
} header;

static const uint64_t MARK = 0x9E3779B97F4A7C15u;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *kept[KEPT]; // free buffers, the oldest first
static int count;
static size_t used, held, most; // bytes in use, kept, and the most ever in use

void *__libc_memalign(size_t align, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

__attribute__((constructor)) static void arenas(void) {
    mallopt(M_ARENA_MAX, (int)sysconf(_SC_NPROCESSORS_ONLN));
}

static header *head(const void *p) { return (header *)((char *)p - PAGE); }

static int ours(const void *p) {
    return p && (uintptr_t)p % HUGE == 0 && head(p)->mark == (uintptr_t)p * MARK;
}

// let_go gives the oldest kept buffer back to the system.
static void let_go(void) {
    char *p = kept[0];
    size_t size = head(p)->size;
    memmove(kept, kept + 1, sizeof(kept[0]) * --count);
    held -= size;
    munmap(p - PAGE, size + PAGE);
}

static void *map(size_t size) {
    char *from = mmap(NULL, size + HUGE + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (from == MAP_FAILED) return NULL;
    char *p = (char *)(((uintptr_t)from + PAGE + HUGE - 1) / HUGE * HUGE), *end = from + size + HUGE + PAGE;
    if (p - PAGE > from) munmap(from, p - PAGE - from);
    if (end > p + size) munmap(p + size, end - p - size);
    madvise(p, size / HUGE * HUGE, MADV_HUGEPAGE);
    *head(p) = (header){(uintptr_t)p * MARK, size};
    return p;
}

static void *take(size_t size) {
    size = (size + STEP - 1) / STEP * STEP;
    pthread_mutex_lock(&lock);
    used += size;
    if (used > most) most = used;
    for (int i = count - 1; i >= 0; i--) {
        char *p = kept[i];
        if (head(p)->size != size) continue;
        memmove(kept + i, kept + i + 1, sizeof(kept[0]) * (--count - i));
        held -= size;
        pthread_mutex_unlock(&lock);
        return p;
    }
    while (count > 0 && used + held > most + SLACK) let_go();
    pthread_mutex_unlock(&lock);
    void *p = map(size);
    if (!p) {
        pthread_mutex_lock(&lock);
        used -= size;
        pthread_mutex_unlock(&lock);
    }
    return p;
}

static void keep(void *p) {
    pthread_mutex_lock(&lock);
    if (count == KEPT) let_go();
    used -= head(p)->size;
    held += head(p)->size;
    kept[count++] = p;
    while (used + held > most + SLACK) let_go();
    pthread_mutex_unlock(&lock);
}

void *memalign(size_t align, size_t size) {
    return size < LARGE || align > HUGE ? __libc_memalign(align, size) : take(size);
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

void *realloc(void *p, size_t size) {
    if (!ours(p)) return __libc_realloc(p, size);
    if (size <= head(p)->size) return p;
    void *q = take(size);
    if (!q) return NULL;
    memcpy(q, p, head(p)->size);
    keep(p);
    return q;
}

#endif
