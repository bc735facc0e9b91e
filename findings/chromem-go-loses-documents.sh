#!/usr/bin/env bash
# chromem-go 0.7.0, the vector database for Go with "Chroma-like interface": documents get lost, without an error.
#
# A persistent collection names the file of a document after 4 bytes of the SHA-256 of its id. Two ids that share these are two
# documents until the program ends, and one afterwards: the one written last. Of doc-0 to doc-99999 there are two such
# pairs, as is to be expected (n^2 / 2^33). Delete(where, whereDocument, ids...) forgets the ids as soon as a filter is
# not nil: it deletes all that the filter matches, and for an empty map everything. Expected were those of the ids that match:
# Chroma's page deletes ids with a where, and "all items" that match only "if no ids are supplied".
#
# Seen with Go 1.26, chromem-go v0.7.0:
#   documents: 2; opened again: 1, document with ID 'doc-17633' not found, <nil>
#   delete a: 2 of 3 left; a and kind x: 1; a and no condition: 0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > main.go <<'E'
package main

import (
	"context"
	"fmt"
	"github.com/philippgille/chromem-go"
)

func collection(db *chromem.DB, kinds ...string) *chromem.Collection {
	c, _ := db.CreateCollection("docs", nil, nil)
	for i := 0; i < len(kinds); i += 2 {
		d := chromem.Document{ID: kinds[i], Metadata: map[string]string{"kind": kinds[i+1]}, Embedding: []float32{1}}
		if err := c.AddDocument(context.Background(), d); err != nil {
			panic(err)
		}
	}
	return c
}

func left(where map[string]string) int {
	c := collection(chromem.NewDB(), "a", "x", "b", "x", "c", "y")
	if err := c.Delete(context.Background(), where, nil, "a"); err != nil {
		panic(err)
	}
	return c.Count()
}

func main() {
	db, err := chromem.NewPersistentDB("db", false)
	c := collection(db, "doc-17633", "x", "doc-29150", "x")
	db, err = chromem.NewPersistentDB("db", false)
	again := db.GetCollection("docs", nil)
	_, lost := again.GetByID(context.Background(), "doc-17633")
	fmt.Printf("documents: %d; opened again: %d, %v, %v\n", c.Count(), again.Count(), lost, err)
	fmt.Printf("delete a: %d of 3 left; a and kind x: %d; a and no condition: %d\n",
		left(nil), left(map[string]string{"kind": "x"}), left(map[string]string{}))
}
E
export GOFLAGS="-mod=mod -trimpath"; go mod init findings.test 2>/dev/null && go get github.com/philippgille/chromem-go@v0.7.0 2>/dev/null
go run . | tee seen
diff seen - <<'E'
documents: 2; opened again: 1, document with ID 'doc-17633' not found, <nil>
delete a: 2 of 3 left; a and kind x: 1; a and no condition: 0
E
