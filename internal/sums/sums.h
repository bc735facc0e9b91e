// Sums over n values. A bf16 value is the high half of a float.

#include <stdint.h>

void set_half(float *to, const uint16_t *d, long n);
void add_half(float *to, const uint16_t *d, long n);
void add_float(float *to, const float *d, long n);
