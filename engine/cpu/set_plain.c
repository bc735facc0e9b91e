#define LANES 4
#define KERNELS kernels_plain
#include "set.h"
