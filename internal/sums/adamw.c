#include <stddef.h>

#include "sums.h"

#include "../flash/isa.h"

#define KERNEL "../sums/adamw.h"
#include "../flash/widths.h"

void adamw(float *w, uint16_t *high, int16_t *low, float *m, float *v, const float *g, long n, const struct step *s) {
    WIDEST(adamw)(w, high, low, m, v, g, n, s);
}
