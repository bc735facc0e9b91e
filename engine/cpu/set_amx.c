#ifdef __x86_64__
#define FEATURES "avx512f,avx512dq,avx512vl,avx512bw,avx512bf16,avx512vnni,amx-tile,amx-bf16,avx2,fma"
#define LANES 16
#define BF16_PRODUCTS
#define TILES
#define KERNELS kernels_amx
#include "set.h"
#endif
