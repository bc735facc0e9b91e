#!/usr/bin/env bash
# Serves a trained run, says where, and looks whether it answers; with STAY=1 until
# Ctrl-C: RUN=runs/demo GORQA=bin/gorqa examples/serve.sh [FLAGS OF gorqa serve]
set -euo pipefail
log=$(mktemp)
"$GORQA" serve "$RUN" --port "${PORT:-0}" "$@" 2>"$log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 1200); do
  url=$(sed -n 's/^Serving .* at \(http:[^ ]*\) .*/\1/p' "$log")
  [ -z "$url" ] || break
  kill -0 "$server" 2>/dev/null || { cat "$log" >&2; exit 1; }
  sleep 0.1
done
[ -n "$url" ] || { cat "$log" >&2; exit 1; }
address=${url#http://}
exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
printf 'GET /healthz HTTP/1.0\r\nHost: %s\r\n\r\n' "$address" >&3
read -r status <&3
exec 3>&-
case $status in
  *' 200 '*) ;;
  *) echo "$url/healthz: $status; 200 expected" >&2; exit 1 ;;
esac
if [ "${STAY:-}" = 1 ]; then
  printf '\nChat with it at %s (Ctrl-C ends it)\n' "$url"
  wait "$server"
else
  printf '\nIt served a chat page at %s, and OpenAI'"'"'s API at %s/v1. To chat with it:\n\n  %s\n' "$url" "$url" "$GORQA serve $RUN $*"
fi
