#!/usr/bin/env bash
# html-to-text 10.0.1 (npm), format "dataTable": a table's caption is left out, without a word. Expected was all of the table's text,
# as its other format, "table", has it, and node-html-markdown 2.0.0.
#
# What the numbers are of, the year and the unit, often stands in the caption alone; a chunk with the table then answers nothing. The
# format walks through thead, tbody, tfoot, center and tr and passes over the rest; a selector for the caption, with a format of its
# own, is not asked either. The README recommends it for tabular data ("table" runs the cells together), and what it says against
# it is about cells that are wrapped and about tables for layout.
#
# Seen on Node 20; a table of two columns with the caption "Sales in 2020, thousands":
#   dataTable: "See:\n\nCITY   SOLD\nUlm    12"
#   dataTable, caption as a paragraph: "See:\n\nCITY   SOLD\nUlm    12"
#   table: "See:\n\nSales in 2020, thousandsCitySoldUlm12"
#   node-html-markdown: "See:\n\n__Sales in 2020, thousands__\n| City | Sold |\n| ---- | ---- |\n| Ulm  | 12   |"
set -euo pipefail
self=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund html-to-text@10.0.1 node-html-markdown@2.0.0 >/dev/null 2>&1
cat > run.cjs <<'J'
const { convert } = require("html-to-text");
const { NodeHtmlMarkdown } = require("node-html-markdown");
const captioned = "<p>See:</p><table><caption>Sales in 2020, thousands</caption><tr><th>City</th><th>Sold</th></tr><tr><td>Ulm</td><td>12</td></tr></table>";
const table = (...selectors) => (html) => convert(html, { selectors });
const ways = {
  dataTable: table({ selector: "table", format: "dataTable" }),
  "dataTable, caption as a paragraph": table({ selector: "table", format: "dataTable" }, { selector: "caption", format: "paragraph" }),
  table: table({ selector: "table", format: "table" }),
  "node-html-markdown": (html) => NodeHtmlMarkdown.translate(html),
};
for (const name in ways) console.log(`${name}: ${JSON.stringify(ways[name](captioned))}`);
J
node run.cjs | tee seen
diff seen <(sed -n 's/^#   //p' "$self")
