#!/usr/bin/env bash
# Looks over what packaging/release.sh made in DIR (dist): sums, what the package brings,
# whether it runs from a root folder where dpkg has installed it, and whether a clone
# elsewhere makes the same bytes. It needs no engine of containers and no root.
set -euo pipefail
cd "$(dirname "$0")/.."
dist=$(cd "${1:-dist}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$dist" && sha256sum --quiet -c SHA256SUMS)
deb=$(ls "$dist"/gorqa_*_amd64.deb)

[ "$(dpkg-deb --field "$deb" Package)" = gorqa ]
dpkg-deb --contents "$deb" | awk '$2 != "root/root" && $2 != "0/0" { print "not root'"'"'s: " $0; bad = 1 } END { exit bad }'
mkdir -p "$work/root/var/lib/dpkg"
touch "$work/root/var/lib/dpkg/status"
dpkg --root="$work/root" --force-not-root --force-depends --log="$work/log" -i "$deb" > "$work/said" 2>&1 || { cat "$work/said"; exit 1; }
dpkg --root="$work/root" --verify gorqa
gorqa=$work/root/usr/bin/gorqa
"$gorqa" --version > "$work/version"
grep -q "^gorqa .*(revision $(git rev-parse HEAD))" "$work/version" || { cat "$work/version"; echo "another revision expected: $(git rev-parse HEAD)"; exit 1; }
"$gorqa" data godoc --output_dir "$work/data" --train_rows 5 --eval_rows 2 --test_rows 2 --documents 20 > /dev/null
"$gorqa" contexts --quiet --train_file "$work/data/train_w_qa.jsonl" --full_dataset_file_path "$work/data/documents.jsonl" --retriever bm25 > "$work/contexts"
grep -q '"from"' "$work/contexts"
bash -n "$work/root/usr/share/bash-completion/completions/gorqa"

for archive in "$dist"/*.tar.gz; do tar -C "$work" -xzf "$archive"; done
cmp "$work"/gorqa-*-linux-amd64/gorqa "$gorqa"
[[ $(file -b "$work"/gorqa-*-linux-arm64/gorqa) == *aarch64*"statically linked"* ]]
ldd "$gorqa" | grep -vE 'linux-vdso|libc\.so|libm\.so|ld-linux' && { echo "more than the C library is linked"; exit 1; }

if [ -n "$(git status --porcelain)" ]; then
    echo "the tree is changed: whether a clone makes the same bytes is not looked at"
    exit
fi
git clone --quiet --no-hardlinks . "$work/clone"
"$work/clone/packaging/release.sh" "$work/again" > /dev/null
diff "$dist/SHA256SUMS" "$work/again/SHA256SUMS"
echo "runs from a root folder of its own; a clone elsewhere makes the same bytes"
