#!/usr/bin/env bash
# viper 1.21.0, MergeConfig and MergeInConfig: null, false, a word or a list for a section of the first file is passed over, without
# an error or a line on the log. Expected was the later file's value, as for everything that is not a section in the
# first file, and as in koanf 2.4.1: what a later file says goes over what an earlier one said.
#
# A later file that turns a part of a run off ("lora: null") leaves it on with all that was there. The other way round, a
# section over a word, is taken. Values of other types were once passed over too (issue 1142, mended by #1181); sections were left,
# and the message about them goes to a logger that throws it away by default. The README doesn't say how two files are merged.
#
# Seen with Go 1.26; a first file with "lora: {r: 8}", "sched: cosine" and "stop: [a]", then the second:
#   lora: null -> viper map[r:8], koanf <nil>; error <nil>
#   lora: false -> viper map[r:8], koanf false; error <nil>
#   lora: none -> viper map[r:8], koanf none; error <nil>
#   lora: [] -> viper map[r:8], koanf []; error <nil>
#   sched: null -> viper <nil>, koanf <nil>; error <nil>
#   sched: {name: linear} -> viper map[name:linear], koanf map[name:linear]; error <nil>
#   stop: false -> viper false, koanf false; error <nil>
set -euo pipefail
self=$(realpath "$0"); work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat > main.go <<'E'
package main

import (
	"fmt"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/viper"
)

const first = "lora: {r: 8}\nsched: cosine\nstop: [a]\n"

func main() {
	for _, second := range []string{"lora: null", "lora: false", "lora: none", "lora: []", "sched: null", "sched: {name: linear}", "stop: false"} {
		key, _, _ := strings.Cut(second, ":")
		merged, k := viper.New(), koanf.New(".")
		merged.SetConfigType("yaml")
		if err := merged.ReadConfig(strings.NewReader(first)); err != nil {
			panic(err)
		}
		err := merged.MergeConfig(strings.NewReader(second))
		for _, text := range []string{first, second} {
			if err := k.Load(rawbytes.Provider([]byte(text)), yaml.Parser()); err != nil {
				panic(err)
			}
		}
		fmt.Printf("%s -> viper %v, koanf %v; error %v\n", second, merged.Get(key), k.Get(key), err)
	}
}
E
export GOFLAGS="-mod=mod -trimpath"; go mod init findings.test 2>/dev/null
go get github.com/spf13/viper@v1.21.0 github.com/knadh/koanf/v2@v2.4.1 github.com/knadh/koanf/parsers/yaml@v1.1.0 \
  github.com/knadh/koanf/providers/rawbytes@v1.0.0 2>/dev/null
go run . | tee seen
diff seen <(sed -n 's/^#   //p' "$self")
