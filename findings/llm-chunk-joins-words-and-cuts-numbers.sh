#!/usr/bin/env bash
# llm-chunk 0.0.1 (a text splitter for LLMs, which Genkit's guide to RAG uses) changes the text, without a word. By paragraphs,
# the default, each second break is dropped and two words become one. By sentences, as the guide has it, a dot within a number
# or a name ends a sentence, and a space is put after it. Expected were pieces of the text as it was, as in its README, where
# no two words become one and none becomes two. (In samples/chunked.txt, unremarked, "1.E.8." and "1.B." became "1.E.8.1.B.")
#
# The split gives text and mark by turns only if the expression has a group, as that of sentences has. That of paragraphs has
# none, so each second paragraph is taken for a mark; and so it is with delimiters of the user that hold no group, though the
# README asks for none.
#
# Seen with Node 20:
#   paragraphs, 2 pieces:
#     "TabletsTake 2.5 mg at 8.30 and 10.75 mg later."
#     "StorageKeep below 25.5 degrees, see docs.example.com."
#   delimiters without a group, 2 pieces:
#     "TabletsTake 2.5 mg at 8.30 and 10.75 mg later."
#     "StorageKeep below 25.5 degrees, see docs.example.com."
#   delimiters with a group, 4 pieces:
#     "Tablets\n\n"
#     "Take 2.5 mg at 8.30 and 10.75 mg later.\n\n"
#     "Storage\n\n"
#     "Keep below 25.5 degrees, see docs.example.com."
#   sentences, as Genkit's guide sets them, 1 piece:
#     "Tablets\n Take 2. 5 mg at 8. 30 and 10. 75 mg later. Storage\n Keep below 25. 5 degrees, see docs. example. com. "
set -euo pipefail
script=$(realpath "$0")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . llm-chunk@0.0.1 >/dev/null
cat > ask.mjs <<'J'
import { chunk } from "llm-chunk";
const text = ["Tablets", "Take 2.5 mg at 8.30 and 10.75 mg later.", "Storage", "Keep below 25.5 degrees, see docs.example.com."].join("\n\n");
const show = (name, pieces) => {
  console.log(`${name}, ${pieces.length} piece${pieces.length > 1 ? "s" : ""}:`);
  for (const piece of pieces) console.log(" ", JSON.stringify(piece));
};
show("paragraphs", chunk(text));
show("delimiters without a group", chunk(text, { delimiters: "\\n\\n" }));
show("delimiters with a group", chunk(text, { delimiters: "(\\n\\n)" }));
show("sentences, as Genkit's guide sets them",
  chunk(text, { minLength: 1000, maxLength: 2000, splitter: "sentence", overlap: 100, delimiters: "" }));
J
node ask.mjs | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
