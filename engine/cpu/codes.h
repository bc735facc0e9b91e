// The largest dot products of queries with rows, found over the rows' codes. codes.go explains them.

#pragma once

#include <stdint.h>

// CODE_ROWS rows are a panel of codes: for each four components 64 bytes, those of a row beside one
// another, of 128 + code; then, as CODE_ROWS floats each, the rows' scales, the lengths of what the
// codes leave out, and the rows' own lengths, both rounded up.
enum { CODE_ROWS = 16, CODE_PENDING = 8 };

// Queries are compared CODE_QUERIES at a time, two sums each, in registers, then CODE_FEW, then one.
// The codes of such a group are [steps, queries] units of four.
enum { CODE_QUERIES = 12, CODE_FEW = 4 };

// codes_steps is how many 64 bytes of a panel are codes, codes_panel a panel's bytes.
static inline long codes_steps(long width) { return (width + 3) / 4; }
static inline long codes_panel(long width) { return (codes_steps(width) + 3) * 64; }

// What a query is compared by, beside its own codes of a sign and 7 bits.
typedef struct {
    int start;           // -128 times their sum
    float scale;
    float rows;   // what the length of a row counts in the bound
    float errors; // and that of what its codes leave out
    int pending;  // rows that are still to be multiplied
    int row[CODE_PENDING];
} code_query;

// A search over rows [n, stride] from the index first on, and over their codes.
typedef struct {
    const float *queries, *rows; // [nq, width], and [n, stride] of which width are taken
    const float *factors;        // as of search
    const uint8_t *codes;
    const int8_t *units; // the codes of the queries
    code_query *coded;   // [nq]
    long nq, n, width, stride, first, k;
    float *scores; // as of search
    int *index;
    int *found;
} code_search;

// codes_there says whether there are kernels for codes.
int codes_there(void);

// codes_set makes the panels of rows [n, stride] times their factors.
void codes_set(uint8_t *panels, const float *rows, const float *factors, long n, long width, long stride);

// codes_queries makes the codes of queries [nq, width].
void codes_queries(code_query *coded, int8_t *units, const float *queries, long nq, long width);

// codes_search goes on with a search.
void codes_search(code_search s);
