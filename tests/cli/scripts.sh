#!/usr/bin/env bash
# scripts.sh FOLDER -- each program in it takes --help: says how it is called, and ends.
failures=0
for script in "$1"/*; do
  name=$(basename "$script")
  [ -f "$script" ] && [ -x "$script" ] || continue
  said=$(timeout 20 "$script" --help 2>&1) && [[ $said = *"$name "* ]] || {
    echo "FAILED: $script --help: $said" >&2
    failures=$((failures + 1))
  }
done
[ $failures = 0 ]
