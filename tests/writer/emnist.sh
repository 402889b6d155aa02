#!/usr/bin/env bash
# emnist.sh BIN_DIR -- EMNIST's file names, labels and classes; its pictures upright.
. "$(dirname "$0")/../support/script.sh"
bad() {
  local status=$1 pattern=$2
  shift 2
  sluice write mnist "$@" 2>err
  [ $? = "$status" ] && [ "$(wc -l <err)" = 1 ] && grep -q -- "$pattern" err ||
    fail "expected $status, '$pattern': $(cat err)"
  [ -z "$(find . -name 'out.sluice*')" ] || fail "$pattern: left a file"
}
# pixels FILE BYTES: the first so many of a .sluice file, as numbers.
pixels() { tail -c +12289 "$1" | head -c "$2" | od -An -v -tu1 -w"$2" | tr -s ' '; }
classes() { sluice info "$1" --json | python3 -c '
import json, sys
r = json.load(sys.stdin)
print("".join(c["name"] for c in r["classes"]), [c["samples"] for c in r["classes"] if c["samples"]], r["fields"][0]["shape"])'; }

python3 - <<'EOP'
import gzip, os, struct
def put(folder, name, split, rows, columns, labels, zip=True):
    os.makedirs(folder, exist_ok=True)
    write = lambda kind, data: (gzip.open(f"{folder}/{name}-{split}-{kind}-ubyte.gz", "wb") if zip else
                                open(f"{folder}/{name}-{split}-{kind}-ubyte", "wb")).write(data)
    n = len(labels)
    write("images-idx3", struct.pack(">IIII", 2051, n, rows, columns) + bytes(range(n * rows * columns)))
    write("labels-idx1", struct.pack(">II", 2049, n) + bytes(labels))
put("letters", "emnist-letters", "train", 2, 3, [1, 26, 2])
put("letters", "emnist-letters", "test", 2, 2, [3])
put("wrong", "emnist-letters", "train", 2, 2, [3, 0])
for i, (name, last) in enumerate((("byclass", 61), ("bymerge", 46), ("balanced", 46), ("digits", 9), ("mnist", 9))):
    put("several", "emnist-" + name, "train", 1, 1, [0, last], zip=i % 2 == 0)
EOP

sluice write mnist letters l.sluice --quiet || fail "letters"
[ "$(classes l.sluice)" = "abcdefghijklmnopqrstuvwxyz [1, 1, 1] [3, 2, 1]" ] || fail "letters: $(classes l.sluice)"
[ "$(pixels l.sluice 18)" = " 0 3 1 4 2 5 6 9 7 10 8 11 12 15 13 16 14 17" ] || fail "not upright: $(pixels l.sluice 18)"
sluice subset l.sluice z.sluice --class=z --quiet || fail "the class z"
[ "$(pixels z.sluice 6)" = " 6 9 7 10 8 11" ] || fail "labels are not from 0"
sluice write mnist letters/emnist-letters-train-images-idx3-ubyte.gz f.sluice --quiet || fail "a file"
for f in l f; do tail -c +12289 $f.sluice | head -c 18 >$f.pixels; done
cmp l.pixels f.pixels && [ "$(classes f.sluice)" = "$(classes l.sluice)" ] || fail "folder and file differ"
python3 - <<'EOP'
import glob, zipfile, tarfile
with zipfile.ZipFile("gzip.zip", "w") as z, tarfile.open("raw.tar", "w") as t:
    for name in sorted(glob.glob("letters/*")):
        z.write(name, name.replace("letters", "gzip", 1))
        t.add(name)
EOP
for archive in gzip.zip raw.tar; do
  sluice write mnist $archive z.sluice --quiet || fail "$archive"
  cmp l.sluice z.sluice || fail "$archive and its files differ"
done
head -c 300 gzip.zip >cut.zip
sluice write mnist letters t.sluice --split=test --quiet || fail "test"
[ "$(pixels t.sluice 4)" = " 0 2 1 3" ] || fail "test: $(pixels t.sluice 4)"
sluice write mnist letters s.sluice --transposed --quiet || fail "--transposed"
[ "$(pixels s.sluice 18)" = " 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17" ] || fail "--transposed: $(pixels s.sluice 18)"
want="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
for variant in byclass:abcdefghijklmnopqrstuvwxyz bymerge:abdefghnqrt balanced:abdefghnqrt; do
  sluice write mnist several b.sluice --variant=${variant%:*} --quiet || fail "$variant"
  [ "$(classes b.sluice)" = "$want${variant#*:} [1, 1] [1, 1, 1]" ] || fail "$variant: $(classes b.sluice)"
done
for variant in digits mnist; do
  sluice write mnist several b.sluice --variant=$variant --quiet || fail "$variant"
  [ "$(classes b.sluice)" = "0123456789 [1, 1] [1, 1, 1]" ] || fail "$variant: $(classes b.sluice)"
done

bad 2 'several: has byclass, bymerge, balanced, digits, mnist of EMNIST: say which with --variant' several out.sluice
bad 2 "no variant 'letter'; there are byclass, .*letters" several out.sluice --variant=letter
bad 5 'neither emnist-letters-train-images-idx3-ubyte nor' several out.sluice --variant=letters
bad 5 'cut.zip: ' cut.zip out.sluice
bad 5 'item 1: label 0, expected 1 to 26' wrong out.sluice
bad 5 'neither emnist-letters-test-images-idx3-ubyte nor' wrong out.sluice --split=test --variant=letters
bad 5 'neither t10k-images-idx3-ubyte nor' wrong out.sluice --split=test

[ $failures = 0 ] && echo "all of EMNIST good"
[ $failures = 0 ]
