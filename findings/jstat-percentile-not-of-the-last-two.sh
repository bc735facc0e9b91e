#!/usr/bin/env bash
# jStat 1.9.6, percentile: between the two greatest values there is no interpolation, the lower of them is the answer. The median of
# two numbers is the smaller one. Expected was the value between them, as everywhere else in the list and as in jStat's own median.
#
# Its page gives percentile([1, 2, 3, 4], 0.3) as 1.9, which is interpolated, and the maintainers answered issue 224 with Excel's
# PERCENTILE.INC and PERCENTILE.EXC as the measure for its two modes. The condition asks whether there is a value two places
# further on where one place is enough. It is the end that one asks for: the 95th percentile of up to 20 response times, the 99th of up to
# 100, the upper end of an interval from few bootstrap samples come out too low, by as much as the whole distance to the slowest.
#
# Seen on Node 20, jStat 1.9.6:
#   0.5 of 10,20: 10, expected 15; exclusive 10, expected 15; median 15
#   0.75 of 10,20,30: 20, expected 25; exclusive 30, expected 30
#   0.3 of 1,2,3,4: 1.9, expected 1.9; exclusive 1.5, expected 1.5
#   0.95 of ten times, the last 9 s: 1.8, expected 5.76
#   0.99 of 1 to 99 and 1000: 99, expected 108.01; exclusive 99, expected 990.99
#   wrong for 99 of 999 shares of 11 values, all of them above 0.9
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
self=$(realpath "$0"); cd "$work"
npm install --silent --no-audit --no-fund jstat@1.9.6 >/dev/null 2>&1
cat > run.cjs <<'J'
const { jStat } = require("jstat");
const short = (x) => (x === undefined ? x : Number(x.toFixed(6)));
function defined(values, share, exclusive) { // between the neighbours of the place, counted from 1
  const list = [...values].sort((a, b) => a - b);
  const place = short(exclusive ? share * (list.length + 1) : share * (list.length - 1) + 1), low = Math.floor(place);
  if (place < 1 || place > list.length) return undefined;
  return low === place ? list[low - 1] : list[low - 1] + (place - low) * (list[low] - list[low - 1]);
}
const times = [0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 9];
const hundred = [...Array(99).keys()].map((i) => i + 1).concat(1000);
const rows = [[0.5, [10, 20]], [0.75, [10, 20, 30]], [0.3, [1, 2, 3, 4]], [0.95, times, "ten times, the last 9 s"], [0.99, hundred, "1 to 99 and 1000"]];
for (const [share, values, name = values] of rows) {
  const seen = [false, true].filter((mode) => defined(values, share, mode) !== undefined)
    .map((mode) => `${mode ? "exclusive " : ""}${short(jStat.percentile(values, share, mode))}, expected ${short(defined(values, share, mode))}`);
  console.log(`${share} of ${name}: ${seen.join("; ")}${values.length === 2 ? `; median ${jStat.median(values)}` : ""}`);
}
const eleven = [...Array(11).keys()], shares = [...Array(999).keys()].map((i) => (i + 1) / 1000);
const wrong = shares.filter((share) => Math.abs(jStat.percentile(eleven, share) - defined(eleven, share)) > 1e-6);
console.log(`wrong for ${wrong.length} of ${shares.length} shares of 11 values, all of them above ${Math.floor(wrong[0] * 10) / 10}`);
J
node run.cjs | tee seen
diff seen <(sed -n 's/^#   //p' "$self")
