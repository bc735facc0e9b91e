#!/usr/bin/env bash
# compromise 14.17.0 (npm), numbers(): "two million three hundred forty-five thousand" is read as 2000345000, a thousand times too much, and
# -3 as 3; 345000 is written as "three hundred thousand forty five thousand". Expected were the numbers and the words; its README has
# "convert 'five' to `5`" for toNumber(), "convert '5' to `five`" for toText() and "get a simple javascript number" for get().
#
# After a word for a million or more, hundreds with tens or ones before "thousand" make what came before a thousand times what it is; with
# hundreds or tens alone all is well, and without millions. toText() writes the thousands twice, in words that nobody
# else would read so. A minus sign before digits is left out ("minus 3" is right), so that greaterThan(0) finds -3.
# Who makes answers comparable by it takes two billion for two million, and -3 for 3.
#
# Seen on Node 20; the words are made by the script, as they are spoken:
#   two million three hundred forty-five thousand: 2000345000, expected 2345000
#   two million three hundred and forty-five thousand: 2000345000, expected 2345000
#   six million nine hundred ninety-six thousand nine hundred twenty-eight: 6000996928, expected 6996928
#   two million three hundred thousand: 2300000, expected 2300000
#   two million forty-five thousand: 2045000, expected 2045000
#   three hundred forty-five thousand: 345000, expected 345000
#   from 2000000 to 2999999 in steps of 1000: 891 of 1000 are read as another number
#   345000 is written: three hundred thousand forty five thousand
#   It fell to -3 today: 3, greater than 0 true
#   It fell to minus 3 today: -3, greater than 0 false
set -euo pipefail
script=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund compromise@14.17.0 >/dev/null 2>&1
cat > run.js <<'J'
const nlp = require("compromise");
const ones = ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen " +
  "eighteen nineteen").split(" ");
const tens = "twenty thirty forty fifty sixty seventy eighty ninety".split(" ");
function words(number, and = "") {
  for (const [size, name] of [[1e6, "million"], [1e3, "thousand"], [100, "hundred"]]) {
    if (number < size) continue;
    const rest = number % size;
    return `${words(Math.floor(number / size), and)} ${name}${rest ? (size === 100 ? and : "") + " " + words(rest, and) : ""}`;
  }
  if (number < 20) return ones[number - 1];
  return tens[Math.floor(number / 10) - 2] + (number % 10 ? "-" + ones[number % 10 - 1] : "");
}
const read = (text) => nlp(text).numbers().get().join(" and ");
for (const [number, and] of [[2345000], [2345000, " and"], [6996928], [2300000], [2045000], [345000]]) {
  console.log(`${words(number, and)}: ${read(words(number, and))}, expected ${number}`);
}
let others = 0;
for (let number = 2000000; number < 3000000; number += 1000) others += read(words(number)) !== String(number);
console.log(`from 2000000 to 2999999 in steps of 1000: ${others} of 1000 are read as another number`);
console.log(`345000 is written: ${nlp("345000").numbers().toText().text()}`);
for (const text of ["It fell to -3 today", "It fell to minus 3 today"]) {
  console.log(`${text}: ${read(text)}, greater than 0 ${nlp(text).numbers().greaterThan(0).found}`);
}
J
node run.js | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
