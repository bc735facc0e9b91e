#!/usr/bin/env bash
# hyparquet 1.33.0 (Parquet for JavaScript, with a "Mongo-style filter" as its changelog says): a condition beside $or is
# passed over, so rows come back that the filter forbids. Expected were MongoDB's rules, where all of a filter must hold.
#
# More that gives other rows, without a word: an operator that it does not know, such as $regex, holds for each row; the short
# form { day: date } holds for each row too, though { lang: "en" } is heeded and { day: { $eq: date } } finds the day; and a
# number is equal to no INT64, which comes as a BigInt, but greater and less compare the two: the id from 2 to 2 is there, the
# id 2 is not, and $nin excludes nothing. (filterStrict, true by default, asks for strict equality, and is no part of the
# order.) Pull request 95 of its repository has the types match MongoDB's syntax.
#
# Seen with Node 20; the numbers are ids, expected by plain conditions on the rows:
#   $or of kinds beside lang: found 1 2 3; expected 1 2
#   the same within $and: found 1 2; expected 1 2
#   kind, $regex: found 1 2 3 4; expected 1 3
#   lang, short form: found 1 2 4; expected 1 2 4
#   day, short form: found 1 2 3 4; expected 2
#   day, $eq: found 2; expected 2
#   id, $eq 2: found none; expected 2
#   id, $nin [2]: found 1 2 3 4; expected 1 3 4
#   id, from 2 to 2: found 2; expected 2
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . hyparquet@1.33.0 hyparquet-writer@0.17.0 >/dev/null
cat > ask.mjs <<'J'
import { parquetReadObjects } from "hyparquet";
import { parquetWriteBuffer } from "hyparquet-writer";
const [id, kind, lang, day] = [[1n, 2n, 3n, 4n], ["faq", "wiki", "faq", "mail"], ["en", "en", "de", "en"],
  ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"].map((text) => new Date(text))];
const file = parquetWriteBuffer({ columnData: [{ name: "id", data: id, type: "INT64" }, { name: "kind", data: kind, type: "STRING" },
  { name: "lang", data: lang, type: "STRING" }, { name: "day", data: day, type: "TIMESTAMP" }] });
const ids = (rows) => rows.map((row) => row.id).join(" ") || "none";
const all = await parquetReadObjects({ file });
const ask = async (name, filter, wanted) =>
  console.log(`${name}: found ${ids(await parquetReadObjects({ file, filter }))}; expected ${ids(all.filter(wanted))}`);
const kinds = { $or: [{ kind: { $eq: "faq" } }, { kind: { $eq: "wiki" } }] }, english = { lang: { $eq: "en" } };
const both = (row) => ["faq", "wiki"].includes(row.kind) && row.lang === "en", second = (row) => row.id === 2n;
await ask("$or of kinds beside lang", { ...kinds, ...english }, both);
await ask("the same within $and", { $and: [kinds, english] }, both);
await ask("kind, $regex", { kind: { $regex: "^f" } }, (row) => row.kind.startsWith("f"));
await ask("lang, short form", { lang: "en" }, (row) => row.lang === "en");
await ask("day, short form", { day: day[1] }, second);
await ask("day, $eq", { day: { $eq: day[1] } }, second);
await ask("id, $eq 2", { id: { $eq: 2 } }, second);
await ask("id, $nin [2]", { id: { $nin: [2] } }, (row) => !second(row));
await ask("id, from 2 to 2", { id: { $gte: 2, $lte: 2 } }, second);
J
node ask.mjs | tee seen
diff seen - <<'E'
$or of kinds beside lang: found 1 2 3; expected 1 2
the same within $and: found 1 2; expected 1 2
kind, $regex: found 1 2 3 4; expected 1 3
lang, short form: found 1 2 4; expected 1 2 4
day, short form: found 1 2 3 4; expected 2
day, $eq: found 2; expected 2
id, $eq 2: found none; expected 2
id, $nin [2]: found 1 2 3 4; expected 1 3 4
id, from 2 to 2: found 2; expected 2
E
