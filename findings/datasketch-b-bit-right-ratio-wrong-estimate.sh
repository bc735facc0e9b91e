#!/usr/bin/env bash
# datasketch 2.0.0, bBitMinHash: given r as documented ("expected ratio of set size to the size of the universe of all values",
# 0.0 only "if unknown") it estimates worse than without: two sets with nothing in common count as a quarter alike.
# Expected was an estimate near that of the MinHash it is made of, as with r=0.
#
# In the paper (Li and König, WWW 2010) the values themselves are permuted, so half of all ranks belong to a set of half the
# universe, and the lowest bits of two least ranks tend to agree. datasketch hashes the values to 32 bits first; of those a set
# takes up next to nothing, so the bits agree by chance alone, and that is r=0. The ratio to 2^32 doesn't do either from b=4 on:
# the formula has 2 * b where the paper has 2 to the power of b. Pull request 325 of its repository, merged after 2.0.0, puts
# this second thing right; where b is 1 or 2 it changes nothing.
#
# Seen on Python 3.11, numpy 2.4.6, 4096 permutations, a universe of 1000 words:
#   two sets of 500, 0 shared: jaccard 0.000, MinHash 0.000
#     b=1: r=0 -0.010, r=0.5 0.242, r=500/2**32 -0.010
#     b=2: r=0 0.007, r=0.5 0.202, r=500/2**32 0.007
#     b=4: r=0 0.004, r=0.5 0.067, r=500/2**32 -0.067
#     b=8: r=0 0.000, r=0.5 0.004, r=500/2**32 -0.062
#   two sets of 500, 250 shared: jaccard 0.333, MinHash 0.338
#     b=1: r=0 0.336, r=0.5 0.502, r=500/2**32 0.336
#     b=2: r=0 0.349, r=0.5 0.477, r=500/2**32 0.349
#     b=4: r=0 0.341, r=0.5 0.383, r=500/2**32 0.294
#     b=8: r=0 0.338, r=0.5 0.341, r=500/2**32 0.297
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  datasketch==2.0.0 numpy==2.4.6 scipy==1.17.1
"$work/v/bin/python" - <<'P' | tee "$work/seen"
from datasketch import MinHash, bBitMinHash
def sketch(numbers):
    made = MinHash(num_perm=4096, seed=1)
    made.update_batch(f"word {number}".encode() for number in numbers)
    return made
for size, shared in ((500, 0), (500, 250)):
    one, other = (sketch(range(start, start + size)) for start in (0, size - shared))
    print(f"two sets of {size}, {shared} shared: jaccard {shared / (2 * size - shared):.3f}, MinHash {one.jaccard(other):.3f}")
    for bits in (1, 2, 4, 8):
        ratios = {"0": 0.0, f"{size / 1000}": size / 1000, f"{size}/2**32": size / 2**32}
        found = {name: bBitMinHash(one, bits, r).jaccard(bBitMinHash(other, bits, r)) for name, r in ratios.items()}
        print(f"  b={bits}:", ", ".join(f"r={name} {estimate:.3f}" for name, estimate in found.items()))
P
diff "$work/seen" <(sed -n 's/^#   //p' "$0")
