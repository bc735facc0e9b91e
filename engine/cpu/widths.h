// Includes KERNEL, a path from here, for each width of vector registers, with the
// LANES of floats in one. The order does not matter.

#ifdef WIDE_X86
#define ISA _avx512
#define LANES 16
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
#include KERNEL
#pragma GCC pop_options
#undef ISA
#undef LANES

#define ISA _avx2
#define LANES 8
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#include KERNEL
#pragma GCC pop_options
#undef ISA
#undef LANES
#endif

#define ISA _plain
#define LANES 4
#include KERNEL
#undef ISA
#undef LANES
#undef KERNEL
