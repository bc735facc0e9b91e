#!/usr/bin/env bash
# go build does not notice that what pkg-config says of a library has changed.
#
# Versions: go 1.26 (the go command on the path), gcc, pkg-config.
# Behaviour: a package with "#cgo pkg-config: speech" is built with PKG_CONFIG_PATH at a folder
# whose speech.pc has -DWORD=1, then at one with -DWORD=2. The second program is the first one:
# the flags that pkg-config prints are no part of the key of the build cache, while flags in
# CGO_CFLAGS and in #cgo lines are. So a program that is built with one MPI, BLAS or CUDA and then
# with another one of the same name is a mixture or the old one, with no word of it; go build -a,
# or a GOCACHE for each, helps.
# Output seen:
#   pkg-config, first folder: 1
#   pkg-config, second folder: 1
#   pkg-config, second folder, go build -a: 2
#   CGO_CFLAGS, second value: 2
# Exits with an error once the second build has the second folder's flags.
set -euo pipefail
for needed in go gcc pkg-config; do command -v "$needed" >/dev/null || { echo "needs $needed"; exit 2; }; done
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
export GOFLAGS= GOCACHE="$work/cache" CGO_ENABLED=1
cd "$work"
printf 'module m\n\ngo 1.26\n' >go.mod
# program FILE PREAMBLE writes a program that prints the C macro WORD.
program() {
	mkdir -p "$1"
	printf 'package main\n\n// %s\n// static int word(void) { return WORD; }\nimport "C"\nimport "fmt"\n\nfunc main() { fmt.Println(C.word()) }\n' "$2" >"$1/main.go"
}
program configured '#cgo pkg-config: speech'
program plain '#include <stddef.h>'
for value in 1 2; do
	mkdir "pc$value"
	printf 'Name: speech\nDescription: a word\nVersion: 1\nCflags: -DWORD=%s\n' "$value" >"pc$value/speech.pc"
done
go version
first=$(PKG_CONFIG_PATH="$work/pc1" go run ./configured)
second=$(PKG_CONFIG_PATH="$work/pc2" go run ./configured)
anew=$(PKG_CONFIG_PATH="$work/pc2" go run -a ./configured)
CGO_CFLAGS=-DWORD=1 go run ./plain >/dev/null
flags=$(CGO_CFLAGS=-DWORD=2 go run ./plain)
printf 'pkg-config, first folder: %s\npkg-config, second folder: %s\npkg-config, second folder, go build -a: %s\nCGO_CFLAGS, second value: %s\n' "$first" "$second" "$anew" "$flags"
[ "$first/$second/$anew/$flags" = 1/1/2/2 ]
