#!/usr/bin/env bash
# Makes what is released of the commit that is checked out, in DIR (dist): archives for
# Linux on amd64, and on arm64 of what works without the engine, a Debian package, the
# Containerfile, and their sums. The same commit gives the same bytes, wherever it lies,
# with the same Go and C compilers.
set -euo pipefail
mkdir -p "${1:-dist}"
dist=$(cd "${1:-dist}" && pwd)
cd "$(dirname "$0")/.."
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "${dist:?}"/*
# Built in a clone: it holds the commit alone, and in a linked worktree the go command
# stamps nothing (findings/go-build-stamps-no-worktree.sh).
git clone --quiet --no-hardlinks . "$work/src"
cd "$work/src"

build() { # ARCH CGO: the program, stamped with the version and the revision by the go command
    mkdir -p "$work/$1"
    GOFLAGS='' CGO_ENABLED=$2 GOOS=linux GOARCH=$1 go build -trimpath -buildvcs=true -ldflags '-s -w' -o "$work/$1/gorqa" ./cmd/gorqa
}
build amd64 1
build arm64 0

version=$("$work/amd64/gorqa" --version | sed -nE '1s/^gorqa v?([^ ]+) .*/\1/p')
[ -n "$version" ] || { echo "gorqa --version tells no version" >&2; exit 1; }
# A stamp of no tag (0.0.0-TIME-REVISION) comes before the first release.
VERSION=$(tr - '~' <<< "$version")
# The newest of the C library's symbols that the program asks for.
LIBC=$(objdump -T "$work/amd64/gorqa" | grep -oE 'GLIBC_[0-9.]+' | sort -uV | tail -1 | cut -d_ -f2)
STAGE=$work/amd64
export VERSION LIBC STAGE

for arch in amd64 arm64; do
    cp LICENSE README.md CHANGELOG.md "$work/$arch"
    mkdir -p "$work/$arch/completions" "$work/$arch/examples"
    cp examples/*.yaml "$work/$arch/examples"
    for shell in bash zsh fish; do "$work/amd64/gorqa" completion $shell > "$work/$arch/completions/gorqa.$shell"; done
    find "$work/$arch" -type f ! -name gorqa -exec chmod 644 {} +
    find "$work/$arch" -type d -exec chmod 755 {} +
    name=gorqa-$version-linux-$arch
    mv "$work/$arch" "$work/$name"
    tar -C "$work" --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$name" | gzip -9n > "$dist/$name.tar.gz"
    mv "$work/$name" "$work/$arch"
done

find "$STAGE" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} + # which the package keeps
GOFLAGS='' go tool -modfile=packaging/tools.mod nfpm package --config packaging/nfpm.yaml --packager deb --target "$dist/gorqa_${VERSION}_amd64.deb" > "$work/said" || { cat "$work/said" >&2; exit 1; }
cp packaging/Containerfile "$dist"
(cd "$dist" && sha256sum -- * > "$work/sums" && mv "$work/sums" SHA256SUMS)
echo "gorqa $version, for a C library from $LIBC on, in $dist:"
cat "$dist/SHA256SUMS"
