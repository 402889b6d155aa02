#!/usr/bin/env bash
# verify.sh BIN_DIR TEST_DIR -- test_loader_verify over a small file of each mode, and over
# one that was appended to.
set -eu
export PATH=$1:$PATH LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir tree && "$2"/test_writer_pictures make tree
for mode in keep raw jpg smart proportion; do
  sluice write folder tree $mode.sluice --mode=$mode --max-side=24 --limit=12 --smart-threshold=1500 --quiet
done
sluice write folder tree zstd.sluice --mode=raw --max-side=24 --limit=12 --compress=3 --dictionary=1K --quiet
sluice write folder tree more.sluice --max-side=24 --limit=5 --quiet
cp keep.sluice appended.sluice
sluice append appended.sluice more.sluice --quiet
rm more.sluice
"$2"/test_loader_verify ./*.sluice
