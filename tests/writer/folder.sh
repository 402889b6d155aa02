#!/usr/bin/env bash
# folder.sh BIN_DIR TEST_DIR -- `sluice write folder` on a tree made here: the same bytes
# for any number of threads, classes by folder, links, left-out files, damaged ones.
make_tree=$2/test_writer_pictures
. "$(dirname "$0")/../support/script.sh"

mkdir tree && "$make_tree" make tree || exit 1
for mode in keep raw jpg proportion; do
  sluice write folder tree want.sluice --mode=$mode --threads=1 --quiet 2>err || fail "$mode: $(cat err)"
  for threads in 2 7 64; do
    sluice write folder tree got.sluice --mode=$mode --threads=$threads --quiet 2>err || fail "$mode: $(cat err)"
    cmp want.sluice got.sluice || fail "$mode: $threads threads give another file"
  done
  sluice verify want.sluice >out || fail "$mode: verify: $(cat out)"
done

sluice write folder tree a.sluice --quiet || fail "write"
sluice info a.sluice | grep -q ' image .* ?x?x?$' || fail "info of images of any size"
sluice info a.sluice --json | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert r["samples"] == 91, r
assert [(c["name"], c["samples"]) for c in r["classes"]] == [("a class", 30), ("b class", 31), ("c class", 30)], r' ||
  fail "classes"
sluice write folder tree few.sluice --limit=7 --json | grep -q '"samples": 7,' || fail "--limit"
sluice write folder "tree/a class/deep" flat.sluice --json | grep -q '"samples": 30,' || fail "without classes"
sluice info flat.sluice --json | python3 -c '
import json, sys
assert len(json.load(sys.stdin)["fields"]) == 1' || fail "labels where there are no classes"

for input in tree tree/// tree/. "tree/a class/.."; do
  sluice write folder "$input" x.sluice --quiet && sluice info x.sluice |
    grep -q '^from {"files":\[{"name":"tree","samples":91}\],"source":"folder","split":"all"}$' || fail "provenance: $(sluice info x.sluice)"
done
rm x.sluice

# Given names fix the order, as for lists; a folder that none of them names is refused.
sluice write folder tree named.sluice --class-names="c class,a class,none,b class" --quiet || fail "--class-names"
sluice info named.sluice --json | python3 -c '
import json, sys
r = json.load(sys.stdin)["classes"]
assert [(c["name"], c["samples"]) for c in r] == [("c class", 30), ("a class", 30), ("none", 0), ("b class", 31)], r' ||
  fail "--class-names: classes"
[ "$(sluice cat named.sluice 0 | grep -o '"label".*')" = '"label": 1, "class": "a class"}' ] || fail "--class-names: $(sluice cat named.sluice 0)"
mkdir numbered && ln -s "../tree/a class" numbered/2 && ln -s "../tree/b class" numbered/0
sluice write folder numbered named.sluice --class-names=zero,one,two --quiet && sluice cat named.sluice 0 | grep -q '"class": "zero"' &&
  sluice cat named.sluice 31 | grep -q '"class": "two"' || fail "--class-names: folders with numbers"
for names in zz one zero,one,zz; do
  refused 2 '^sluice write: tree: not one of the class names: a class$' x.sluice sluice write folder tree x.sluice --class-names=$names
done

# A link to a folder is followed, one to a folder that contains it is refused.
mkdir linked && ln -s "../tree/c class" "linked/all of c"
sluice write folder linked l.sluice --json | grep -q '"samples": 30,' || fail "a link"
ln -s .. "tree/a class/deep/up"
sluice write folder tree x.sluice 2>err
[ $? = 2 ] && grep -q 'a link to a folder that contains it' err || fail "a circle: $(cat err)"
rm "tree/a class/deep/up"

# Mean and deviation, of JPEGs as of pixels; or none.
statistics() { sluice info "$1" --json | python3 -c 'import json, sys; r = json.load(sys.stdin); print(r["mean"], r["std"])'; }
sluice write folder tree raw.sluice --mode=raw --quiet && sluice write folder tree keep.sluice --quiet || fail "write"
[ "$(statistics keep.sluice)" = "$(statistics raw.sluice)" ] && [ "$(statistics raw.sluice)" != "[] []" ] ||
  fail "statistics: $(statistics keep.sluice), of pixels $(statistics raw.sluice)"
sluice write folder tree none.sluice --mean-std=off --quiet && [ "$(statistics none.sluice)" = "[] []" ] || fail "--mean-std=off"
sluice write folder tree trusted.sluice --trust --quiet && [ "$(statistics trusted.sluice)" = "[] []" ] || fail "--trust"

# In random order: the same samples, by the seed; appended: one after the other.
all() { sluice cat "$1" $(seq 0 $(($(sluice info "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["samples"])') - 1))) | sed 's/"sample": [0-9]*, //'; }
sluice write folder tree s3.sluice --shuffle --seed=3 --quiet && sluice write folder tree again.sluice --shuffle --seed=3 --threads=7 --quiet || fail "--shuffle"
cmp s3.sluice again.sluice || fail "--shuffle: another file"
sluice write folder tree s4.sluice --shuffle --seed=4 --quiet && cmp -s s3.sluice s4.sluice && fail "--shuffle: the seed changes nothing"
all keep.sluice >want
all s3.sluice >got
cmp -s want got && fail "--shuffle: not shuffled"
sort want >a && sort got | cmp - a || fail "--shuffle: other samples"
[ "$(statistics s3.sluice)" = "$(statistics keep.sluice)" ] || fail "--shuffle: statistics $(statistics s3.sluice)"
cp s3.sluice both.sluice && sluice write folder tree both.sluice --append --quiet || fail "--append"
all both.sluice >got
cat <(all s3.sluice) want | cmp - got || fail "--append: other samples"
[ "$(statistics both.sluice)" = "$(statistics keep.sluice)" ] || fail "--append: statistics $(statistics both.sluice)"
sluice write folder "tree" none2.sluice --append --quiet 2>err
[ $? = 3 ] && grep -q none2.sluice err && [ -z "$(find . -name 'none2*' -o -name '*unordered*')" ] || fail "--append to nothing: $(cat err)"

# Compressed: the same values, fewer bytes, batches alike.
for how in --compress=3 '--compress=3 --dictionary=4K' '--compress=3 --dictionary=4K --shuffle'; do
  sluice write folder tree z.sluice --mode=raw $how --quiet 2>err || fail "$how: $(cat err)"
  sluice verify z.sluice >out || fail "$how: verify: $(cat out)"
  all raw.sluice | sort >want && all z.sluice | sort | cmp - want || fail "$how: other values"
  [ "$(stat -c %s z.sluice)" -lt "$(stat -c %s raw.sluice)" ] || fail "$how: not smaller"
done
sluice write folder tree z.sluice --mode=raw --dictionary=4K 2>err
[ $? = 2 ] && grep -q 'expected --compress too' err || fail "--dictionary alone: $(cat err)"

# Other files are left out, and told; a damaged picture is named; nothing is left.
echo text >"tree/a class/notes.txt"
sluice write folder tree n.sluice --quiet 2>err >out && grep -q '1 files that are not called' err || fail "left out: $(cat err)"
mkdir parts && ln -s "../tree/a class" parts/train && ln -s "../tree/b class" parts/val
sluice write folder parts n.sluice 2>err >out && grep -q 'called train, ...: if these are parts' err ||
  fail "parts: $(cat err)"
head -c 900 "tree/c class/deep/56.jpg" >"tree/b class/cut.jpg"
: >"tree/b class/empty.png"
rm -f x.sluice
sluice write folder tree x.sluice 2>err
[ $? = 5 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'b class/cut.jpg: JPEG' err || fail "damage: $(cat err)"
[ -z "$(find . -name 'x.sluice*')" ] || fail "damage left a file"
sluice write folder tree s.sluice --on-error=skip >out 2>err
[ $? = 1 ] && grep -q '2 samples skipped' out && grep -q 'skipped: tree/b class/empty.png' err || fail "skip: $(cat out err)"
sluice verify s.sluice >out && grep -q '91 samples good' out || fail "after skipping: $(cat out)"

# A link to nothing is a picture that cannot be read; one that is called otherwise, no picture.
ln -s nothing.jpg "tree/b class/gone.jpg"
ln -s nothing.txt "tree/b class/gone.txt"
rm "tree/b class/cut.jpg" "tree/b class/empty.png"
sluice write folder tree l.sluice 2>err
[ $? = 3 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'gone.jpg: No such file' err || fail "dangling link: $(cat err)"
sluice write folder tree l.sluice --on-error=skip >out 2>err
[ $? = 1 ] && grep -q '1 samples skipped' out && grep -q 'skipped: tree/b class/gone.jpg' err || fail "dangling link skipped: $(cat out err)"
rm "tree/b class/gone.jpg" "tree/b class/gone.txt"
head -c 900 "tree/c class/deep/56.jpg" >"tree/b class/cut.jpg"
: >"tree/b class/empty.png"

# Trusted when it was written, a cut picture is found by verify.
sluice write folder tree t.sluice --trust --on-error=skip --quiet 2>/dev/null
sluice verify t.sluice >out
[ $? = 1 ] && grep -q '^bad: t.sluice: sample 30: JPEG' out && grep -q '1 damaged place in 92' out || fail "verify of a cut picture: $(cat out)"

# Names of any bytes: lines stay lines, JSON stays JSON, and they come back.
for name in $'new\nline' $'\x1b[31mred' $'\xff\xfe' 'Ünïcode' 'quote",'; do
  mkdir -p "odd/$name" && cp "tree/c class/deep/56.jpg" "odd/$name/a.jpg"
done
sluice write folder odd odd.sluice --quiet && sluice info odd.sluice >out || fail "odd names"
[ "$(grep -c '^ *[0-9] .* 1$' out)" = 5 ] && grep -q ' new?line ' out && ! grep -q $'\x1b' out || fail "odd names: $(cat -v out)"
sluice info odd.sluice --json | python3 -c '
import json, sys
names = [c["name"] for c in json.loads(sys.stdin.buffer.read().decode())["classes"]]
assert names == ["\x1b[31mred", "new\nline", "quote\",", "\u00dcn\u00efcode", "\ufffd\ufffd"], names' || fail "odd names: JSON"
mv odd $'odd\xff"' && sluice write folder $'odd\xff"' x.sluice --quiet && mv $'odd\xff"' odd
sluice info x.sluice --json | python3 -c '
import json, sys
assert json.loads(sys.stdin.buffer.read().decode())["provenance"]["files"][0]["name"] == "odd?\""' || fail "odd names: provenance"
sluice export odd.sluice odd2 --quiet && diff <(ls -b odd) <(ls -b odd2) || fail "odd names: export"
: >$'odd/quote",/bad\nname.png'
sluice write folder odd odd.sluice --on-error=skip --quiet 2>err
[ $? = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q '/bad?name.png: expected' err || fail "odd names: skipped: $(cat err)"

# Ctrl-C is heeded between pictures: while many large files are measured, and while few of
# many pixels are written.
rm -f x.sluice
mkdir slow && cp "tree/c class/deep/56.jpg" slow/a.jpg && truncate -s 100M slow/a.jpg
python3 -c '
import struct, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
open("slow/b.png", "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 6000, 6000, 8, 2, 0, 0, 0)) +
                               chunk(b"IDAT", zlib.compress(bytes(6000 * 18001), 1)) + chunk(b"IEND", b""))
for name, n in ("a.jpg", 4000), ("b.png", 60):
    open(f"slow/{name}.csv", "w").write(f"{name},1\n" * n)'
for how in "a.jpg.csv --mode=raw" "b.png.csv --mode=jpg --max-side=8 --threads=1"; do
  sluice write folder slow/$how x.sluice --quiet 2>err &
  pid=$!
  sleep 2
  kill -TERM $pid
  for _ in $(seq 100); do kill -0 $pid 2>/dev/null || break; sleep 0.1; done
  kill -KILL $pid 2>/dev/null
  wait $pid
  status=$?
  [ $status = 130 ] && grep -q 'interrupted; nothing was written' err && [ -z "$(find . -name 'x.sluice*')" ] ||
    fail "$how: interrupted: $status $(cat err)"
done
timeout 20 sluice write folder slow/a.jpg.csv x.sluice --mode=raw --limit=1 --threads=1 --quiet 2>err ||
  fail "--limit: measured too many: $(cat err)"
rm -rf slow

# A pipe that nobody writes to, as input or among pictures, keeps nobody waiting.
mkfifo pipe
printf 'pipe,a\n' >piped.csv
for input in "folder pipe" "cifar10 pipe" "mnist pipe" "svhn pipe" "beton pipe" "folder piped.csv"; do
  timeout 20 sluice write $input x.sluice 2>err
  [ $? = 2 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'pipe: \(expected a file\|not a regular\)' err || fail "$input: $(cat err)"
done

# The file between belongs to one process alone, whatever else has its number.
(
  echo kept >"t2.sluice.unordered-$BASHPID"
  exec sluice write folder tree t2.sluice --shuffle --on-error=skip --quiet
) 2>err
[ "$(cat t2.sluice.unordered-*)" = kept ] || fail "--shuffle: took another's file: $(ls)"
mkdir none
sluice write folder none x.sluice 2>err
[ $? = 5 ] && grep -q 'expected folders of pictures' err || fail "nothing: $(cat err)"
sluice write folder nowhere x.sluice 2>err
[ $? = 3 ] && grep -q 'nowhere' err || fail "nowhere: $(cat err)"

[ $failures = 0 ]
