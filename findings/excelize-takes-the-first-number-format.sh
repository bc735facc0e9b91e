#!/usr/bin/env bash
# excelize 2.11.1, GetCellValue and GetRows: of a number format with sections, the first is taken for whatever isn't negative, whether its
# condition holds or not, and zero has none of its own: cells read "yes" for no, 7500.0% for 75.0, 0.0M for 500. Expected was what the
# sheet shows, or the bare number: "if the cell format can be applied", it is, "otherwise the original value will be returned".
#
# ECMA-376 (18.8.31) has a section for what is positive, one for what is negative, one for zero and one for text, or one for each
# condition in brackets. "Yes";"Yes";"No" is how sheets show flags, 0.0,,"M" with a condition how they show large sums, "-" or "none" how
# they show nothing. excelize makes texts of the cells' numbers by the format, other signs and percents right, so that a wrong text looks
# like all others, and there is no error. RawCellValue gives the number. SheetJS reads the same file as the sheet shows it.
#
# Seen with Go 1.26 and Node 20 (xlsx 0.18.5):
#   "yes";"yes";"no": 1 is yes; 0 is yes, SheetJS no
#   [=1]"paid";[=0]"open";0: 1 is paid; 0 is paid, SheetJS open; 75 is paid, SheetJS 75
#   [>100]"high";[>50]"medium";"low": 500 is high; 75 is high, SheetJS medium; 1 is high, SheetJS low
#   [<1]0.0%;0.0: 0.5 is 50.0%; 75 is 7500.0%, SheetJS 75.0; 500 is 50000.0%, SheetJS 500.0
#   [>=1000000]0.0,,"M";[>=1000]0.0,"K";0: 5000000 is 5.0M; 5000 is 0.0M, SheetJS 5.0K; 500 is 0.0M, SheetJS 500
#   #,##0;(#,##0);"none": 5000 is 5,000; -5000 is (5,000); 0 is 0, SheetJS none
#   0.0;-0.0: 0.5 is 0.5; -0.5 is -0.5; 0 is 0.0
set -euo pipefail
script=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund xlsx@0.18.5 >/dev/null 2>&1
cat > main.go <<'G'
package main

import (
	"fmt"

	"github.com/xuri/excelize/v2"
)

func try[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	file := excelize.NewFile()
	for row, line := range []struct {
		format  string
		numbers []any
	}{
		{`"yes";"yes";"no"`, []any{1, 0}},
		{`[=1]"paid";[=0]"open";0`, []any{1, 0, 75}},
		{`[>100]"high";[>50]"medium";"low"`, []any{500, 75, 1}},
		{`[<1]0.0%;0.0`, []any{0.5, 75, 500}},
		{`[>=1000000]0.0,,"M";[>=1000]0.0,"K";0`, []any{5000000, 5000, 500}},
		{`#,##0;(#,##0);"none"`, []any{5000, -5000, 0}},
		{`0.0;-0.0`, []any{0.5, -0.5, 0}},
	} {
		style := try(file.NewStyle(&excelize.Style{CustomNumFmt: &line.format}))
		for column, number := range line.numbers {
			cell := try(excelize.CoordinatesToCellName(column+1, row+1))
			try(0, file.SetCellValue("Sheet1", cell, number))
			try(0, file.SetCellStyle("Sheet1", cell, cell, style))
		}
	}
	try(0, file.SaveAs("book.xlsx"))
	read := try(excelize.OpenFile("book.xlsx"))
	for _, row := range try(read.GetRows("Sheet1")) {
		for _, text := range row {
			fmt.Println(text)
		}
	}
}
G
cat > go.mod <<'M'
module sheets

go 1.25.0

require github.com/xuri/excelize/v2 v2.11.1
M
GOFLAGS="-mod=mod -trimpath" go run . 2>said >texts || { cat said >&2; exit 1; }
cat > run.js <<'J'
const sheet = require("xlsx").readFile("book.xlsx", { cellNF: true }).Sheets.Sheet1;
const texts = require("fs").readFileSync("texts", "utf8").split("\n");
for (let row = 1; sheet[`A${row}`]; row++) {
  const cells = ["A", "B", "C"].map((column) => sheet[column + row]).filter(Boolean);
  const said = cells.map(({ v, w }) => [v, w, texts.shift()]).map(([v, w, text]) => `${v} is ${text}${text === w ? "" : `, SheetJS ${w}`}`);
  console.log(`${cells[0].z}: ${said.join("; ")}`);
}
J
node run.js | tee seen
diff seen <(sed -n 's/^#   //p' "$script")
