#!/usr/bin/env bash
# markitdown 0.1.9: in HTML that leaves out the end tags of cells or list items, as the HTML standard allows, all values of a
# row come into one cell and all items of a list onto one line, without a word. So it can't be told any more which column a
# value is of: 40 of the evening reads like 40 of the morning, and two items read like "10* 20". Expected were the columns
# and items that a browser shows.
#
# markitdown has BeautifulSoup read pages with Python's html.parser, which nests each cell in the one before it; there is no
# setting for it. With lxml, which markitdown installs for Word files, markdownify, its own next step, has it right. Such pages
# are not old ones only: minifiers leave the tags out, and so does Docusaurus (issue 302 of node-html-parser, which trips on
# them as well). In issue 205 of markdownify, closed, the advice is another parser.
#
# Seen on Python 3.11, markdownify with lxml as what was expected:
#   table, markitdown: | Drug Morning Evening | | | / | --- | --- | --- | / | A 10 20 | | | / | B 40 | | |
#   table, expected: | Drug | Morning | Evening | / | --- | --- | --- | / | A | 10 | 20 | / | B |  | 40 |
#   list, markitdown: * 10* 20
#   list, expected: * 10 / * 20
#   nested list, markitdown: 1. Wash /    * cold* soap- Rinse
#   nested list, expected: 1. Wash /    * cold /    * soap / 2. Rinse
set -euo pipefail
script=$(realpath "$0")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check \
  markitdown==0.1.9 markdownify==1.2.3 beautifulsoup4==4.15.0 lxml==6.1.3
cat > ask.py <<'P'
import io
from markdownify import markdownify
from markitdown import MarkItDown
pages = {
    "table": "<table><tr><th>Drug<th>Morning<th>Evening</tr><tr><td>A<td>10<td>20</tr><tr><td>B<td><td>40</tr></table>",
    "list": "<ul><li>10<li>20</ul>",
    "nested list": "<ol><li>Wash<ul><li>cold<li>soap</ul><li>Rinse</ol>",
}
for name, part in pages.items():
    html = f"<!doctype html><html lang=en><head><title>Doses</title></head><body>{part}</body></html>"
    result = MarkItDown().convert_stream(io.BytesIO(html.encode()), file_extension=".html").text_content
    print(f"{name}, markitdown:", result.strip().replace("\n", " / "))
    print(f"{name}, expected:", markdownify(part, bs4_options="lxml").strip().replace("\n", " / "))
P
v/bin/python ask.py | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
