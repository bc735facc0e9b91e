#include <stddef.h>

#include "sums.h"

#include "../flash/isa.h"

#define KERNEL "../sums/adamw.h"
#include "../flash/widths.h"

void adamw(float *w, float *m, float *v, const float *g, uint16_t *half, long n, const struct step *s) {
    WIDEST(adamw)(w, m, v, g, half, n, s);
}
