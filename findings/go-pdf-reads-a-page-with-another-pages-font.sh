#!/usr/bin/env bash
# github.com/ledongthuc/pdf of 2026-09-07, Reader.GetPlainText, and langchaingo 0.1.14, its loader of PDF files (which is built on it): pages
# after the first are decoded with the fonts of earlier pages and get other letters and numbers. Expected was each page's own text.
#
# Fonts are kept by the name that a page gives them, /F1, and the first one of a name serves for all pages. ISO 32000 (7.8.3) has these
# names valid within the one content stream, and two files put together mostly have two different /F1, each with the letters it
# needs, numbered as they came. The text reads like garbled words of the first file, without an error; what of it is numbers looks
# sound, and is wrong. Page.GetPlainText(nil), page by page, is right, and so is pypdf, which put the two together.
# Issue 60 of its repository reports garbled text that this call doesn't give, without the cause.
#
# Seen with Go 1.26, Python 3.11, fpdf2 2.8.9, pypdf 7.1.1; the second page:
#   pypdf: "Children: 5 mg, twice a day; none under 3 years."
#   Page.GetPlainText(nil): "Children: 5 mg, twice a day; none under 3 years."
#   Reader.GetPlainText: "Adults:ak e 20m g,un: o torh a4a: iat:s y r:os.�"
#   langchaingo: "Adults:ak e 20m g,un: o torh a4a: iat:s y r:os.�"
#   the second file alone, Reader.GetPlainText: "Children: 5 mg, twice a day; none under 3 years."
set -euo pipefail
script=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv --without-pip v
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check fpdf2==2.8.9 pypdf==7.1.1
python3 -m pip --python v/bin/python install --quiet --no-compile --disable-pip-version-check --no-deps reportlab==5.1.0 # for its font
v/bin/python - <<'P' | tee seen
from importlib.metadata import files
from json import dumps
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter
font = next(file.locate() for file in files("reportlab") if file.name == "Vera.ttf")
both = PdfWriter()
for name, text in ("one.pdf", "Adults: take 20 mg, not more than 4 times a day."), ("two.pdf", "Children: 5 mg, twice a day; none under 3 years."):
    file = FPDF()
    file.add_font("Vera", fname=font)
    file.add_page()
    file.set_font("Vera", size=12)
    file.cell(text=text)
    file.output(name)
    both.append(name)
both.write("both.pdf")
print("pypdf:", dumps(PdfReader("both.pdf").pages[1].extract_text()))
P
cat > main.go <<'G'
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ledongthuc/pdf"
	"github.com/tmc/langchaingo/documentloaders"
)

func try[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func plain(reader *pdf.Reader) []string {
	text := try(io.ReadAll(try(reader.GetPlainText())))
	return strings.Split(strings.TrimSpace(string(text)), "\n\n")
}

func open(name string) *pdf.Reader {
	_, reader, err := pdf.Open(name)
	return try(reader, err)
}

func main() {
	both := open("both.pdf")
	page := try(both.Page(2).GetPlainText(nil))
	fmt.Printf("Page.GetPlainText(nil): %q\n", strings.TrimSpace(page))
	fmt.Printf("Reader.GetPlainText: %q\n", plain(both)[1])
	file := try(os.Open("both.pdf"))
	pages := try(documentloaders.NewPDF(file, try(file.Stat()).Size()).Load(context.Background()))
	fmt.Printf("langchaingo: %q\n", strings.TrimSpace(pages[1].PageContent))
	fmt.Printf("the second file alone, Reader.GetPlainText: %q\n", plain(open("two.pdf"))[0])
}
G
cat > go.mod <<'M'
module pages

go 1.25.0

require (
	github.com/ledongthuc/pdf v0.0.0-20260907135840-6c8c28e0e8a0
	github.com/tmc/langchaingo v0.1.14
)
M
GOFLAGS="-mod=mod -trimpath" go build -o pages . 2>said || { cat said >&2; exit 1; }
./pages | tee -a seen
diff seen <(sed -n 's/^#   //p' "$script")
