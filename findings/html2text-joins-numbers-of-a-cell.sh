#!/usr/bin/env bash
# html2text 2025.4.15 (Python) and node-html-markdown 2.0.0, both HTML to Markdown: two paragraphs in one cell of a table become
# one word, so 10 and 20 become 1020, without a word. node-html-markdown does so with line breaks and lists in a cell too;
# html2text also with section, article, aside and figcaption anywhere, which it does not take for blocks. Expected were two
# numbers, set apart by anything, as markdownify sets them, and as a browser shows and copies them.
#
# It is so where no white space stands between the tags, as in what Confluence, word processors and minifiers write. Markdown
# has no lines within a cell, but it has spaces. Issue 1927 of Docling, which did the same, calls it incorrect values. No
# option is for it: html2text's pad_tables and node-html-markdown's blockElements give 1020 too.
#
# Seen on Python 3.11 and Node 20:
#   <td><p>10</p><p>20</p>: html2text 1020, node-html-markdown 1020, markdownify 10 20
#   <td><div>10</div><div>20</div>: html2text 1020, node-html-markdown 1020, markdownify 10 20
#   <td>10<br>20: html2text 10 20, node-html-markdown 1020, markdownify 10 20
#   <td><ul><li>10</li><li>20</li></ul>: html2text * 10 * 20, node-html-markdown 1020, markdownify * 10 * 20
#   <section>10</section><section>20</section>: html2text 1020, node-html-markdown 10 20, markdownify 10 20
#   <article>10</article><aside>20</aside>: html2text 1020, node-html-markdown 10 20, markdownify 10 20
#   <figure>10<figcaption>20</figcaption></figure>: html2text 1020, node-html-markdown 10 20, markdownify 10 20
set -euo pipefail
script=$(realpath "$0")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . node-html-markdown@2.0.0 >/dev/null
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check \
  html2text==2025.4.15 markdownify==1.2.3 beautifulsoup4==4.15.0
sed -n 's/^#   \(<.*>.*\): html2text .*/\1/p' "$script" > parts
cat > ask.mjs <<'J'
import { readFileSync } from "node:fs";
import { NodeHtmlMarkdown } from "node-html-markdown";
for (const html of JSON.parse(readFileSync("pages.json", "utf8"))) console.log(JSON.stringify(NodeHtmlMarkdown.translate(html)));
J
cat > ask.py <<'P'
import json, subprocess
from html2text import html2text
from markdownify import markdownify
parts = open("parts").read().splitlines()
def page(part):
    if not part.startswith("<td>"):
        return part
    return f"<table><tr><th>Drug</th><th>Doses</th></tr><tr><td>A</td>{part}</td></tr></table>"
def doses(text):
    return " ".join(text.split("A |" if "A |" in text else "A|")[-1].replace("|", " ").split())
pages = [page(part) for part in parts]
json.dump(pages, open("pages.json", "w"))
translated = subprocess.run(["node", "ask.mjs"], capture_output=True, text=True, check=True).stdout.splitlines()
for part, html, text in zip(parts, pages, map(json.loads, translated), strict=True):
    text = " ".join(text.split())
    print(f"{part}: html2text {doses(html2text(html))}, node-html-markdown {doses(text)}, markdownify {doses(markdownify(html))}")
P
v/bin/python ask.py | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
