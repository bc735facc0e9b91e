// The allocator under a page size that is not the machine's: SIZE, which sysconf says here.

#define _GNU_SOURCE
#include <unistd.h>

static long says(int name) { return name == _SC_PAGESIZE ? SIZE : sysconf(name); }
#define sysconf says
#include "../hostalloc_linux.c"
#undef sysconf

#include <stdio.h>

static int failures;

static void expect(int ok, const char *what) {
    if (!ok) failures++, fprintf(stderr, "pages of %d: %s\n", SIZE, what);
}

int main(void) {
    const int known = SIZE == 4096 || SIZE == 16384 || SIZE == 65536;
    static char *held[40];
    for (int round = 0; round < 50; round++)
        for (int i = 0; i < 40; i++) {
            const size_t size = (size_t)1000 << (i % 14);
            if (held[i]) {
                expect(held[i][0] == i && held[i][size - 1] == i, "a buffer does not keep what is written to it");
                free(held[i]);
            }
            held[i] = round % 2 ? malloc(size) : calloc(1, size);
            if (!held[i]) return 2;
            expect(round % 2 || (!held[i][0] && !held[i][size / 2] && !held[i][size - 1]), "calloc's memory is not zeros");
            held[i][0] = held[i][size - 1] = (char)i;
            expect(!!ours(held[i]) == (known && size >= LARGE), "who gave a buffer");
        }
    char *p = malloc(200000);
    p[199999] = 7;
    p = realloc(p, 4000000);
    expect(p && p[199999] == 7, "realloc loses what was there");
    free(p);
    void *q = NULL;
    expect(!posix_memalign(&q, 4096, 300000) && (uintptr_t)q % 4096 == 0, "posix_memalign");
    free(q);
    return failures != 0;
}
