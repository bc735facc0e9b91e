"""Writes the same small guide in every format that gorqa data docs reads, into
text/document/testdata: what the readers make of it is compared in document_test.go.
Markdown, HTML, reStructuredText and text are written here by hand; DOCX by
python-docx, PDF by reportlab, EPUB and zip by zipfile. Times are fixed.

    pip install reportlab==5.1.0 python-docx==1.2.0
    python parity/make_documents.py
"""
import datetime
import io
import json
import pathlib
import zipfile

import docx
from reportlab.lib import pdfencrypt
from reportlab.pdfgen import canvas

OUT = pathlib.Path(__file__).parent.parent / "text/document/testdata"
TITLE = "Kettle guide"
SAFE = "Never fill the kettle above the upper mark. Boiling water can spill over, e.g. when a child pulls at the cord."
FIRST = "Boil it twice before you drink from it. The first water tastes of metal & dust."
STEPS = ["Fill it with cold water.", "Press the switch."]
CODE = "kettle --boil\n    --litres 1.5"
TABLE = [["Model", "Litres"], ["K1", "1.0"], ["K2", "1.7"]]


def markdown():
    safe = SAFE.replace("Never", "**Never**").replace("e.g.", "e\\.g\\.")
    rows = "\n".join("| " + " | ".join(r) + " |" + ("\n| --- | --- |" if i == 0 else "") for i, r in enumerate(TABLE))
    return f"""---
title: {TITLE}
draft: false
---
# {TITLE}

## Safety

{safe}

## Use

### First use

{FIRST.replace("&", "&amp;").replace("twice", "[twice](https://example.com/twice)")}

1. {STEPS[0]}
2. {STEPS[1]}

```sh
{CODE}
```

{rows}
"""


def page(body):
    return f"""<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{TITLE}</title><style>p {{}}</style></head>
<body><nav><a href="/">Home</a> <a href="/shop">Shop</a></nav>
<main>{body}</main>
<footer>All rights reserved</footer><script>var x = "no text";</script></body></html>
"""


def body():
    rows = "".join("<tr>" + "".join(f"<{t}>{c}</{t}>" for c in r) + "</tr>\n" for r, t in zip(TABLE, ["th", "td", "td"]))
    return f"""<h1>{TITLE}</h1>
<h2>Safety</h2><p>{SAFE.replace("Never", "<b>Never</b>")}</p>
<h2>Use</h2>
<h3>First use <a class="headerlink" href="#first">¶</a></h3>
<p>{FIRST.replace("&", "&amp;")}</p>
<ol><li>{STEPS[0]}</li><li><p>{STEPS[1]}</p></li></ol>
<pre><code>{CODE}</code></pre>
<table>{rows}</table>
"""


def rst():
    return f"""{"=" * 14}
 {TITLE}
{"=" * 14}

.. contents::

.. _safety:

Safety
======

{SAFE.replace("Never", "**Never**")}

.. a comment
   of two lines

Use
===

First use
---------

{FIRST.replace("twice", "`twice <https://example.com/twice>`_")}

1. {STEPS[0]}
2. {STEPS[1]}

.. code-block:: sh
   :linenos:

   {CODE.replace(chr(10), chr(10) + "   ")}

=====  ======
Model  Litres
=====  ======
K1     1.0
K2     1.7
=====  ======
"""


def word():
    d = docx.Document()
    d.core_properties.title = TITLE
    d.core_properties.created = d.core_properties.modified = datetime.datetime(2024, 1, 1)
    d.add_heading(TITLE, 0)
    d.add_heading("Safety", 1)
    p = d.add_paragraph()
    p.add_run("Never").bold = True
    p.add_run(SAFE[len("Never"):])
    d.add_heading("Use", 1)
    d.add_heading("First use", 2)
    d.add_paragraph(FIRST)
    for s in STEPS:
        d.add_paragraph(s, style="List Number")
    d.add_paragraph(CODE)
    t = d.add_table(rows=0, cols=2)
    for r in TABLE:
        for cell, text in zip(t.add_row().cells, r):
            cell.text = text
    out = io.BytesIO()
    d.save(out)
    return repack(out.getvalue())


def repack(data):
    """The same archive with fixed times."""
    z = zipfile.ZipFile(io.BytesIO(data))
    return pack((n, z.read(n)) for n in z.namelist() if not n.startswith("docProps/thumbnail"))


def pack(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in files:
            z.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def epub():
    chapter = '<?xml version="1.0" encoding="utf-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body>%s</body></html>'
    before, after = body().split("<h2>Use</h2>")
    opf = f"""<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{TITLE}</dc:title></metadata>
<manifest><item id="b" href="text/b%20two.xhtml" media-type="application/xhtml+xml"/><item id="a" href="text/a.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="a"/><itemref idref="b"/></spine></package>"""
    container = '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    return pack([("mimetype", "application/epub+zip"), ("META-INF/container.xml", container), ("OEBPS/book.opf", opf),
                 ("OEBPS/text/b two.xhtml", chapter % ("<h2>Use</h2>" + after)), ("OEBPS/text/a.xhtml", chapter % before)])


def pdf(encrypt=None, text=True):
    out = io.BytesIO()
    c = canvas.Canvas(out, invariant=1, encrypt=encrypt)
    c.setTitle(TITLE)
    if not text:
        c.rect(100, 100, 200, 200)
        c.showPage()
        c.save()
        return out.getvalue()
    y = 0

    def line(s, x=72, size=11):
        nonlocal y
        c.setFont("Courier" if x > 72 else "Helvetica", size)
        c.drawString(x, y, s)
        y -= 16

    for number, part in enumerate([["Safety"], ["Use"], ["Conclusion"], ["Thanks"]], 1):
        y = 760
        c.setFont("Helvetica", 9)
        c.drawString(72, 800, TITLE)
        c.drawString(72, 40, f"Page {number} of 4")
        for title in part:
            c.bookmarkPage(title)
            c.addOutlineEntry(title, title, 0)
            line(title, size=16)
        if number == 1:
            line("Never fill the kettle above the upper mark. Boiling water can spill over, e.g. when a")
            line("child pulls at the cord.")
        elif number == 2:
            c.bookmarkPage("first")
            c.addOutlineEntry("First use", "first", 1)
            line("1.1 First use", size=13)
            line("Boil it twice before you drink from it. The first water tastes of metal & dust.")
        elif number == 3:
            line("That is all.")
        else:
            line("We thank the testers.")
        c.showPage()
    c.save()
    return out.getvalue()


OUT.mkdir(exist_ok=True)
plain = f"{TITLE}\n\n{SAFE}\n\n{FIRST}\n\n    " + CODE.replace("\n", "\n    ") + "\n"
files = {
    "guide.md": markdown().encode(), "guide.html": page(body()).encode(), "guide.rst": rst().encode(), "guide.txt": plain.encode(),
    "latin1.html": page(body().replace("¶", "\xb6")).replace("utf-8", "iso-8859-1").encode("latin-1"), "utf16.txt": b"\xff\xfe" + plain.encode("utf-16-le"),
    "guide.docx": word(), "guide.epub": epub(), "guide.pdf": pdf(),
    "locked.pdf": pdf(pdfencrypt.StandardEncryption("secret", strength=40)), "scanned.pdf": pdf(text=False),
    "guide.jsonl": "".join(json.dumps(r) + "\n" for r in [{"text": SAFE, "title": TITLE, "url": "https://example.com/safety"}, {"page_content": FIRST, "metadata": {"source": "use", "title": TITLE, "year": 2024}}]).encode(),
}
files["guide.zip"] = pack([("guide/guide.md", files["guide.md"]), ("guide/logo.png", b"\x89PNG"), ("../../outside.txt", files["guide.txt"]), ("inner.zip", pack([("deep.txt", files["guide.txt"])]))])
for name, data in files.items():
    (OUT / name).write_bytes(data)
