// What a query keeps of the rows that it is offered: its k best.

// offer enters a row among the k best of a query, after those of the same score.
static void offer(const search *s, long q, float score, int row) {
    float *scores = s->scores + q * s->k;
    int *index = s->index + q * s->k;
    long at = s->found[q];
    if (at == s->k) {
        if (!(score > scores[at - 1])) return;
        at--;
    } else {
        s->found[q]++;
    }
    for (; at > 0 && score > scores[at - 1]; at--) {
        scores[at] = scores[at - 1];
        index[at] = index[at - 1];
    }
    scores[at] = score;
    index[at] = row;
}
