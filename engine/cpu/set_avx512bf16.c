#ifdef __x86_64__
#define FEATURES "avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx512vnni,avx2,fma"
#define LANES 16
#define BF16_PRODUCTS
#define KERNELS kernels_avx512bf16
#include "set.h"
#endif
