#ifdef __x86_64__
#define FEATURES "avx2,fma"
#define LANES 8
#define KERNELS kernels_avx2
#include "set.h"
#endif
