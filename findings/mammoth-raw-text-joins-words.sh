#!/usr/bin/env bash
# mammoth 1.13.0, in Python and in JavaScript: extract_raw_text (extractRawText, by which LangChain.js loads .docx files) drops
# line breaks, so the last word of a line and the first of the next are one: "Office12". Expected was a space or a newline.
#
# Its README says that formatting is ignored and that each paragraph is followed by two newlines; it lists line breaks among
# what is supported, HTML and Markdown of the same file have them, and a tab is kept. Addresses, verses and lists within one
# cell are written so (Shift and Enter). docx2txt and python-docx have a newline. Issue 252 of mammoth.js, open since 2020. A
# page break within a paragraph joins words in HTML and Markdown as well, with no message (in python-docx, too).
#
# Seen on Python 3.11 and Node 20; a paragraph of two lines, a tab and a page break, a cell of two lines:
#   raw text, Python: 'Harbour Office12 Main Street\tRotterdamsecond page\n\nMondayTuesday\n\n'
#   raw text, JavaScript: the same
#   HTML: '<p>Harbour Office<br />12 Main Street\tRotterdamsecond page</p><table><tr><td><p>Monday<br />Tuesday</p></td></tr></table>'
#   Markdown: 'Harbour Office  \n12 Main Street\tRotterdamsecond page\n\nMonday  \nTuesday\n\n'
#   docx2txt: 'Harbour Office\n12 Main Street\tRotterdam\nsecond page\n\nMonday\nTuesday'
#   python-docx: 'Harbour Office\n12 Main Street\tRotterdamsecond page'
#   messages: none
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check \
  mammoth==1.13.0 docx2txt==0.9 python-docx==1.2.0
npm install --silent --no-audit --no-fund --prefix . mammoth@1.13.0 >/dev/null
cat > read.cjs <<'J'
require("mammoth").extractRawText({ path: "a.docx" }).then(({ value }) => process.stdout.write(value));
J
v/bin/python - <<'P' | tee seen
import subprocess, docx, docx2txt, mammoth
from docx.enum.text import WD_BREAK
document = docx.Document()
run = document.add_paragraph().add_run("Harbour Office")
run.add_break()
run.add_text("12 Main Street\tRotterdam")
run.add_break(WD_BREAK.PAGE)
run.add_text("second page")
document.add_table(1, 1).cell(0, 0).text = "Monday\nTuesday"
document.save("a.docx")
def convert(function):
    with open("a.docx", "rb") as file:
        return function(file)
raw, page, markdown = map(convert, (mammoth.extract_raw_text, mammoth.convert_to_html, mammoth.convert_to_markdown))
javascript = subprocess.run(["node", "read.cjs"], capture_output=True, check=True, text=True).stdout
print("raw text, Python:", repr(raw.value))
print("raw text, JavaScript:", "the same" if javascript == raw.value else repr(javascript))
print(f"HTML: {page.value!r}\nMarkdown: {markdown.value!r}\ndocx2txt: {docx2txt.process('a.docx')!r}")
print("python-docx:", repr(docx.Document("a.docx").paragraphs[0].text))
print("messages:", raw.messages + page.messages + markdown.messages or "none")
P
diff seen - <<'E'
raw text, Python: 'Harbour Office12 Main Street\tRotterdamsecond page\n\nMondayTuesday\n\n'
raw text, JavaScript: the same
HTML: '<p>Harbour Office<br />12 Main Street\tRotterdamsecond page</p><table><tr><td><p>Monday<br />Tuesday</p></td></tr></table>'
Markdown: 'Harbour Office  \n12 Main Street\tRotterdamsecond page\n\nMonday  \nTuesday\n\n'
docx2txt: 'Harbour Office\n12 Main Street\tRotterdam\nsecond page\n\nMonday\nTuesday'
python-docx: 'Harbour Office\n12 Main Street\tRotterdamsecond page'
messages: none
E
