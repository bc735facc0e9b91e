#!/usr/bin/env bash
# parquet-go 0.32.0 reads a list whose elements have another name than "element" as a list of as many empty values.
# Expected were the values, which Parquet's rules for lists allow whatever the names, or an error.
#
# pyarrow used to name them "item" and still can: every passage of such a row is "", and a list that was empty has one. A
# field whose column is not in the file at all is a list of one, too. There is no error, and where there were passages
# their number is right, so checks that count them pass.
#
# Seen with Go 1.26, parquet-go v0.32.0, files of pyarrow 26.0.1:
#   element: ["opens at nine" "at nine"] [] <nil>
#   item: ["" ""] [""] <nil>
#   no such column: [""] [""] <nil>
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv v
v/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
v/bin/python - <<'P'
import pyarrow as pa, pyarrow.parquet as pq
lists = pa.array([["opens at nine", "at nine"], []], pa.list_(pa.string()))
pq.write_table(pa.table({"question": ["a", "b"], "passages": lists}), "element")
pq.write_table(pa.table({"question": ["a", "b"], "passages": lists}), "item", use_compliant_nested_type=False)
pq.write_table(pa.table({"question": ["a", "b"], "contexts": lists}), "no such column")
P
cat > main.go <<'G'
package main

import (
	"fmt"

	"github.com/parquet-go/parquet-go"
)

type row struct {
	Question string   `parquet:"question"`
	Passages []string `parquet:"passages,list"`
}

func main() {
	for _, file := range []string{"element", "item", "no such column"} {
		rows, err := parquet.ReadFile[row](file)
		fmt.Printf("%s: %q %q %v\n", file, rows[0].Passages, rows[1].Passages, err)
	}
}
G
export GOFLAGS="-mod=mod -trimpath"
go mod init findings.test 2>/dev/null
go get github.com/parquet-go/parquet-go@v0.32.0 2>/dev/null
go run . | tee seen
diff seen - <<'G'
element: ["opens at nine" "at nine"] [] <nil>
item: ["" ""] [""] <nil>
no such column: [""] [""] <nil>
G
