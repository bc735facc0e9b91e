#!/usr/bin/env bash
# npyjs 1.2.0 (npm, numpy's files in JavaScript): dump writes other numbers than it is given, and numpy loads them without a word. Times in
# seconds are a minute off, a typed array for which a dtype is named is other numbers, a table is zeros. Expected were the numbers, or an error.
#
# Of an array of JavaScript's numbers, which are doubles, it makes float32 as soon as one of them is no integer (or is NaN) and none is
# too great for it: integers above 16777216 lose digits because of a score beside them. The README says only that the type is
# inferred. With a dtype, which plain arrays are converted to, a typed array gets the header of the one type over the bytes of the
# other; where they are as many bytes or more, numpy takes them. Of a table the type is inferred from the first row, and each row
# becomes one zero. (TypeScript refuses the table, JavaScript doesn't.)
#
# Seen on Node 20, npyjs 1.2.0, loaded by numpy 2.4.6:
#   seconds, given as [1764473666.5, 1764473700.25]: float32 [1764473728.0, 1764473728.0]
#   seconds with a gap, given as [1764473666, NaN]: float32 [1764473728.0, nan]
#   ids and a score, given as [16777217, 16777219, 0.5]: float32 [16777216.0, 16777220.0, 0.5]
#   ids alone, given as [16777217, 16777219]: uint32 [16777217, 16777219]
#   Float64Array as f4, given as [1, 2, 3, 4]: float32 [0.0, 1.875, 0.0, 2.0]
#   Array as f4, given as [1, 2, 3, 4]: float32 [1.0, 2.0, 3.0, 4.0]
#   Float32Array as i4, given as [1, 2, 3, 4]: int32 [1065353216, 1073741824, 1077936128, 1082130432]
#   a table, given as [[1, 2], [300, 4]]: uint8 [0, 0]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund npyjs@1.2.0 >/dev/null 2>&1
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check numpy==2.4.6
cat > run.mjs <<'J'
import { writeFileSync } from "node:fs";
import { dump } from "npyjs";
const write = (name, ...given) => writeFileSync(name + ".npy", Buffer.from(dump(...given)));
write("seconds", [1764473666.5, 1764473700.25]);
write("seconds with a gap", [1764473666, NaN]);
write("ids and a score", [16777217, 16777219, 0.5]);
write("ids alone", [16777217, 16777219]);
write("Float64Array as f4", new Float64Array([1, 2, 3, 4]), [4], { dtype: "f4" });
write("Array as f4", [1, 2, 3, 4], [4], { dtype: "f4" });
write("Float32Array as i4", new Float32Array([1, 2, 3, 4]), [4], { dtype: "i4" });
write("a table", [[1, 2], [300, 4]]);
J
node run.mjs
v/bin/python - <<'P' | tee seen
import numpy
numbers = "[1, 2, 3, 4]"
for name, given in {"seconds": "[1764473666.5, 1764473700.25]", "seconds with a gap": "[1764473666, NaN]",
                    "ids and a score": "[16777217, 16777219, 0.5]", "ids alone": "[16777217, 16777219]", "Float64Array as f4": numbers,
                    "Array as f4": numbers, "Float32Array as i4": numbers, "a table": "[[1, 2], [300, 4]]"}.items():
    loaded = numpy.load(name + ".npy")
    print(f"{name}, given as {given}: {loaded.dtype} {loaded.tolist()}")
P
diff seen - <<'E'
seconds, given as [1764473666.5, 1764473700.25]: float32 [1764473728.0, 1764473728.0]
seconds with a gap, given as [1764473666, NaN]: float32 [1764473728.0, nan]
ids and a score, given as [16777217, 16777219, 0.5]: float32 [16777216.0, 16777220.0, 0.5]
ids alone, given as [16777217, 16777219]: uint32 [16777217, 16777219]
Float64Array as f4, given as [1, 2, 3, 4]: float32 [0.0, 1.875, 0.0, 2.0]
Array as f4, given as [1, 2, 3, 4]: float32 [1.0, 2.0, 3.0, 4.0]
Float32Array as i4, given as [1, 2, 3, 4]: int32 [1065353216, 1073741824, 1077936128, 1082130432]
a table, given as [[1, 2], [300, 4]]: uint8 [0, 0]
E
