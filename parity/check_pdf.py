"""Compares the text that gorqa data docs reads of PDF files with poppler's, word by word.

    apt-get install poppler-utils
    apt-get download debian-policy debian-faq maint-guide developers-reference developers-reference-ja gnuplot-doc \\
        gri-pdf-doc freefem-doc gutenprint-doc camlidl-doc fasta3-doc euslisp-doc     # in an empty folder
    for f in *.deb; do dpkg-deb -x $f all; done
    GORQA=gorqa python parity/check_pdf.py all

For each PDF under the folder: the share of gorqa's words that poppler has (precision), and
of poppler's that gorqa has (recall), as bags. gorqa leaves out what repeats at the top and
the foot of pages, and the dots that lead to page numbers.
"""
import collections
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile


def words(text):
    return collections.Counter(re.findall(r"[^\W_]+", text))


for path in sorted(p for p in pathlib.Path(sys.argv[1]).rglob("*") if p.name.endswith((".pdf", ".pdf.gz")) and p.is_file() and not p.is_symlink()):
    with tempfile.TemporaryDirectory() as dir:
        pdf = pathlib.Path(dir, "x.pdf")
        pdf.write_bytes(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
        out = pathlib.Path(dir, "x.jsonl")
        subprocess.run([os.environ.get("GORQA", "gorqa"), "data", "docs", pdf, "--output", out, "--chunk_overlap", "0"], check=True, capture_output=True)
        # A heading that is the title stands before each passage alone.
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        ours = words("\n".join(r["page_content"] for r in rows))
        poppler = words(subprocess.run(["pdftotext", pdf, "-"], check=True, capture_output=True, text=True).stdout)
    both = (ours & poppler).total()
    print(f"{path.name:42} {poppler.total():7} words  precision {both / max(ours.total(), 1):.4f}  recall {both / max(poppler.total(), 1):.4f}")
