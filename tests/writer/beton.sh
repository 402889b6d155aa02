#!/usr/bin/env bash
# beton.sh BIN_DIR TEST_DIR -- FFCV's .beton files: every field of every sample as it was
# written; damaged ones are refused with one line.
here=$(dirname "$(realpath "$0")")
make_tree=$2/test_writer_pictures
. "$(dirname "$0")/../support/script.sh"
# bad STATUS PATTERN FILE [OPTIONS]: refused with one line that says PATTERN.
bad() {
  local status=$1 pattern=$2 file=$3
  shift 3
  sluice write beton "$file" out.sluice "$@" 2>err
  local got=$?
  [ $got = "$status" ] || fail "$pattern: exit status $got: $(cat err)"
  [ "$(wc -l <err)" = 1 ] && grep -q -- "$pattern" err || fail "expected '$pattern' in: $(cat err)"
  [ -z "$(find . -name 'out.sluice*')" ] || fail "$pattern: left a file"
}
# damaged STATUS PATTERN NAME OFFSET BYTES: a copy of NAME.beton with these bytes there.
damaged() {
  cp "$3.beton" bad.beton
  printf "$5" | dd of=bad.beton bs=1 seek=$(($4)) conv=notrunc status=none
  bad "$1" "bad.beton: $2" bad.beton
}

mkdir tree && "$make_tree" make tree || exit 1
python3 "$here/make_betons.py" make . tree || exit 1
for name in all usual workers pages numbers empty types; do
  sluice write beton $name.beton $name.sluice --quiet 2>err || fail "$name: $(cat err)"
  python3 "$here/make_betons.py" check $name $name.sluice tree || fail "$name differs"
  sluice verify $name.sluice >out || fail "$name: $(cat out)"
done
sluice write beton workers.beton raw.sluice --mode=raw --quiet || fail "raw"
python3 "$here/make_betons.py" check workers raw.sluice tree raw || fail "raw differs"
sluice write beton usual.beton named.sluice --class-names=0,1,2,3,4,5,6,7,8,nine --quiet || fail "names"
sluice info named.sluice --json | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert [(c["name"], c["samples"]) for c in r["classes"]][9] == ("nine", 5), r
assert r["fields"][0]["shape"] == [6, 8, 3] and len(r["mean"]) == 3, r
assert r["provenance"]["files"][0]["name"] == "usual.beton", r' || fail "info"
# Mean and deviation of pictures that are JPEGs are those of their pixels.
sluice write beton all.beton pixels.sluice --mode=raw --quiet || fail "all, raw"
for f in all pixels; do sluice info $f.sluice --json | sed 's/.*"mean": \(.*\), "prov.*/\1/' >$f.mean; done
grep -q '^.[0-9.]*, [0-9.]*, [0-9.]*., "std"' all.mean && cmp all.mean pixels.mean || fail "statistics: $(cat all.mean pixels.mean)"

# `usual` has two fields: records from 2106, 24 bytes each; pages from 2 MiB; one page.
record=2106 table=$((4 << 20))
damaged 5 'starts with 3, expected 2' usual 0 '\x03'
damaged 5 'pages of 2097153 bytes' usual 4 '\x01'
damaged 5 'pages of 0 bytes' usual 6 '\0'
damaged 5 'no allocation table: its writer did not finish' usual 16 '\0\0\0\0\0\0'
damaged 5 '.* bytes, expected an allocation table from' usual 16 '\x01'
damaged 5 'no samples' usual 8 '\0'
damaged 5 '.* samples of 24 bytes, expected them before' usual 14 '\x01'
damaged 2 '0 fields, expected 1 to 64' usual 2 '\0'
damaged 2 '65 fields, expected 1 to 64' usual 2 'A'
damaged 5 'field 1: type 7, expected 0 to 6' usual 1065 '\x07'
damaged 2 "field label: of a type of its writer's own" usual 1065 '\xff'
damaged 5 'field 0: a name that is not ASCII' usual 25 '\x01'
damaged 5 'two fields are called image' usual 1066 'image'
damaged 5 'sample 0, field image: mode 2 of 8x6' usual record '\x02'
damaged 5 'sample 1, field image: mode 1 of 0x6' usual record+25 '\0'
damaged 5 'sample 0, field image: expected 168 bytes at 2097152 in the allocation table, found 144' usual record+3 '\x07'
damaged 5 'sample 0, field image: expected 144 bytes at 2097408 in the allocation table, found 0' usual record+6 '\x01'
damaged 5 'sample 2, field image: expected 144 bytes at 2097440 in the allocation table, found 0' usual table+48 '\x03'
damaged 5 'sample 0, field image: expected 144 bytes at 2097152 in the allocation table, found 145' usual table+16 '\x91'
damaged 5 'sample 0, field image: expected 144 bytes at 4194304 in' usual record+7 '\x40'
# A table that agrees with a pointer to nowhere: both at 4 MiB - 16, and both in the records.
cp usual.beton bad.beton
for at in $((record + 5)) $((table + 8)); do
  printf '\xf0\xff\x3f' | dd of=bad.beton bs=1 seek=$at conv=notrunc status=none
done
bad 5 'sample 0, field image: 144 bytes at 4194288, expected them between 3306 and 4194304' bad.beton
for at in $((record + 5)) $((table + 8)); do
  printf '\x10\0\0' | dd of=bad.beton bs=1 seek=$at conv=notrunc status=none
done
bad 5 'sample 0, field image: 144 bytes at 16, expected them between' bad.beton
sluice write beton bad.beton skipped.sluice --on-error=skip >out 2>err
[ $? = 1 ] && grep -q '1 samples skipped' out || fail "skip: $(cat out err)"
damaged 5 'sample 0, field image: expected a JPEG' usual record '\0'
# `all` has seven fields and records of 80 bytes; sample 1 has a JPEG.
python3 - <<'EOP'
import struct
b = bytearray(open("all.beton", "rb").read())
stride = 80
first = 24 + 1041 * 7
def put(name, at, value):
    c = bytearray(b)
    c[at : at + len(value)] = value
    open(name, "wb").write(c)
meta, = struct.unpack_from("<Q", b, first + 56)
size, = struct.unpack_from("<Q", b, first + 64)
put("json.beton", meta + size - 1, b" ")
put("json_short.beton", meta + 1, b"\0")
jpeg, = struct.unpack_from("<Q", b, first + stride + 5)
put("jpeg.beton", jpeg, bytes(1))
put("dct.beton", jpeg + 20, bytes(30))
put("jpeg_size.beton", first + stride + 1, struct.pack("<H", 9))
put("elements.beton", 24 + 1041 * 4 + 17 + 256 + 8, b'[["", "<c8"]]')
put("object.beton", 24 + 1041 * 4 + 17 + 256 + 8, b'[["", "|O"]] ')
put("long_type.beton", 24 + 1041 * 4 + 17 + 256, struct.pack("<Q", 761))
put("axes.beton", 24 + 1041 * 4 + 17, struct.pack("<5Q", 1, 1, 1, 2, 3))
put("huge.beton", 24 + 1041 * 4 + 17, struct.pack("<2Q", 1 << 31, 1 << 31))
put("hole.beton", 24 + 1041 * 4 + 17, struct.pack("<3Q", 2, 0, 3))
open("cut.beton", "wb").write(b[:-24 * 30 + 1])
open("tiny.beton", "wb").write(b[:20])
EOP
bad 5 'sample 0, field meta: expected text with a zero at its end alone' json.beton
bad 5 'sample 0, field meta: expected text with a zero at its end alone' json_short.beton
bad 5 'jpeg.beton: sample 1, field image: expected a JPEG' jpeg.beton
bad 5 'dct.beton: sample 1, field image: JPEG' dct.beton
bad 5 'sample 1, field image: a JPEG of .* expected 9x' jpeg_size.beton
bad 2 'field array: elements of type c8 have no like here' elements.beton
bad 2 'field array: elements of type .*, expected plain numbers' object.beton
bad 5 'field array: a type of 761 characters' long_type.beton
bad 2 'field array: 5 axes, expected at most 4' axes.beton
bad 5 'field array: an array of no elements, or of more than a page holds' huge.beton
bad 5 'field array: an array of no elements' hole.beton
bad 5 'truncated or damaged' cut.beton
bad 5 'tiny.beton: 20 bytes, expected a .beton file' tiny.beton
bad 3 'nowhere.beton: No such file' nowhere.beton
bad 2 'expected a .beton file' tree
bad 2 '--mode=keep or raw' all.beton --mode=jpg
bad 2 'max-side does not concern beton' all.beton --max-side=9
bad 2 'orient does not concern beton' all.beton --orient

[ $failures = 0 ] && echo "all betons good"
[ $failures = 0 ]
