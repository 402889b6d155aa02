#!/usr/bin/env bash
# bare_machine.sh SOURCE_DIR -- where the optional libraries are not installed, the build is
# configured without them, or refused in words where they were asked for.
set -u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() { echo "FAILED: $*" >&2; failures=$((failures + 1)); }

cat >"$work/pkg-config" <<'EOF'
#!/bin/sh
case "$*" in *liburing* | *matio*) exit 1 ;; esac
exec pkg-config "$@"
EOF
chmod +x "$work/pkg-config"
configure() {
  rm -rf "$work/build"
  cmake -G Ninja -S "$1" -B "$work/build" -DPKG_CONFIG_EXECUTABLE="$work/pkg-config" \
    -DSLUICE_TESTS=OFF -DSLUICE_CUDA=OFF "-DSLUICE_URING=$2" -Wno-dev >"$work/out" 2>&1
}

for choice in AUTO OFF; do
  configure "$1" $choice || fail "SLUICE_URING=$choice: $(cat "$work/out")"
  grep -q 'io_uring (liburing): no' "$work/out" || fail "SLUICE_URING=$choice: $(cat "$work/out")"
done
configure "$1" ON && fail "SLUICE_URING=ON: configured without it"
grep -q 'SLUICE_URING=ON, but io_uring (liburing) was not found' "$work/out" ||
  fail "SLUICE_URING=ON: $(cat "$work/out")"

[ $failures = 0 ]
