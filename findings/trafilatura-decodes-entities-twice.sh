#!/usr/bin/env bash
# trafilatura 2.3.1: its text, Markdown and JSON have the character references of HTML decoded twice. A page that shows how to
# write "&amp;" says to write "&" in the passages, and code that escapes is code that does nothing. Expected was the page's text.
#
# The parser of HTML decodes them once, as the standard says; the writers of text decode what comes out once more.
# output_format="xml" of the same call has the text as it is, as BeautifulSoup and html2text have it. Prose seldom has such
# text; documentation of HTML, XML, templates and chat formats has it everywhere.
#
# Seen on Python 3.11; in the text | the Markdown | the JSON | the XML | what a browser shows:
#   Write & for an ampersand. | Write & for an ampersand. | Write & for an ampersand. | Write &amp; for an ampersand. | Write &amp; for an ampersand.
#   return s.replace("<", "<") | return s.replace("<", "<") | return s.replace("<", "<") | return s.replace("<", "&lt;") | return s.replace("<", "&lt;")
#   BeautifulSoup and html2text have what a browser shows: True
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv --without-pip "$work/v"
python3 -m pip --python "$work/v/bin/python" install --quiet --no-compile --disable-pip-version-check \
  trafilatura==2.3.1 lxml==6.1.3 lxml_html_clean==0.4.6 beautifulsoup4==4.15.0 html2text==2025.4.15
"$work/v/bin/python" - <<'P' | tee "$work/seen"
import html, json, xml.etree.ElementTree as tree
import html2text, trafilatura
from bs4 import BeautifulSoup
shown = ["Write &amp; for an ampersand.", 'return s.replace("<", "&lt;")']
prose = "<p>The harbour master wrote this page so that there are enough words for it to count as an article, number {}.</p>"
sentence, code = map(html.escape, shown)
page = f"<html><body><article>{prose.format(1)}<p>{sentence}</p><pre><code>def safe(s):\n    {code}</code></pre>{prose.format(2)}</article></body></html>"
def extract(form):
    return trafilatura.extract(page, output_format=form)
texts = [extract("txt"), extract("markdown"), json.loads(extract("json"))["text"],
         "\n".join(tree.fromstring(extract("xml")).itertext())]
for start, wanted in zip(("Write", "return"), shown):
    seen = [next(line.strip() for line in text.splitlines() if start + " " in line) for text in texts]
    print(" | ".join(seen), "|", wanted)
others = [BeautifulSoup(page, "lxml").get_text(), html2text.html2text(page)]
print("BeautifulSoup and html2text have what a browser shows:", all(line in text for line in shown for text in others))
P
diff "$work/seen" - <<'E'
Write & for an ampersand. | Write & for an ampersand. | Write & for an ampersand. | Write &amp; for an ampersand. | Write &amp; for an ampersand.
return s.replace("<", "<") | return s.replace("<", "<") | return s.replace("<", "<") | return s.replace("<", "&lt;") | return s.replace("<", "&lt;")
BeautifulSoup and html2text have what a browser shows: True
E
