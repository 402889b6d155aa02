# script.sh -- what the tests written for the shell share. Sourced with the programs'
# folder as $1: sets PATH, goes into a folder of its own, removed at the end, and counts
# what `fail` is told. A script's last line is `[ $failures = 0 ]`.
# Python finds formats.py.
set -u
export PATH=$1:$PATH LC_ALL=C OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
PYTHONPATH=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
export PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
fail() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }
# refused STATUSES PATTERN LEFT COMMAND...: ends with one of STATUSES ("2 3") and one line
# that says PATTERN; there is no LEFT then.
refused() {
  local statuses=" $1 " pattern=$2 left=$3
  shift 3
  timeout 60 "$@" >out 2>err
  local got=$?
  [[ $statuses = *" $got "* ]] || fail "$*: exit status $got, expected$statuses: $(cat err)"
  [ "$(wc -l <err)" = 1 ] || fail "$*: not one line: $(cat err)"
  grep -q -- "$pattern" err || fail "$*: expected '$pattern' in: $(cat err)"
  [ ! -e "$left" ] || fail "$*: left $(find "$left")"
}
