#!/usr/bin/env bash
# docx2python 3.7.1, docx2txt 0.9 (what LangChain's Docx2txtLoader reads Word files with) and officeparser 7.8.0 (JavaScript, makes
# chunks for RAG) join numbers of a Word file into one: "10-20" with a hyphen that does not break becomes 1020, -5 becomes 5,
# without a word. Expected was a hyphen, as python-docx gives it; Word has an element of its own for it, w:noBreakHyphen.
#
# It is typed with Ctrl+Shift+Hyphen, so that ranges and names like COVID-19 stay on one line. officeparser makes nothing of
# tabs either, and a paragraph in a content control, as forms and templates have them, is gone, as in python-docx. Line breaks are an
# option of it, off unless asked for; its text has them then, its chunks still don't. docx2python loses w:cr, which is a line break
# too. Pull request 34 of docx2txt, open since 2021, is for the hyphen; the same was put right in python-docx.
#
# Seen on Python 3.11 and Node 20, with runs as Word writes them:
#   range 10-20: python-docx "10-20", docx2txt "1020", docx2python "1020", officeparser "1020"
#   minus -5: python-docx "-5", docx2txt "5", docx2python "5", officeparser "5"
#   tab 10 20: python-docx "10 20", docx2txt "10 20", docx2python "10 20", officeparser "1020"
#   line break 10 20: python-docx "10 20", docx2txt "10 20", docx2python "10 20", officeparser "1020"
#   w:cr 10 20: python-docx "10 20", docx2txt "10 20", docx2python "1020", officeparser "1020"
#   content control 10, then 20: python-docx "20", docx2txt "10 20", docx2python "10 20", officeparser "20"
#   line break 10 20, officeparser with includeBreakNodes: text "10 20", chunks "1020"
set -euo pipefail
script=$(realpath "$0")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund --prefix . officeparser@7.8.0 >/dev/null
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check \
  docx2python==3.7.1 docx2txt==0.9 python-docx==1.2.0 lxml==6.1.3
cat > ask.mjs <<'J'
import * as officeparser from "officeparser";
const parse = officeparser.parseOffice ?? officeparser.OfficeParser.parseOffice;
for (const name of process.argv.slice(2)) {
  const made = await parse(name), broken = await parse(name, { includeBreakNodes: true });
  const chunks = (await broken.to("chunks")).value;
  console.log(JSON.stringify([(await made.to("text")).value, (await broken.to("text")).value, chunks.map((chunk) => chunk.text).join(" ")]));
}
J
cat > ask.py <<'P'
import json, subprocess, docx, docx2txt
from docx2python import docx2python
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
def run(content):
    return f"<w:r>{content}</w:r>"
def paragraph(*runs):
    return f"<w:p {nsdecls('w')}>{''.join(runs)}</w:p>"
def between(element):
    return [paragraph(run("<w:t>10</w:t>"), run(element), run("<w:t>20</w:t>"))]
control = f"<w:sdt {nsdecls('w')}><w:sdtContent>{paragraph(run('<w:t>10</w:t>'))}</w:sdtContent></w:sdt>"
cases = {
    "range 10-20": between("<w:noBreakHyphen/>"),
    "minus -5": [paragraph(run("<w:noBreakHyphen/>"), run("<w:t>5</w:t>"))],
    "tab 10 20": between("<w:tab/>"),
    "line break 10 20": between("<w:br/>"),
    "w:cr 10 20": between("<w:cr/>"),
    "content control 10, then 20": [control, paragraph(run("<w:t>20</w:t>"))],
}
names = []
for number, parts in enumerate(cases.values()):
    document = docx.Document()
    for part in parts:
        document.element.body.insert(len(document.element.body) - 1, parse_xml(part))
    document.save(f"{number}.docx")
    names.append(f"{number}.docx")
lines = subprocess.run(["node", "ask.mjs", *names], capture_output=True, text=True, check=True).stdout.splitlines()
parsed = dict(zip(cases, map(json.loads, lines), strict=True))
for case, name in zip(cases, names):
    with docx2python(name) as opened:
        body = opened.text
    texts = {"python-docx": "\n".join(found.text for found in docx.Document(name).paragraphs),
             "docx2txt": docx2txt.process(name), "docx2python": body, "officeparser": parsed[case][0]}
    print(f"{case}:", ", ".join(f'{reader} "{" ".join(text.split())}"' for reader, text in texts.items()))
text, chunks = (" ".join(found.split()) for found in parsed["line break 10 20"][1:])
print(f'line break 10 20, officeparser with includeBreakNodes: text "{text}", chunks "{chunks}"')
P
v/bin/python ask.py | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
