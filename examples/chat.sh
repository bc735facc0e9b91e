#!/usr/bin/env bash
# Tells how to chat with a trained run, and on a terminal offers the page in a browser:
# RUN=runs/demo GORQA=bin/gorqa examples/chat.sh [serve]
# With "serve" it starts the page without asking. Where nobody types, nothing waits.
set -euo pipefail
if [ "${1:-}" != serve ]; then
  printf '\nChat with it, here or in a browser:\n\n  %s\n  %s\n' "$GORQA ask $RUN" "$GORQA serve $RUN"
  if ! [ -t 0 ] || ! [ -t 1 ] || [ -n "${CI:-}" ]; then exit 0; fi
  read -r -t 120 -p $'\nOpen the page in a browser now? [y/N] ' answer || { echo; exit 0; }
  case $answer in [yY]*) ;; *) exit 0 ;; esac
fi
show() { # the page, once it is there
  for _ in {1..120}; do
    if (exec 3<>/dev/tcp/127.0.0.1/8000) 2>/dev/null; then
      xdg-open http://127.0.0.1:8000 >/dev/null 2>&1 || true
      return
    fi
    sleep 1
  done
}
if command -v xdg-open >/dev/null && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then show & fi
exec "$GORQA" serve "$RUN"
