// Attention over trees, tile by tile. Package flash explains the arguments.

#define TILE 64

// shape is what the kernels are told about one batch.
typedef struct {
    int positions, padded; // S, and S rounded up to whole tiles
    int heads, kv, width;  // H, N, C
    int slide;             // sliding window in depth, 0 for none
    int half;              // products of bf16 will do
    float scale;           // of the scores
} shape;

// flash_wide is C, rounded up to whole vectors, in what is summed by parts.
static inline int flash_wide(const shape *s) { return (s->width + 31) / 32 * 32; }

// What a tile of queries sees of a tile of keys: sees[query tile * tiles + key tile].
enum { NOTHING, PART, ALL };

// forward and backward do the items from..to; item i is the tile of queries
// i % tiles of head i / tiles.
typedef void forward_kernel(const shape *s, int from, int to, const float *q, const float *k, const float *v,
                            const unsigned char *sees, const int *depth, const int *start, const int *reach, float *o,
                            float *lse);
typedef void backward_kernel(const shape *s, int from, int to, const float *q, const float *k, const float *v,
                             const float *o, const float *lse, const float *dO, const unsigned char *sees,
                             const int *depth, const int *start, const int *reach, float *dq, float *dk, float *dv);

// Both divide the items into parts, of which part i ends at bounds[i + 1], and share
// them by share_run of package share. sums [parts, 2, N, padded, flash_wide] is
// room for each part's dk and dv, all zeros.
void flash_share_by(void *run);
void flash_forward(const shape *s, const int *bounds, int parts, const float *q, const float *k, const float *v,
                   const unsigned char *sees, const int *depth, const int *start, const int *reach, float *o,
                   float *lse);
void flash_backward(const shape *s, const int *bounds, int parts, const float *q, const float *k, const float *v,
                    const float *o, const float *lse, const float *dO, const unsigned char *sees, const int *depth,
                    const int *start, const int *reach, float *sums, float *dq, float *dk, float *dv);
