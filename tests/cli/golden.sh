#!/usr/bin/env bash
# golden.sh CASE BIN_DIR -- run a case and compare exit status, standard output and
# standard error with what is committed beside it (CASE.out, CASE.err, CASE.status).
# UPDATE=1 rewrites those. The case runs in an empty folder with BIN_DIR on the PATH.
set -u
case=$(realpath "$1")
bin=$(realpath "$2")
stem=${case%.case}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
PATH=$bin:$PATH LC_ALL=C bash "$case" >"$work.out" 2>"$work.err" </dev/null
echo $? >"$work.status"
result=0
for part in out err status; do
  [ -n "${UPDATE:-}" ] && cp "$work.$part" "$stem.$part"
  diff -u "$stem.$part" "$work.$part" || result=1
  rm -f "$work.$part"
done
exit $result
