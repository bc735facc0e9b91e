#!/usr/bin/env bash
# ml_dtypes 0.6.0: of an array of bfloat16 (or of 8-bit floats) that holds a NaN, numpy's sort is no sorted array, and the
# functions that are there for NaN pass it through, without a word. Expected was what float16 gives: numpy's pages say that
# NaN is sorted to the end, and that nansum, nanmean and nan_to_num take NaN for zero or leave it out.
#
# The order of the numbers before and after the NaN stays wrong, so the best passages of argsort(-scores) are not the best;
# unique, partition, lexsort and searchsorted inherit it. nanargmax finds the NaN. nanmax and nanmedian do skip it, so a
# test with one of these looks well. bfloat16 is no np.floating, which is what these functions ask. The README has
# a part on quirks, which is about sums that stop growing, and nothing of NaN. Issue 346 there has nan_to_num, which is
# called more or less expected, as numpy does not know bfloat16; sort is not mentioned.
#
# Seen on Python 3.11, ml_dtypes 0.6.0, numpy 2.4.6; the scores are 3, nan, 1, 5, 2, and of these 3, 0 and 4 are the best three:
#   float16: sort [1, 2, 3, 5, nan], best [3, 0, 4], nansum 11, nanmean 2.75, nan_to_num [3, 0, 1, 5, 2], nanargmax 3, nanmax 5
#   bfloat16: sort [3, nan, 1, 2, 5], best [0, 1, 3], nansum nan, nanmean nan, nan_to_num [3, nan, 1, 5, 2], nanargmax 1, nanmax 5
#   float8_e4m3fn: sort [3, nan, 1, 2, 5], best [0, 1, 3], nansum nan, nanmean nan, nan_to_num [3, nan, 1, 5, 2], nanargmax 1, nanmax 5
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --no-compile --disable-pip-version-check numpy==2.4.6 ml_dtypes==0.6.0
"$work/v/bin/python" -W error - <<'E' | tee "$work/seen"
import ml_dtypes, numpy as np
for kind in (np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn):
    x = np.array([3, np.nan, 1, 5, 2], kind)
    show = lambda a: "[" + ", ".join(f"{float(v):g}" for v in a) + "]"
    print(f"{x.dtype.name}: sort {show(np.sort(x))}, best {np.argsort(-x)[:3].tolist()}, nansum {float(np.nansum(x)):g}, "
          f"nanmean {float(np.nanmean(x)):g}, nan_to_num {show(np.nan_to_num(x))}, nanargmax {np.nanargmax(x)}, nanmax {float(np.nanmax(x)):g}")
E
diff "$work/seen" - <<'E'
float16: sort [1, 2, 3, 5, nan], best [3, 0, 4], nansum 11, nanmean 2.75, nan_to_num [3, 0, 1, 5, 2], nanargmax 3, nanmax 5
bfloat16: sort [3, nan, 1, 2, 5], best [0, 1, 3], nansum nan, nanmean nan, nan_to_num [3, nan, 1, 5, 2], nanargmax 1, nanmax 5
float8_e4m3fn: sort [3, nan, 1, 2, 5], best [0, 1, 3], nansum nan, nanmean nan, nan_to_num [3, nan, 1, 5, 2], nanargmax 1, nanmax 5
E
