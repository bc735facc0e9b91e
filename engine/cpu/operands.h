// What is multiplied: bf16 where BF16_PRODUCTS is defined, else f32.

#ifdef BF16_PRODUCTS
#include "operands_bf16.h"
#else
#include "operands_f32.h"
#endif

// left is what stands on the left of a product: row r and step s at r·row + s·step.
typedef struct {
    const unit *at;
    long row, step;
} left;

// transpose_whole packs as transpose does, and zeros up to so many steps.
INLINE void transpose_whole(unit *to, long ld, long steps, const void *from, long stride, long k, long rows, const int bf16) {
    const long own = (k + STEP - 1) / STEP;
    transpose(to, ld, from, stride, k, rows, bf16);
    memset(to + own * ld, 0, (steps - own) * ld * sizeof *to);
}
