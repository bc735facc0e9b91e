#!/usr/bin/env bash
# PDFium (pypdfium2 5.15.2) puts U+FFFE, which is no character at all, in the place of a hyphen at a line's end and of
# the line break; by the other of its two ways to read a page it is the control character U+0002. Expected was "-\r\n".
#
# Passages then hold words that no query matches and that tokenizers split at an unknown character, and "well-known" and
# "passages" cannot be told apart any more. A range of years broken over two lines keeps its hyphen. pypdf keeps all.
#
# Seen on Python 3.11, pypdfium2 5.15.2, pypdf 7.1.1, a page made with fpdf2 2.8.9:
#   get_text_range: 'finds pas\ufffesages\r\nand well\ufffeknown ones\r\nof 2019-\r\n2021'
#   get_text_bounded: 'finds pas\x02sages\r\nand well\x02known ones\r\nof 2019-\r\n2021'
#   pypdf: 'finds pas-\nsages\nand well-\nknown ones\nof 2019-\n2021'
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check pypdfium2==5.15.2 pypdf==7.1.1 fpdf2==2.8.9
v/bin/python - <<'P' | tee seen
import fpdf, pypdf, pypdfium2
pdf = fpdf.FPDF()
pdf.add_page()
pdf.set_font("helvetica", size=12)
for i, line in enumerate(["finds pas-", "sages", "and well-", "known ones", "of 2019-", "2021"]):
    pdf.text(20, 20 + 6 * i, line)
pdf.output("page.pdf")
page = pypdfium2.PdfDocument("page.pdf")[0].get_textpage()
print("get_text_range:", ascii(page.get_text_range()))
print("get_text_bounded:", ascii(page.get_text_bounded()))
print("pypdf:", ascii(pypdf.PdfReader("page.pdf").pages[0].extract_text()))
P
diff seen - <<'P'
get_text_range: 'finds pas\ufffesages\r\nand well\ufffeknown ones\r\nof 2019-\r\n2021'
get_text_bounded: 'finds pas\x02sages\r\nand well\x02known ones\r\nof 2019-\r\n2021'
pypdf: 'finds pas-\nsages\nand well-\nknown ones\nof 2019-\n2021'
P
