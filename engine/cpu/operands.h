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
