// All kernels for one set of instructions. A file set_*.c defines:
//   FEATURES       of the processor, for the compiler; without it the plain ones
//   LANES          floats of a vector
//   BF16_PRODUCTS  where bf16 is multiplied as such; the kernels for f32 are another set's then
//   KERNELS        the table's name

#include "kernels.h"
#include "simd.h"

#include "operands.h"
#ifdef BF16_PRODUCTS
#define GEMM_ROWS 6
#define GEMM_VECTORS 4
#else
#define GEMM_ROWS (LANES == 16 ? 8 : 4)
#define GEMM_VECTORS 3
#endif

#include "attention_vectors.h"
#include "attention_kernel.h"
#include "decode_kernel.h"
#include "gemm_kernel.h"
#include "search_offer.h"
#ifdef BF16_PRODUCTS
#include "codes_kernel.h"
#else
#include "elementwise_kernel.h"
#include "layer_kernel.h"
#include "search_kernel.h"
#endif

const kernels KERNELS = {
    .attention = &(const attention_kernels){forward, backward},
    .gemm_rows = GEMM_ROWS,
    .gemm_panel = GEMM_PANEL,
    .gemm_step = STEP,
    .gemm_block = gemm_block,
    .gemm_pack = gemm_pack,
    .gemm_pack_right = gemm_pack_right,
    .decode_gemm = decode_gemm_part,
    .decode_attention = decode_head_part,
    .round_bf16 = decode_round,
#ifdef BF16_PRODUCTS
    .codes_set = set_codes,
    .codes_query = set_query,
    .codes_search = search_codes,
#else
    .norm = norm,
    .norm_vjp = norm_vjp,
    .rotate = rotate,
    .activate = activate,
    .gate = gate,
    .gate_vjp = gate_vjp,
    .soft_cap = cap_values,
    .accumulate_bf16 = add_bf16,
    .accumulate_f32 = add_f32,
    .split = split_values,
    .join = join_values,
    .search = search_panels,
    .adamw = move_weights,
    .adamw_coded = move_coded,
#endif
};
#ifdef FEATURES
TARGET_END
#endif
