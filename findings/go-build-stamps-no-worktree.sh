#!/usr/bin/env bash
# go build -buildvcs=true stamps no revision, and says nothing, in a linked git worktree.
#
# Versions: go 1.26 (the go command on the path), git 2.
# Behaviour: in a repository "go version -m" of a program shows vcs.revision and a version made
# of the commit; built of the same commit in a worktree that "git worktree add" made, it shows
# (devel) and no vcs settings. -buildvcs=true is to fail where the stamp cannot be had
# (go help build), and does not. A release script that is run in a worktree makes programs that
# do not know their version; building in a clone helps.
# Output seen:
#   repository: v0.0.0-20261129022143-db06821ead67, 1 revision
#   worktree: (devel), 0 revisions
# Exits with an error once the two are the same.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS= GIT_CONFIG_GLOBAL=/dev/null
git init -q "$work/repository"
cd "$work/repository"
git config user.name n && git config user.email e@example.com
printf 'module m\n\ngo 1.26\n' > go.mod
printf 'package main\n\nfunc main() {}\n' > main.go
git add . && git commit -qm first
git worktree add -q "$work/worktree" -b other
go version
for place in repository worktree; do
    cd "$work/$place"
    go build -buildvcs=true -o "$work/$place.program" .
    go version -m "$work/$place.program" > "$work/$place.said"
    version=$(awk '$1 == "mod" { print $3 }' "$work/$place.said")
    echo "$place: $version, $(grep -c vcs.revision "$work/$place.said" || true) revisions"
done
grep -q 'vcs.revision=' "$work/repository.said"
if grep -q 'vcs.revision=' "$work/worktree.said"; then
    echo "the worktree's program is stamped now"
    exit 1
fi
