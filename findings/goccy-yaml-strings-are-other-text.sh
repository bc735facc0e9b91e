#!/usr/bin/env bash
# goccy/go-yaml 1.19.2: what looks like a number comes into a Go string as that number printed anew, 1.10 as "1.1" and 0010 as "8",
# and so do a map's keys; and it writes the string "1e5" without quotes, which yaml.v3 reads as a number. Expected was the text of the
# file, as yaml.v3 3.0.1 gives it, and quotes around what another reader of YAML takes for a number.
#
# Versions, identifiers and gold answers are hit. Most numbers come through unchanged, so that it isn't seen. Keys with a 0 in front
# are read as octal numbers; of "{0010: a, 8: b}" it says that a key is doubled. Of numbers in strings the README says nothing.
# Issue 631 (open) has the octals; on issue 717 the maintainer says that strings are quoted for this library's own reader,
# to which 1e5, 12e3 and 08 are strings. To yaml.v3, and so to koanf and viper, they are numbers.
#
# Seen with Go 1.26; a list read as []string, a map as map[string]string, then a []string written and read:
#   of [1.10, 2.0, 007, 0010, 1_000, .5, +5, 0x1F, 6.02e23, True, 1e5, 08, 12]
#   goccy [1.1, 2, 7, 8, 1000, 0.5, 5, 31, 6.02e+23, true, 1e5, 08, 12]
#   yaml.v3 [1.10, 2.0, 007, 0010, 1_000, .5, +5, 0x1F, 6.02e23, True, 1e5, 08, 12]
#   keys: goccy map[1.1:c 16:b 8:a] yaml.v3 map[0010:a 0020:b 1.10:c]
#   goccy writes: - 1e5 - 12e3 - 08 - "1.10" - "0010"; yaml.v3 reads: []interface {}{100000, 12000, 8, "1.10", "0010"}
set -euo pipefail
self=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > main.go <<'E'
package main

import (
	"fmt"
	"strings"

	goccy "github.com/goccy/go-yaml"
	yaml "gopkg.in/yaml.v3"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	list := "[1.10, 2.0, 007, 0010, 1_000, .5, +5, 0x1F, 6.02e23, True, 1e5, 08, 12]"
	var one, two []string
	check(goccy.Unmarshal([]byte(list), &one))
	check(yaml.Unmarshal([]byte(list), &two))
	fmt.Printf("of %s\n", list)
	fmt.Printf("goccy [%s]\n", strings.Join(one, ", "))
	fmt.Printf("yaml.v3 [%s]\n", strings.Join(two, ", "))
	var keys, same map[string]string
	check(goccy.Unmarshal([]byte("{0010: a, 0020: b, 1.10: c}"), &keys))
	check(yaml.Unmarshal([]byte("{0010: a, 0020: b, 1.10: c}"), &same))
	fmt.Println("keys: goccy", keys, "yaml.v3", same)
	written, err := goccy.Marshal([]string{"1e5", "12e3", "08", "1.10", "0010"})
	check(err)
	var read []any
	check(yaml.Unmarshal(written, &read))
	fmt.Printf("goccy writes: %s; yaml.v3 reads: %#v\n", strings.Join(strings.Fields(string(written)), " "), read)
}
E
export GOFLAGS="-mod=mod -trimpath"; go mod init findings.test 2>/dev/null
go get github.com/goccy/go-yaml@v1.19.2 gopkg.in/yaml.v3@v3.0.1 2>/dev/null
go run . | tee seen
diff seen <(sed -n 's/^#   //p' "$self")
