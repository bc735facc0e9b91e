#include "adamw.h"

#include "kernels.h"

void adamw(adamw_step s, adamw_weights w, long n) { kernels_for(0)->adamw(&s, &w, n); }
void adamw_coded(adamw_step s, adamw_weights w, coded_moments c, const moment_maps *maps, long n) {
    kernels_for(0)->adamw_coded(&s, &w, &c, maps, n);
}
void split(const float *x, uint16_t *bf16, int16_t *residual, long n) { kernels_for(0)->split(x, bf16, residual, n); }
void join(float *x, const uint16_t *bf16, const int16_t *residual, long n) { kernels_for(0)->join(x, bf16, residual, n); }
void accumulate_bf16(float *to, const uint16_t *d, long n, int first) { kernels_for(0)->accumulate_bf16(to, d, n, first); }
void accumulate_f32(float *to, const float *d, long n) { kernels_for(0)->accumulate_f32(to, d, n); }
