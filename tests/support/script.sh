# script.sh -- what the tests written for the shell share. Sourced with the programs'
# folder as $1: sets PATH, goes into a folder of its own, removed at the end, and counts
# what `fail` is told. A script's last line is `[ $failures = 0 ]`.
set -u
export PATH=$1:$PATH LC_ALL=C OMP_NUM_THREADS=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
fail() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }
