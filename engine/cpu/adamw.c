#include <stddef.h>

#include "gradient.h"

#include "isa.h"

#define KERNEL "adamw_kernel.h"
#include "widths.h"

void adamw(float *w, uint16_t *high, int16_t *low, float *m, float *v, const float *g, long n, const struct step *s) {
    WIDEST(adamw)(w, high, low, m, v, g, n, s);
}
