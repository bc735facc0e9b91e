#!/usr/bin/env bash
# MiniSearch 7.2.0 (full-text search in JavaScript, BM25+): where a field is not in all documents, the scores depend on the order in
# which documents were added and on those that were removed for good, and so does which document comes first. Expected was one
# ranking for one set of documents: BM25+ has the average length of a field, and that is the same in any order.
#
# The average is kept as a running one: times the number of documents so far, plus the new length, over one more. Documents
# without the field leave it as it is when they come or go, yet are counted the next time, as if they had had it at average
# length. So a field weighs less if the documents that have it were added last. And after a removal the average can be below
# zero: the document that says the word three times gets a score far below zero and the last place. vacuum() changes nothing.
#
# Seen with Node 20; 20 pages have a title only:
#   short and long first: average of note 56.0; short 4.39, title 3.13, long 2.86
#   short and long last: average of note 4.9; title 3.22, short 2.66, long 1.40
#   short and new: average of note 157.0; short 0.37, new 0.33
#   20 pages, then short and new: average of note 14.3; short 3.54, new 1.80
#   the same, first edition removed: average of note -72.9; short 5.07, new -111.10
set -euo pipefail
script=$(realpath "$0")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . minisearch@7.2.0 >/dev/null
cat > ask.mjs <<'J'
import MiniSearch from "minisearch";
const words = (count) => Array.from({ length: count }, (_, n) => `word${n}`).join(" ");
const title = { id: "title", title: `dose ${words(4)}` };
const short = { id: "short", note: `dose ${words(10)}` };
const long = { id: "long", note: `dose ${words(100)}` };
const thrice = { id: "new", note: `dose dose dose ${words(302)}` };
const pages = (edition) => Array.from({ length: 20 }, (_, n) => ({ id: `${edition} ${n}`, title: `page ${n}` }));
const index = (...documents) => {
  const made = new MiniSearch({ fields: ["title", "note"] });
  made.addAll(documents);
  return made;
};
const tell = async (what, made) => {
  await made.vacuum();
  const found = made.search("dose").map(({ id, score }) => `${id} ${score.toFixed(2)}`).join(", ");
  console.log(`${what}: average of note ${made.toJSON().averageFieldLength[1].toFixed(1)}; ${found}`);
};
await tell("short and long first", index(short, long, title, ...pages("first")));
await tell("short and long last", index(title, ...pages("first"), short, long));
await tell("short and new", index(short, thrice));
await tell("20 pages, then short and new", index(...pages("second"), short, thrice));
const site = index(...pages("first"), long, short);
site.removeAll([...pages("first"), long]);
site.addAll([...pages("second"), thrice]);
await tell("the same, first edition removed", site);
J
node ask.mjs | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
