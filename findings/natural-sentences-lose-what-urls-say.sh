#!/usr/bin/env bash
# natural 8.1.1 (npm), SentenceTokenizer with the abbreviations that the package brings along: an address in the text loses the
# letters that look like one of them, and "{{ABBREV_0}}" stands there instead. Expected was the text, divided into sentences.
#
# Abbreviations, then addresses, then numbers are set aside under such names, each to be put back. An address is put back
# last, with the name of the abbreviation still in it. They are looked for within words and in any case: "min." is found in
# admin.example.org and lib.min.js, and "no." in volcano.si.edu, which is also why a sentence that ends with "volcano."
# isn't ended there. Numbers are set aside to keep their points, but not those of four digits or more that have no commas: 1234.56
# becomes two sentences. Passages that are made of sentences so have links that lead nowhere, and halves of numbers.
# Without abbreviations the addresses are whole; "Mr." then ends a sentence, which is what the list is there for.
#
# Seen on Node 20:
#   See https://volcano.si.edu/ now. Go.
#     all of it kept: false, ["See https://volca{{ABBREV_0}}si.edu/ now.","Go."]; without abbreviations true, 2 sentences
#   Load https://example.org/lib.min.js first. Go.
#     all of it kept: false, ["Load https://example.org/lib.{{ABBREV_0}}js first.","Go."]; without abbreviations true, 2 sentences
#   Mr. Lee asked www.admin.example.org again. It failed.
#     all of it kept: false, ["Mr. Lee asked www.ad{{ABBREV_1}}example.org again.","It failed."]; without abbreviations true, 3 sentences
#   Etna is a volcano. It is in Italy.
#     all of it kept: true, ["Etna is a volcano. It is in Italy."]; without abbreviations true, 2 sentences
#   It costs 1,234.56 dollars.
#     all of it kept: true, ["It costs 1,234.56 dollars."]; without abbreviations true, 1 sentences
#   It costs 1234.56 dollars.
#     all of it kept: true, ["It costs 1234.","56 dollars."]; without abbreviations true, 2 sentences
set -euo pipefail
script=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund natural@8.1.1 >/dev/null 2>&1
cat > run.js <<'J'
const { SentenceTokenizer, abbreviations } = require("natural");
const bare = (text) => text.replace(/\s/g, "");
for (const text of require("fs").readFileSync(0, "utf8").trim().split("\n")) {
  const [known, unknown] = [abbreviations, []].map((list) => new SentenceTokenizer(list).tokenize(text));
  const kept = (sentences) => bare(sentences.join("")) === bare(text);
  console.log(`${text}\n  all of it kept: ${kept(known)}, ${JSON.stringify(known)}; without abbreviations ${kept(unknown)}, ${unknown.length} sentences`);
}
J
export DOTENV_CONFIG_QUIET=true
sed -n 's/^#   \([^ ].*\)/\1/p' "$script" | node run.js > seen
cat seen
diff seen <(sed -n 's/^#   //p' "$script")
