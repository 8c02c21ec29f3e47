#!/bin/sh
# Runs the README's first program as its reader does, in two processes: hello_test.sh PROGRAM
set -eu
folder=$(mktemp -d)
listener=
trap '[ -z "$listener" ] || kill "$listener" 2>/dev/null; rm -rf "$folder"' EXIT
export SLUICE_RUNTIME_DIR="$folder/runtime"
mkdir -m 0700 "$SLUICE_RUNTIME_DIR"
"$1" listen "unix:$folder/hello.sock" >"$folder/received" &
listener=$!
tries=100
until [ -S "$folder/hello.sock" ]; do
  tries=$((tries - 1))
  [ $tries -gt 0 ] || { echo "the listener doesn't listen"; exit 1; }
  sleep 0.1
done
"$1" send "unix:$folder/hello.sock"
wait "$listener"
listener=
printf 'one\ntwo\nthree\n' | diff - "$folder/received"
