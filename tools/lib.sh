# What the scripts of this folder share; sourced by them. It goes to the root of the repository, and sets:
#   jobs   how many processes at once          SLUICE_COUNTS  the file that collects what was passed, failed and skipped
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=$(nproc)
export SLUICE_COUNTS=${SLUICE_COUNTS:-$PWD/build/counts}
mkdir -p build

# minutes SECONDS: as people read it
minutes() { awk -v seconds="$1" 'BEGIN { printf "%.1f min", seconds / 60 }'; }

# quietly LOG COMMAND...: runs the command; its output goes to the file, and its end is shown if it fails
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" >"$log" 2>&1 </dev/null || {
    local status=$?
    grep -E 'error|FAILED|warning' "$log" | head -n 20 || true
    tail -n 30 "$log"
    echo "FAILED: $* (all of its output: $log)"
    return "$status"
  }
}

# build PRESET [TARGET...]: configures and builds
build() {
  local preset=$1
  shift
  quietly "build/$preset/configure.log" cmake --preset "$preset"
  quietly "build/$preset/build.log" cmake --build "build/$preset" -j "$jobs" ${1:+--target "$@"}
}

# counted PASSED FAILED SKIPPED: adds to the counts
counted() { echo "$1 $2 $3" >>"$SLUICE_COUNTS"; }

# total_from LINE: sums the counts that were added after that many lines
total_from() {
  tail -n "+$(($1 + 1))" "$SLUICE_COUNTS" 2>/dev/null |
    awk '{ p += $1; f += $2; s += $3 } END { printf "%d passed, %d failed, %d skipped\n", p, f, s }'
}
counts_so_far() { if [ -f "$SLUICE_COUNTS" ]; then wc -l <"$SLUICE_COUNTS"; else echo 0; fi; }

# twins_are_there PRESET: a sanitizer that reports nothing proves something only beside the broken twins that it must report
twins_are_there() {
  ctest --test-dir "build/$1" -N -R '^twin\..*broken$' | grep '^  Test ' >/dev/null || {
    echo "No broken twin in build/$1: it is not built with its sanitizer."
    return 1
  }
}
