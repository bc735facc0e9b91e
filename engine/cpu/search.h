// The largest dot products of queries with rows. search.go explains them.

#pragma once

// A search over some rows [n, stride] of which width values are taken; of the rows the first has the index first, against queries
// [nq, width]. scores and index [nq, k] and found [nq] hold the best so far, best first.
typedef struct {
    const float *queries, *rows;
    const float *factors; // what a row's products are multiplied by, NULL for nothing
    long nq, n, width, stride, first, k;
    float *scores;
    int *index;
    int *found;
} search;

// The most rows of a panel.
enum { SEARCH_ROWS = 32 };

// search_rows goes on with a search. It gives 0, or -1 without memory.
int search_rows(search s);
