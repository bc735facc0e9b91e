#!/usr/bin/env bash
# Orama 3.1.18 (@orama/orama): a hybrid search with hybridWeights {text: 1, vector: 0} is one with {text: 0.5, vector: 0.5}, and of
# a field of strings BM25 sees the last one only. Expected were the weights given, and a document's score whatever the order of its tags.
#
# The documentation of hybridWeights says that 0.5 and 0.5 stand where none are given. 0.999 and 0.001 are heeded, so a sweep
# of weights, as one does on a development set, has the score of the middle at both of its ends. In a "string[]" each element
# starts the document's counts anew, so a word of any but the last has frequency 0, and the length is the last one's. With the
# tokenizer's allowDuplicates, without which a word counts once, a word's document frequency is the number of its
# occurrences: beyond the number of documents its weight is negative, and the document that has most of it comes last.
#
# Seen on Node 20, @orama/orama 3.1.18; "word" has the question's word and no near vector, "near" the nearest vector alone:
#   {"text":1,"vector":0} word 0.500 near 0.500, expected word 1.000 near 0.000
#   {"text":0,"vector":1} word 0.500 near 0.500, expected word 0.000 near 1.000
#   {"text":0.999,"vector":0.001} word 0.999 near 0.001, expected word 0.999 near 0.001
#   jazz: 0.224 for [folk, rock, jazz], 0.076 for [jazz, rock, folk], expected equal scores
#   "cat" five times of six words: -0.512, once of six: -0.272, expected the first greater and neither below 0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund @orama/orama@3.1.18 >/dev/null 2>&1
cat > run.mjs <<'J'
import { create, insert, search } from "@orama/orama";
const score = (db, query, id) => (search(db, query).hits.find((hit) => hit.id === id)?.score ?? 0).toFixed(3);
const store = create({ schema: { text: "string", vector: "vector[2]" } });
insert(store, { id: "word", text: "harbour", vector: [0, 1] });
insert(store, { id: "near", text: "lamp", vector: [1, 0] });
for (const hybridWeights of [{ text: 1, vector: 0 }, { text: 0, vector: 1 }, { text: 0.999, vector: 0.001 }]) {
  const query = { mode: "hybrid", term: "harbour", vector: { value: [1, 0], property: "vector" }, hybridWeights };
  const expected = `word ${hybridWeights.text.toFixed(3)} near ${hybridWeights.vector.toFixed(3)}`;
  console.log(`${JSON.stringify(hybridWeights)} word ${score(store, query, "word")} near ${score(store, query, "near")}, expected ${expected}`);
}
const tagged = create({ schema: { tags: "string[]" } });
insert(tagged, { id: "last", tags: ["folk", "rock", "jazz"] });
insert(tagged, { id: "first", tags: ["jazz", "rock", "folk"] });
const jazz = (id) => score(tagged, { term: "jazz" }, id);
console.log(`jazz: ${jazz("last")} for [folk, rock, jazz], ${jazz("first")} for [jazz, rock, folk], expected equal scores`);
const counted = create({ schema: { text: "string" }, components: { tokenizer: { allowDuplicates: true } } });
insert(counted, { id: "five", text: "cat cat cat cat cat dog" });
insert(counted, { id: "one", text: "cat bird cow pig hen dog" });
insert(counted, { id: "none", text: "fish and fowl" });
const cat = (id) => score(counted, { term: "cat" }, id);
console.log(`"cat" five times of six words: ${cat("five")}, once of six: ${cat("one")}, expected the first greater and neither below 0`);
J
node run.mjs | tee seen
diff seen - <<'E'
{"text":1,"vector":0} word 0.500 near 0.500, expected word 1.000 near 0.000
{"text":0,"vector":1} word 0.500 near 0.500, expected word 0.000 near 1.000
{"text":0.999,"vector":0.001} word 0.999 near 0.001, expected word 0.999 near 0.001
jazz: 0.224 for [folk, rock, jazz], 0.076 for [jazz, rock, folk], expected equal scores
"cat" five times of six words: -0.512, once of six: -0.272, expected the first greater and neither below 0
E
