#include "codes.h"

#include "kernels.h"

int codes_there(void) { return kernels_for(1)->codes_search != 0; }

void codes_set(uint8_t *panels, const float *rows, const float *factors, long n, long width, long stride) {
    kernels_for(1)->codes_set(panels, rows, factors, n, width, stride);
}

void codes_queries(code_query *coded, int8_t *units, const float *queries, long nq, long width) {
    long group = CODE_QUERIES;
    for (long q = 0; q < nq; q += group) {
        while (q + group > nq) group = group > CODE_FEW ? CODE_FEW : 1;
        for (long i = 0; i < group; i++)
            kernels_for(1)->codes_query(coded + q + i, units + (q * codes_steps(width) + i) * 4, 4 * group, queries + (q + i) * width, width);
    }
}

void codes_search(code_search s) { kernels_for(1)->codes_search(&s); }
