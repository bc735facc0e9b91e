#!/usr/bin/env bash
# Asks a trained run a question of its test set, one that it answered rightly there
# if there is one, and prints what it says: RUN=runs/demo GORQA=bin/gorqa examples/ask.sh
# It fails where asking fails. What a small model says is up to its training.
set -euo pipefail
predictions=$RUN/test-predictions.jsonl
right='A question of the test set that it answered rightly:'
rightly=$(grep '"context":"retrieved".*"exact_match_ans":1[,}]' "$predictions" || true)
# One that has an answer, rather than one that the documents do not answer.
row=$(grep -vm 1 -e '"unanswerable":true' -e '^$' <<<"$rightly") || row=$(grep -m 1 . <<<"$rightly") || {
  right='No row of the test set was answered word for word; a question of it:'
  row=$(grep -m 1 '"context":"retrieved"' "$predictions") || {
    echo "$predictions: no row with retrieved passages; the predictions of a run with eval_contexts retrieved expected" >&2
    exit 1
  }
}
field() { sed -E 's/.*"'"$1"'":"(([^"\\]|\\.)*)".*/\1/; s/\\(.)/\1/g' <<<"$row"; }
question=$(field question)
printf '%s\n\n  %s\n\n' "$right" "$GORQA ask $RUN \"$question\""
log=$(mktemp)
trap 'rm -f "$log"' EXIT
answer=$("$GORQA" ask "$RUN" "$question" 2>"$log") || {
  cat "$log" >&2
  exit 1
}
sed 's/^/  /' <<<"$answer"
printf '\nThe data set answers: %s\n' "$(field gold_answer)"
