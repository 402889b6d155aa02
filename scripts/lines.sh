#!/usr/bin/env bash
# Lines of code per folder: a mirror, not a limit.
cd "$(dirname "$0")/.." || exit 1
for d in format writer loader augment train tests scripts; do
  printf '%-8s %6d\n' "$d" "$(git ls-files "$d" | grep -E '\.(c|h|cu|cuh|cpp|py|sh|cmake)$|CMakeLists' | xargs -r cat | wc -l)"
done
