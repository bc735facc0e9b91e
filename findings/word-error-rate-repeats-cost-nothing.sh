#!/usr/bin/env bash
# word-error-rate 0.0.7 (npm): words repeated at the beginning are no errors at all. "no no no no" for "no" has a distance of 0 and
# an error rate of 0. Expected was 3, the "Levenshtein Edit Distance on a per word basis" that its readme promises; the package
# levenshtein-edit-distance, with one letter for each word, gives 3.
#
# The table of distances has no row and no column for the empty text. Along its edges a word that equals the other text's first
# word is free, however often it comes. So a model that loops at the start of its answer, as speech models do in silence, is
# scored as perfect; the same loop at the end is counted. Which of the two texts repeats does not matter. That the rate
# divides by the longer text, not by the reference, is another thing; the readme says so.
#
# Seen with Node 20; the distance of words, what it should be, the rate:
#   "no no no no" for "no": 0, should be 3, rate 0
#   "very very very good" for "very good": 0, should be 2, rate 0
#   "very good" for "very very very good": 0, should be 2, rate 0
#   "very good good good" for "very good": 2, should be 2, rate 0.5
#   "the the the the cat sat" for "the cat sat": 0, should be 3, rate 0
#   "one hen two" for "one ten two": 1, should be 1, rate 0.3333333333333333
set -euo pipefail
self=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund word-error-rate@0.0.7 levenshtein-edit-distance@3.0.1
cat > main.mjs <<'J'
import { levenshteinEditDistance } from "levenshtein-edit-distance";
import { createRequire } from "node:module";
const { calculateEditDistance, wordErrorRate } = createRequire(import.meta.url)("word-error-rate");
for (const [said, meant] of [["no no no no", "no"], ["very very very good", "very good"], ["very good", "very very very good"],
    ["very good good good", "very good"], ["the the the the cat sat", "the cat sat"], ["one hen two", "one ten two"]]) {
  const letters = new Map();
  const [a, b] = [said, meant].map((text) => text.split(" ").map((word) => {
    if (!letters.has(word)) letters.set(word, String.fromCharCode(97 + letters.size));
    return letters.get(word);
  }).join(""));
  console.log(`"${said}" for "${meant}": ${calculateEditDistance(said, meant)}, should be ${levenshteinEditDistance(a, b)}, ` +
    `rate ${wordErrorRate(said, meant)}`);
}
J
node main.mjs | tee seen
diff seen <(sed -n 's/^#   //p' "$self")
