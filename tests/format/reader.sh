#!/usr/bin/env bash
# reader.sh TEST_DIR READER -- the reader written from FORMAT.md finds in a file with a field
# of every kind and type just what was put into it; and the file is the committed one, byte
# for byte: a change of the format shows here.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1"/test_format_every_field "$work/a.sluice" >"$work/want" 2>"$work/err"
gzip -dc "$(dirname "$2")/golden.sluice.gz" | cmp - "$work/a.sluice"
python3 "$2" "$work/a.sluice" >"$work/got"
python3 - "$work" "$(dirname "$2")" <<'EOF'
import json, sys
work, folder = sys.argv[1:]
sys.path.insert(0, folder)
sys.dont_write_bytecode = True
import reader

want, got = ([json.loads(line) for line in open(f"{work}/{name}")] for name in ("want", "got"))
assert len(want) == len(got) == 12, (len(want), len(got))
for i, (a, b) in enumerate(zip(want, got)):
    assert list(a) == list(b), f"sample {i}: fields {list(a)}, found {list(b)}"
    for name in a:
        assert a[name] == b[name], f"sample {i}, {name}: expected {a[name]}, found {b[name]}"
f = reader.File(f"{work}/a.sluice")
assert f.classes == ["cat", "été"] and f.class_field == "u8", f.classes
assert f.provenance == {"from": "a test"} and f.commit == 2 and len(f.segments) == 2
# The image's statistics, over all its samples.
for c in range(4):
    values = [v for i in range(12) for v in bytes.fromhex(want[i]["image"]["bytes"])[c::4]]
    mean = sum(values) / len(values)
    std = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
    assert abs(f.mean[c] - mean) < 1e-9 and abs(f.std[c] - std) < 1e-9, (c, f.mean, f.std, mean, std)
EOF
