#!/usr/bin/env bash
# vectra 0.15.0 (npm; a vector store in a folder, "with Pinecone-compatible filtering"): {$in: [...]} matches no number, {$nin: [...]}
# excludes none, and among strings $nin excludes each that is a part of a listed one. Expected was that a value is in the list or not.
#
# A question restricted to the years 2022 and 2023 finds nothing, one that excludes them is answered from them, and one that
# excludes the language "eng" loses "en" as well, in listItemsByMetadata and queryItems alike. Once the numbers of the list are
# written as strings they count, but then as parts: a chapter 2 is "in" ["12"]. $eq and $or do as they should. The package's
# table of operators says "Value in array" and "Value not in array"; Pinecone's and MongoDB's pages say the same, and
# Pinecone's that both take numbers. The package's own tests expect what is seen here, so it is no slip of one release.
#
# Seen on Node 20 (the package asks for 22), all fields indexed; the items:
#   a: year 2022, lang "en", chapter 2; b: year 2023, lang "eng", chapter 12; c: year 2024, lang "de", chapter 3
#   {"year":{"$in":[2022,2023]}} listed [] queried [] expected [a,b]
#   {"year":{"$nin":[2022,2023]}} listed [a,b,c] queried [a,b,c] expected [c]
#   {"lang":{"$in":["en","de"]}} listed [a,c] queried [a,c] expected [a,c]
#   {"lang":{"$nin":["eng"]}} listed [c] queried [c] expected [a,c]
#   {"chapter":{"$in":["12"]}} listed [a,b] queried [a,b] expected []
#   {"$or":[{"year":{"$eq":2022}},{"year":{"$eq":2023}}]} listed [a,b] queried [a,b] expected [a,b]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund vectra@0.15.0 >/dev/null 2>&1
cat > run.mjs <<'J'
import { LocalIndex } from "vectra";
const index = new LocalIndex("index");
await index.createIndex({ version: 1, metadata_config: { indexed: ["year", "lang", "chapter"] } });
const items = { a: { year: 2022, lang: "en", chapter: 2 }, b: { year: 2023, lang: "eng", chapter: 12 }, c: { year: 2024, lang: "de", chapter: 3 } };
for (const id in items) await index.insertItem({ id, vector: [1, 0], metadata: items[id] });
const meets = (metadata, filter) => Object.entries(filter).every(([key, wanted]) =>
  key === "$or" ? wanted.some((one) => meets(metadata, one))
    : "$eq" in wanted ? metadata[key] === wanted.$eq
      : "$in" in wanted ? wanted.$in.includes(metadata[key]) : !wanted.$nin.includes(metadata[key]));
const names = (ids) => `[${ids.sort()}]`;
for (const filter of [
  { year: { $in: [2022, 2023] } }, { year: { $nin: [2022, 2023] } }, { lang: { $in: ["en", "de"] } }, { lang: { $nin: ["eng"] } },
  { chapter: { $in: ["12"] } }, { $or: [{ year: { $eq: 2022 } }, { year: { $eq: 2023 } }] },
]) {
  const listed = names((await index.listItemsByMetadata(filter)).map((item) => item.id));
  const queried = names((await index.queryItems([1, 0], "", 10, filter)).map((found) => found.item.id));
  const expected = names(Object.keys(items).filter((id) => meets(items[id], filter)));
  console.log(`${JSON.stringify(filter)} listed ${listed} queried ${queried} expected ${expected}`);
}
J
node run.mjs | tee seen
diff seen - <<'E'
{"year":{"$in":[2022,2023]}} listed [] queried [] expected [a,b]
{"year":{"$nin":[2022,2023]}} listed [a,b,c] queried [a,b,c] expected [c]
{"lang":{"$in":["en","de"]}} listed [a,c] queried [a,c] expected [a,c]
{"lang":{"$nin":["eng"]}} listed [c] queried [c] expected [a,c]
{"chapter":{"$in":["12"]}} listed [a,b] queried [a,b] expected []
{"$or":[{"year":{"$eq":2022}},{"year":{"$eq":2023}}]} listed [a,b] queried [a,b] expected [a,b]
E
