#define _GNU_SOURCE
#include "isa.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "tiles.h"

static const char *const names[ISA_COUNT] = {"plain", "avx2", "avx512", "avx512bf16", "amx"};

const char *isa_name(int isa) { return isa >= 0 && isa < ISA_COUNT ? names[isa] : ""; }

#ifdef __x86_64__
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

// amx says whether there are tiles for bf16: the processor has them, which compilers that
// are still about do not know by name, and Linux lets this process use them, whose threads
// then save 8 KB more when they are interrupted.
static int amx(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1) || !(d >> 24 & 1)) return 0;
#ifdef __linux__
    enum { REQUEST = 0x1023, TILE_DATA = 18 }; // ARCH_REQ_XCOMP_PERM of asm/prctl.h
    return !syscall(SYS_arch_prctl, REQUEST, TILE_DATA);
#else
    return 0;
#endif
}

int isa_best(void) {
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return ISA_PLAIN;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return ISA_AVX2;
    if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vnni")) return ISA_AVX512;
    return amx() ? ISA_AMX : ISA_AVX512BF16;
}
#else
int isa_best(void) { return ISA_PLAIN; }
#endif

// named is what GORQA_MAX_ISA names, ISA_COUNT if it names nothing, -1 if nothing known.
static int named(void) {
    const char *max = getenv("GORQA_MAX_ISA");
    if (!max || !*max) return ISA_COUNT;
    for (int i = 0; i < ISA_COUNT; i++)
        if (!strcmp(max, names[i])) return i;
    return -1;
}

int isa_known(void) { return named() >= 0; }

static atomic_int used = -1; // not asked for yet

void isa_limit(int isa) {
    const int best = isa_best();
    atomic_store(&used, isa < best ? isa : best);
}

int isa_used(void) {
    if (atomic_load(&used) < 0) isa_limit(isa_known() ? named() : ISA_COUNT);
    return atomic_load(&used);
}

const kernels *kernels_for(int bf16) {
    static const kernels *const sets[] = {
        [ISA_PLAIN] = &kernels_plain,
#ifdef __x86_64__
        [ISA_AVX2] = &kernels_avx2, [ISA_AVX512] = &kernels_avx512, [ISA_AVX512BF16] = &kernels_avx512bf16,
#endif
    };
    const int isa = isa_used(), most = bf16 ? ISA_AVX512BF16 : ISA_AVX512;
    return sets[isa < most ? isa : most];
}

const tile_kernels *tiles_in_use(void) {
#ifdef __x86_64__
    if (isa_used() >= ISA_AMX) return &tiles_amx;
#endif
    return NULL;
}
