#!/usr/bin/env bash
# Fuse.js 7.5.0, extended search ("!word": items that do not include it; white space: all terms must match) over more than one
# key: "'war !dogs" finds nothing, though one item has the one word and lacks the other. Expected were the words of its page.
#
# Each field is asked by itself for the whole query, and where a "!" stands every field must pass: so each would have to have
# "war". A record that lacks one of the keys, or has "" there, has a field that does not pass: "!dogs" loses it, with one word
# too, and so does a logical query of that key. Of a list any element that passes is enough, so "!dogs" keeps the item tagged
# ["dogs", "cats"]. With the one key "title" all is well. Since the mending of issue 712; of lists and of missing fields issues
# 582 and 749 tell, both closed. Expected here is plain reading: an item's fields, taken together, have the one and lack the other.
#
# Seen with Node 20; the numbers are of items 1 to 6:
#   'war !dogs, key title: found 1; expected 1
#   'war !dogs, keys title, author, tags: found none; expected 1
#   !dogs, keys title, author, tags: found 1 4 6; expected 1 3 4 5
#   logical, author is !dogs: found 1 2 4 6; expected 1 2 3 4 5 6
#   logical, tags is !dogs: found 1 2 3 4 5 6; expected 1 2 3 4 5
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . fuse.js@7.5.0 >/dev/null
cat > ask.mjs <<'J'
import Fuse from "fuse.js";
const items = [
  { title: "the old war", author: "Scalzi", tags: ["space"] },
  { title: "war dogs", author: "Bear", tags: ["space"] },
  { title: "letters", tags: ["post"] },
  { title: "lockpicking", author: "Hamilton", tags: ["crime", "locks"] },
  { title: "songs", author: "", tags: ["music"] },
  { title: "pets", author: "Smith", tags: ["dogs", "cats"] },
];
const all = ["title", "author", "tags"];
const text = (item, keys) => keys.flatMap((key) => item[key] ?? "").join("\n");
const numbers = (found) => found.map((item) => items.indexOf(item) + 1).sort().join(" ") || "none";
function ask(name, query, keys, wanted) {
  const found = new Fuse(items, { keys, useExtendedSearch: true, threshold: 0 }).search(query).map(({ item }) => item);
  console.log(`${name}: found ${numbers(found)}; expected ${numbers(items.filter(wanted))}`);
}
for (const keys of [["title"], all])
  ask(`'war !dogs, ${keys.length > 1 ? "keys" : "key"} ${keys.join(", ")}`, "'war !dogs", keys,
    (item) => text(item, keys).includes("war") && !text(item, keys).includes("dogs"));
ask(`!dogs, keys ${all.join(", ")}`, "!dogs", all, (item) => !text(item, all).includes("dogs"));
for (const key of ["author", "tags"])
  ask(`logical, ${key} is !dogs`, { [key]: "!dogs" }, all, (item) => !text(item, [key]).includes("dogs"));
J
node ask.mjs | tee seen
diff seen - <<'E'
'war !dogs, key title: found 1; expected 1
'war !dogs, keys title, author, tags: found none; expected 1
!dogs, keys title, author, tags: found 1 4 6; expected 1 3 4 5
logical, author is !dogs: found 1 2 4 6; expected 1 2 3 4 5 6
logical, tags is !dogs: found 1 2 3 4 5 6; expected 1 2 3 4 5
E
