#!/usr/bin/env bash
# tools.sh BIN_DIR TEST_DIR -- `sluice append`, `merge`, `subset`, `split`, `cat`: parts put together again
# are the file they came from, nothing is encoded anew, and what does not fit is refused.
make_tree=$2/test_writer_pictures
. "$(dirname "$0")/../support/script.sh"
good() { "$@" --quiet 2>err || fail "$*: $(cat err)"; }
# bad STATUS PATTERN COMMAND...: one line that says PATTERN, and no output file.
bad() {
  local status=$1 pattern=$2
  shift 2
  rm -f x.sluice
  "$@" 2>err
  [ $? = "$status" ] || fail "$*: exit status, expected $status: $(cat err)"
  [ "$(wc -l <err)" = 1 ] && grep -q -- "$pattern" err || fail "$*: expected '$pattern': $(cat err)"
  [ -z "$(find . -name 'x.sluice*')" ] || fail "$*: left a file"
}
samples() { sluice info "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["samples"])'; }

mkdir tree && "$make_tree" make tree || exit 1
good sluice write folder tree all.sluice --mean-std=off # parts of JPEGs have none

# Cut into three and put together: the same bytes.
good sluice subset all.sluice a.sluice --range=0:20
good sluice subset all.sluice b.sluice --range=20:21
good sluice subset all.sluice c.sluice --range=21:91
good sluice merge again.sluice a.sluice b.sluice c.sluice
cmp all.sluice again.sluice || fail "three parts are not the whole"

# Whole files bring their statistics along.
statistics() { sluice info "$1" --json | python3 -c 'import json, sys; r = json.load(sys.stdin); print(r["mean"], r["std"])'; }
good sluice write folder tree s.sluice
good sluice merge ss.sluice s.sluice s.sluice
[ "$(statistics ss.sluice)" = "$(statistics s.sluice)" ] && [ "$(statistics s.sluice)" != "[] []" ] || fail "merge: statistics $(statistics ss.sluice)"

# Out into folders and in again: the same bytes, PNGs and JPEGs both.
mkdir written # the provenance has the folder's name
good sluice export all.sluice written/tree/
good sluice write folder written/tree in.sluice --mean-std=off
cmp all.sluice in.sluice || fail "export and write are not the identity"
(ulimit -f 1; sluice export all.sluice full --quiet 2>err)
[ $? = 3 ] && [ -z "$(find . -name 'full*')" ] || fail "file size limit: $(cat err)"

# What no PNG can hold: the sample is named, not a file that is gone.
"$make_tree" pixels 9 2 two.sluice >out && "$make_tree" pixels 1048576 1 wide.sluice >out || exit 1
sluice export two.sluice x 2>err
[ $? = 2 ] && grep -q '^sluice export: two.sluice: sample 0: 2 channels, a PNG has 1, 3 or 4$' err || fail "export of 2 channels: $(cat err)"
sluice export wide.sluice x 2>err
[ $? = 2 ] && grep -q '^sluice export: wide.sluice: sample 0: a picture of 1x1048576, as PNG: ' err || fail "export of a wide picture: $(cat err)"
[ -z "$(find . -name 'x*')" ] || fail "export left something"

# A terminal that closes is told from nohup; what was begun is taken back.
hang_up() {
  rm -f hup*
  "$@" sluice merge hup.sluice $(yes all.sluice | head -900) --quiet 2>err &
  until compgen -G 'hup.sluice*' >/dev/null || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
  kill -HUP $!
  wait $!
}
hang_up env
[ $? = 130 ] && [ -z "$(find . -name 'hup*')" ] || fail "SIGHUP: $(cat err)"
hang_up nohup && [ "$(samples hup.sluice)" = 81900 ] || fail "SIGHUP under nohup: $(cat err)"
rm -f hup.sluice

# What is written when its process is killed goes with the next write of the same; what
# a living process writes does not, nor what is only called alike.
begin() { # NAME COMMAND...: in the background, until it has begun to write
  "${@:2}" >begun 2>&1 &
  until compgen -G "$1*.tmp-$!-0" >/dev/null || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
}
killed() {
  begin "$@"
  kill -KILL $!
  wait $! 2>/dev/null
  compgen -G "$1*.tmp-$!-0" >/dev/null || fail "$*: not killed in time: $(cat begun)"
}
mkdir stale && cd stale || exit 1
many=$(yes ../all.sluice | head -900)
touch x.sluice.tmp-1-a x.sluice.tmp-1 xx.sluice.tmp-1-0 x.sluice.tmp-1-0.sluice
killed x.sluice sluice merge x.sluice $many --quiet
find ../tree -name '*.jpg' -o -name '*.png' >once
for _ in $(seq 200); do cat once; done >list.csv # long enough to be killed in
killed x.sluice sluice write folder list.csv x.sluice --shuffle --quiet --mode=raw
begin x.sluice sluice merge x.sluice $many --quiet
living=$!
kill -STOP $living
[ "$(ls | grep -c '^x.*tmp-[0-9]*-0$')" = 2 ] || fail "left: $(ls)"
good sluice write folder ../tree x.sluice --shuffle
kill -CONT $living
wait $living || fail "a living writer was disturbed: $(cat begun)"
[ "$(samples x.sluice)" = 81900 ] && [ "$(ls | grep -c '^x')" = 5 ] || fail "left: $(ls)"
good sluice merge big.sluice $many
killed out sluice export big.sluice out/ --quiet
good sluice export ../a.sluice out
[ "$(ls -d out*)" = out ] || fail "left: $(ls -d out*)"

# No part gets its name before all are written; where a name is taken meanwhile, it is said
# which parts are new.
good sluice split ../all.sluice --parts=few:0.1,many:0.9 --seed=1 --output=s
few=$(sha256sum s-few.sluice)
(ulimit -f $(($(stat -c %s s-few.sluice) / 1024 + 100)); sluice split ../all.sluice --parts=few:0.1,many:0.9 --seed=2 --output=s --quiet 2>err)
[ $? = 3 ] && [ "$(sha256sum s-few.sluice)" = "$few" ] || fail "a failed split left one new part: $(cat err)"
[ "$(ls -d s-*)" = $'s-few.sluice\ns-many.sluice' ] || fail "a failed split left: $(ls -d s-*)"
begin big-many.sluice sluice split big.sluice --parts=few:0.1,many:0.9 --quiet
kill -STOP $! && mkdir big-many.sluice && kill -CONT $!
wait $!
[ $? = 3 ] && grep -q 'big-many.sluice: cannot rename to it: .*; new already, unlike the others: few$' begun || fail "split onto a folder: $(cat begun)"
cd .. && rm -rf stale

# A split: both parts, by classes, and each sample in one of them.
good sluice subset all.sluice t.sluice --fraction=0.7 --stratified --seed=3
good sluice subset all.sluice v.sluice --fraction=0.7 --stratified --seed=3 --complement
[ "$(samples t.sluice) $(samples v.sluice)" = "64 27" ] || fail "split: $(samples t.sluice) $(samples v.sluice)"
sluice info t.sluice --json | python3 -c '
import json, sys
assert [c["samples"] for c in json.load(sys.stdin)["classes"]] == [21, 22, 21]' || fail "not stratified"
good sluice subset all.sluice u.sluice --fraction=0.7 --stratified --seed=4
cmp -s t.sluice u.sluice && fail "the seed changes nothing"
good sluice merge tv.sluice t.sluice v.sluice
[ "$(samples tv.sluice)" = 91 ] && sluice verify tv.sluice >out || fail "verify: $(cat out)"

# Labels differ from sample to sample in a small set: the numbers tell which were taken.
python3 - <<'EOF'
import os, struct
os.mkdir("m")
open("m/train-images-idx3-ubyte", "wb").write(struct.pack(">IIII", 2051, 10, 2, 2) + bytes(range(40)))
open("m/train-labels-idx1-ubyte", "wb").write(struct.pack(">II", 2049, 10) + bytes([0, 1] * 5))
open("numbers.txt", "w").write("7 2\n2 9\n")
EOF
good sluice write mnist m m.sluice --class-names=even,odd
good sluice subset m.sluice n.sluice --indices=numbers.txt
good sluice subset m.sluice k.sluice --class=1 --range=0:5
good sluice subset m.sluice o.sluice --class=odd --range=0:5
cmp k.sluice o.sluice || fail "a class by its number is another than by its name"
good sluice subset m.sluice m1.sluice --range=0:1
good sluice subset m.sluice m2.sluice --range=1:10
good sluice merge mm.sluice m1.sluice m2.sluice
cmp mm.sluice m.sluice && [ "$(statistics m1.sluice)" != "$(statistics m.sluice)" ] || fail "merge of unlike parts: $(statistics mm.sluice)"
tail -c +12289 n.sluice | head -c 12 | od -An -tu1 | tr -s ' \n' ' ' >got
[ "$(cat got)" = " 8 9 10 11 28 29 30 31 36 37 38 39 " ] || fail "indices: $(cat got)"
tail -c +12289 o.sluice | head -c 8 | od -An -tu1 | tr -s ' \n' ' ' >got
[ "$(cat got)" = " 4 5 6 7 12 13 14 15 " ] || fail "class and range: $(cat got)"

# Appended to: the same samples, at the cost of the new ones.
cp a.sluice grown.sluice
good sluice append grown.sluice b.sluice c.sluice
[ "$(samples grown.sluice)" = 91 ] && sluice verify grown.sluice >out || fail "append: $(cat out)"
sluice cat grown.sluice {0..90} >got && sluice cat all.sluice {0..90} >want && cmp got want || fail "append: other samples"
cp grown.sluice before.sluice
sluice append grown.sluice a.sluice m.sluice 2>err
[ $? = 2 ] && grep -q 'm.sluice: field 0: expected image (image u8 ?x?x?) as in grown.sluice, found image (image u8 2x2x1)$' err && cmp grown.sluice before.sluice || fail "append of another kind: $(cat err)"
good sluice append grown.sluice grown.sluice
[ "$(samples grown.sluice)" = 182 ] || fail "appended to itself"

# Where the samples of several conversions came from: each, once, in order.
provenance() { sluice info "$1" --json | python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["provenance"]))'; }
python3 - <<'EOF'
import os, struct
os.mkdir("m5")
open("m5/t10k-images-idx3-ubyte", "wb").write(struct.pack(">IIII", 2051, 1, 2, 2) + bytes(4))
open("m5/t10k-labels-idx1-ubyte", "wb").write(struct.pack(">II", 2049, 1) + bytes(1))
EOF
good sluice write mnist m5 m5.sluice --class-names=even,odd --split=test
[ "$(provenance m5.sluice | grep -c '"split": "test"')$(provenance m.sluice | grep -c '"split": "train"')" = 11 ] || fail "provenance"
want="[$(provenance m.sluice), $(provenance m5.sluice)]"
good sluice merge from.sluice m.sluice m5.sluice m1.sluice
[ "$(provenance from.sluice)" = "$want" ] || fail "merge: provenance $(provenance from.sluice)"
cp m.sluice from.sluice
good sluice write mnist m5 from.sluice --append --class-names=even,odd --split=test
[ "$(provenance from.sluice)" = "$want" ] || fail "write --append: provenance $(provenance from.sluice)"
cp m.sluice from2.sluice
good sluice append from2.sluice m5.sluice from.sluice m2.sluice
[ "$(provenance from2.sluice)" = "$want" ] || fail "append: provenance $(provenance from2.sluice)"
sluice info from.sluice | grep -q '^from \[{"files":.*"train"},{"files":.*"test"}\]$' || fail "info: $(sluice info from.sluice)"

# One sample's values, and a field's bytes.
[ "$(sluice cat m.sluice 3)" = '{"sample": 3, "image": {"bytes": 4, "crc32c": "6c07bfdd", "codec": "raw", "height": 2, "width": 2, "channels": 1}, "label": 1, "class": "odd"}' ] ||
  fail "cat: $(sluice cat m.sluice 3)"
[ "$(sluice cat m.sluice 3 9 --field=image | od -An -tu1 | tr -s ' \n' ' ')" = " 12 13 14 15 36 37 38 39 " ] || fail "cat --field"
bad 2 'expected numbers of samples below 10, found 10' sluice cat m.sluice 10

# JSON from anywhere is looked at before a line says that it is some.
"$2"/test_writer_make_notes notes.sluice '{"a": [1,
 "b"]}' '' '{"a": ' '1 2' || fail "notes"
[ "$(sluice cat notes.sluice 0 1)" = '{"sample": 0, "note": {"a": [1,  "b"]}}
{"sample": 1, "note": {"bytes": 0, "crc32c": "00000000"}}' ] || fail "JSON: $(sluice cat notes.sluice 0 1)"
for i in 2 3; do
  bad 5 "notes.sluice: sample $i: field note: expected JSON, found [36] bytes that are none; --field=note" sluice cat notes.sluice $i
  [ -z "$(sluice cat notes.sluice $i 2>/dev/null)" ] || fail "half a line"
done
[ "$(sluice cat notes.sluice 2 --field=note)" = '{"a": ' ] || fail "cat --field of no JSON"
bad 2 "no field 'picture'" sluice cat m.sluice 1 --field=picture

# Parts by shares: disjoint, complete, by classes; folds of the same size.
good sluice split all.sluice --parts=train:0.8,val:0.1,test:0.1 --stratified --seed=5
[ "$(samples all-train.sluice) $(samples all-val.sluice) $(samples all-test.sluice)" = "73 9 9" ] ||
  fail "shares: $(samples all-train.sluice) $(samples all-val.sluice) $(samples all-test.sluice)"
for part in train val test; do sluice cat all-$part.sluice $(seq 0 $(($(samples all-$part.sluice) - 1))); done |
  sed 's/"sample": [0-9]*, //' | sort >got
sed 's/"sample": [0-9]*, //' want | sort | cmp - got || fail "the parts are not the whole"
good sluice split all.sluice --folds=4 --output=k --stratified
[ "$(for i in 1 2 3 4; do samples k-fold$i.sluice; done | tr '\n' ' ')" = "23 23 23 22 " ] || fail "folds"
for i in 1 2 3 4; do sluice cat k-fold$i.sluice $(seq 0 $(($(samples k-fold$i.sluice) - 1))); done |
  sed 's/"sample": [0-9]*, //' | sort >got
sed 's/"sample": [0-9]*, //' want | sort | cmp - got || fail "the folds are not the whole"
for wrong in --parts=a:0.5,b:0.4 --parts=a:0.5,a:0.5 --parts=a --parts=a:x,b:1 --parts=a/b:1 '' '--parts=a:1 --folds=2'; do
  sluice split all.sluice $wrong --output=x 2>err
  [ $? = 2 ] && [ "$(wc -l <err)" = 1 ] && [ -z "$(find . -name 'x*')" ] || fail "split '$wrong': $(cat err)"
done

bad 2 'm.sluice: field 0: expected image (image u8 ?x?x?) as in all.sluice' sluice merge x.sluice all.sluice m.sluice
mkdir m3 && cp m/train-labels-idx1-ubyte m3
python3 -c 'import struct, sys; sys.stdout.buffer.write(struct.pack(">IIII", 2051, 10, 4, 1) + bytes(40))' >m3/train-images-idx3-ubyte
good sluice write mnist m3 m3.sluice --class-names=even,odd
bad 2 'm3.sluice: field 0: expected image (image u8 2x2x1) as in m.sluice, found image (image u8 4x1x1)$' sluice merge x.sluice m.sluice m3.sluice
good sluice write mnist m names.sluice --class-names=even,uneven
bad 2 "names.sluice: class 1 of label: expected 'odd' as in m.sluice, found 'uneven'$" sluice merge x.sluice m.sluice names.sluice
good sluice write mnist m names.sluice --class-names=even,odd,none
bad 2 'names.sluice: label: expected the 2 class names of m.sluice, found 3$' sluice merge x.sluice m.sluice names.sluice
ln -s m.sluice link.sluice
bad 2 'link.sluice: expected another OUTPUT than FILE' sluice subset m.sluice link.sluice --range=0:5
bad 2 "no class '2'" sluice subset m.sluice x.sluice --class=2
bad 2 "no class 'even odd'" sluice subset m.sluice x.sluice --class="even odd"
bad 2 "no class 'even?odd'" sluice subset m.sluice x.sluice --class=$'even\nodd'
bad 2 'expected FIRST:END of at most 10' sluice subset m.sluice x.sluice --range=3:11
echo 10 >numbers.txt
bad 2 'sample 10: expected numbers below 10' sluice subset m.sluice x.sluice --indices=numbers.txt
printf '3,4\t# five: 5\n7,' >numbers.txt
good sluice subset m.sluice y.sluice --indices=numbers.txt
sluice info y.sluice | grep -q ' 3 samples' || fail "numbers with commas and a comment: $(sluice info y.sluice)"
for wrong in -1 1.5 3-4 18446744073709551616 'all'; do
  echo "2 $wrong" >numbers.txt
  bad 2 "numbers.txt: sample $wrong: expected numbers below 10" sluice subset m.sluice x.sluice --indices=numbers.txt
done
bad 2 "given twice: --class=odd" sluice subset m.sluice x.sluice --class=even --class=odd
bad 2 "expected the name of a file" sluice subset m.sluice '' --range=0:3
mkfifo pipe
mkdir -p folder
printf '3 1\0002' >numbers.txt
bad 2 'numbers.txt: sample 1?2: expected numbers below 10' sluice subset m.sluice x.sluice --indices=numbers.txt
printf '3 %0100d' 2 >numbers.txt
bad 2 'numbers.txt: sample 0*: expected numbers below 10' sluice subset m.sluice x.sluice --indices=numbers.txt
bad 2 '/dev/zero: sample ?*: expected numbers below 10' timeout -k 1 10 sluice subset m.sluice x.sluice --indices=/dev/zero
bad 3 'folder: Is a directory' sluice subset m.sluice x.sluice --indices=folder
bad 130 'interrupted; nothing was written' timeout --foreground --preserve-status -k 1 1 sluice subset m.sluice x.sluice --indices=<(yes 3)
bad 130 'interrupted; nothing was written' timeout --foreground --preserve-status -k 1 1 sluice subset m.sluice x.sluice --indices=<(yes ,)
for output in pipe folder folder/; do
  bad 2 "$output: expected a regular file or none" sluice subset m.sluice $output --range=0:3
done
[ -p pipe ] && [ -z "$(ls folder)" ] || fail "what is no file was replaced"
bad 2 'no sample is left' sluice subset m.sluice x.sluice --range=3:3
bad 3 'none.sluice' sluice merge x.sluice none.sluice
printf '\xff' | dd of=m.sluice bs=1 seek=$((12288 + 21)) conv=notrunc status=none
bad 5 'm.sluice: sample 5, 4 bytes at 12308: expected checksum' sluice subset m.sluice x.sluice --range=4:7
good sluice subset m.sluice y.sluice --range=0:5

[ $failures = 0 ]
