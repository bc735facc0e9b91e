#!/usr/bin/env bash
# safetensors 0.8.0, safetensors.numpy.save and save_file: an array that is not in C order (a transposed weight, a matrix of
# scikit-learn's or LAPACK's) is written as it lies in memory under the shape it has: other numbers, without a word.
# Expected were its numbers, as 0.7.0 wrote them, or the ValueError that safetensors.torch has for such tensors.
#
# What one does to carry weights from one library to another is {"weight": kernel.T}: the file has the right names,
# shapes and types, every reader takes it, and the model answers nonsense. A part (a[:, :2]) has numbers that are none
# of its own. bfloat16 likewise; big-endian arrays are put right, as byteswap makes a copy. The docstring says that
# tensors "need to be contiguous and dense", and said so when it was no matter. Issue 825 of its repository.
#
# Seen on Python 3.11, safetensors 0.8.0 and 0.7.0, numpy 2.4.6, ml_dtypes 0.6.0; a is [[0, 1, 2], [3, 4, 5]]:
#   0.7.0: a.T [[0, 3], [1, 4], [2, 5]]; bfloat16 [[0, 3], [1, 4], [2, 5]]; Fortran [[0, 1, 2], [3, 4, 5]]; a[:, :2] [[0, 1], [3, 4]]
#   0.8.0: a.T [[0, 1], [2, 3], [4, 5]]; bfloat16 [[0, 1], [2, 3], [4, 5]]; Fortran [[0, 3, 1], [4, 2, 5]]; a[:, :2] [[0, 1], [2, 3]]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/v"
"$work/v/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 ml_dtypes==0.6.0
for version in 0.7.0 0.8.0; do
  "$work/v/bin/pip" install --quiet --disable-pip-version-check safetensors==$version
  "$work/v/bin/python" - "$work/a.safetensors" <<'E'
import sys, ml_dtypes, numpy as np, safetensors
from safetensors.numpy import load_file, save_file
a = np.arange(6, dtype=np.float32).reshape(2, 3)
given = {"a.T": a.T, "bfloat16": a.T.astype(ml_dtypes.bfloat16, order="K"), "Fortran": np.asfortranarray(a), "a[:, :2]": a[:, :2]}
save_file(given, sys.argv[1])
back = load_file(sys.argv[1])
assert all(back[k].shape == v.shape and back[k].dtype == v.dtype for k, v in given.items())
print(safetensors.__version__ + ":", "; ".join(f"{k} {back[k].astype(int).tolist()}" for k in given))
E
done | tee "$work/seen"
diff "$work/seen" - <<'E'
0.7.0: a.T [[0, 3], [1, 4], [2, 5]]; bfloat16 [[0, 3], [1, 4], [2, 5]]; Fortran [[0, 1, 2], [3, 4, 5]]; a[:, :2] [[0, 1], [3, 4]]
0.8.0: a.T [[0, 1], [2, 3], [4, 5]]; bfloat16 [[0, 1], [2, 3], [4, 5]]; Fortran [[0, 3, 1], [4, 2, 5]]; a[:, :2] [[0, 1], [2, 3]]
E
