#ifdef __x86_64__
#define FEATURES "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma"
#define LANES 16
#define KERNELS kernels_avx512
#include "set.h"
#endif
