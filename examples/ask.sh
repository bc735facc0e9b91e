#!/usr/bin/env bash
# Asks a trained run a question of its test set that it answered rightly there, and
# checks that it does again: RUN=runs/demo GORQA=bin/gorqa examples/ask.sh
set -euo pipefail
predictions=$RUN/test-predictions.jsonl
row=$(grep -m 1 '"context":"retrieved".*"exact_match_ans":1[,}]' "$predictions") || {
  echo "$predictions: no row that was answered rightly; the run learnt too little to ask it anything" >&2
  exit 1
}
field() { sed -E 's/.*"'"$1"'":"(([^"\\]|\\.)*)".*/\1/; s/\\(.)/\1/g' <<<"$row"; }
question=$(field question)
gold=$(field gold_answer)
echo "  $GORQA ask $RUN \"$question\""
echo
log=$(mktemp)
trap 'rm -f "$log"' EXIT
answer=$("$GORQA" ask "$RUN" "$question" 2>"$log") || {
  cat "$log" >&2
  exit 1
}
sed 's/^/  /' <<<"$answer"
if [[ $answer != *"$gold"* ]]; then
  printf '%s\n' "asked again, the answer is another one; expected: $gold" >&2
  exit 1
fi
