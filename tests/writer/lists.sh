#!/usr/bin/env bash
# lists.sh BIN_DIR TEST_DIR -- `sluice write folder list.csv`: the same file as from the
# folders, however the list is written; bad lines are named by their numbers.
make_tree=$2/test_writer_pictures
. "$(dirname "$0")/../support/script.sh"
# from_folder NAME OUT: what the folders give that are called NAME, as a list is: the file
# names what it was made of.
from_folder() {
  mkdir -p named && ln -sfn "$PWD/tree" "named/$1"
  sluice write folder "named/$1" "$2" --quiet || fail "folders called $1"
}
# same LIST [OPTIONS]: gives the file that the folders give.
same() {
  from_folder "${1##*/}" want.sluice
  sluice write folder "$@" got.sluice --quiet 2>err || fail "$*: $(cat err)"
  cmp want.sluice got.sluice || fail "$*: another file"
}
# bad PATTERN TEXT [OPTIONS]: a list of this text is refused with one line.
bad() {
  local pattern=$1
  printf "$2" >tree/bad.csv
  shift 2
  sluice write folder tree/bad.csv out.sluice "$@" 2>err
  local status=$?
  [ $status = 5 ] || fail "$pattern: exit status $status: $(cat err)"
  [ "$(wc -l <err)" = 1 ] && grep -q -- "$pattern" err || fail "expected '$pattern' in: $(cat err)"
  [ -z "$(find . -name 'out.sluice*')" ] || fail "$pattern: left a file"
}
labels() { sluice info "$1" --json | python3 -c '
import json, sys
r = json.load(sys.stdin)
print([(c["name"], c["samples"]) for c in r["classes"]], len(r["fields"]))'; }

mkdir tree && "$make_tree" make tree || exit 1
python3 - <<'EOP'
import csv, glob, gzip, os
os.chdir("tree")
names = sorted(os.listdir("."), key=os.fsencode)
files = [(p, c) for c in names for p in sorted(glob.glob(c + "/**/*.*", recursive=True), key=os.fsencode)]
def put(name, rows, **how):
    with open(name, "w", newline="") as f:
        csv.writer(f, **how).writerows(rows)
put("plain.csv", files, lineterminator="\n")
put("quoted.csv", [("Label", "note, more", "Path")] + [(c, 'say "so"\nor\r\nnot', p) for p, c in files], quoting=csv.QUOTE_ALL)
put("numbers.csv", [("image", "class")] + [(p, names.index(c)) for p, c in files])
put("../elsewhere.csv", [(os.path.abspath(p), c) for p, c in files])
put("alone.csv", [("file",)] + [(p,) for p, c in files])
with gzip.open("zipped.csv.gz", "wb") as f:
    f.write(b"\xef\xbb\xbf" + open("plain.csv", "rb").read().replace(b"\n", b"\n\n").rstrip())
EOP
provenance() { sluice info "$1" | sed -n 's/^from //p'; }
names=$(cd tree && ls -d */ | tr -d / | paste -sd,)

same tree/plain.csv
same tree/quoted.csv
same tree/zipped.csv.gz
same elsewhere.csv
same tree/plain.csv --threads=7
same tree/numbers.csv --class-names="$names"
same tree/plain.csv --class-names="$names"
from_folder plain.csv want.sluice
(cd tree && sluice write folder plain.csv ../got.sluice --quiet) && cmp want.sluice got.sluice || fail "in the folder itself"
[ "$(provenance got.sluice)" = '{"files":[{"name":"plain.csv","samples":91}],"source":"folder","split":"all"}' ] ||
  fail "provenance: $(provenance got.sluice)"
cp tree/plain.csv list.csv
same list.csv --root=tree
sluice write folder tree/numbers.csv n.sluice --quiet || fail "numbers"
[ "$(labels n.sluice)" = "[('', 30), ('', 31), ('', 30)] 2" ] || fail "numbers: $(labels n.sluice)"
sluice write folder tree/plain.csv r.sluice --class-names="c class,b class,a class,d" --quiet || fail "other names"
[ "$(labels r.sluice)" = "[('c class', 30), ('b class', 31), ('a class', 30), ('d', 0)] 2" ] || fail "names: $(labels r.sluice)"
sed 's/,\([0-9]\)/,+\1/; s/+0/-0/' tree/numbers.csv >tree/signed.csv
sluice write folder tree/signed.csv signed.sluice --quiet && cmp <(sluice cat n.sluice {0..90}) <(sluice cat signed.sluice {0..90}) || fail "numbers with signs"
tac tree/plain.csv >tree/back.csv
sluice write folder tree/back.csv b.sluice --quiet || fail "backwards"
[ "$(labels b.sluice)" = "[('a class', 30), ('b class', 31), ('c class', 30)] 2" ] || fail "backwards: $(labels b.sluice)"
sluice write folder tree/alone.csv u.sluice --quiet || fail "without labels"
[ "$(labels u.sluice)" = "[] 1" ] || fail "without labels: $(labels u.sluice)"
sluice verify u.sluice >out && grep -q '91 samples good' out || fail "without labels: $(cat out)"

sluice export u.sluice exported --quiet && [ "$(ls exported | wc -l)" = 91 ] || fail "without labels: export"
sluice export want.sluice e --quiet
find e -type f -printf '%f %p\n' | sort | cut -d' ' -f2- | tr '\n' '\0' | xargs -0 cat | cmp - <(cat exported/*) ||
  fail "without labels: other pictures"
sluice export u.sluice x --as=cifar10 2>err && fail "without labels: export as cifar10"
grep -q 'expected 32x32x3 pixels and one label' err || fail "without labels: $(cat err)"
mkdir flat && cp exported/* flat
sluice write folder flat f.sluice >out 2>err && grep -q 'no class folders: the samples are images alone' err ||
  fail "pictures without class folders: $(cat err)"
ln -s flat alone.csv && sluice write folder alone.csv f.sluice --quiet || fail "a folder called alone.csv"
cmp <(tail -c +4097 f.sluice) <(tail -c +4097 u.sluice) || fail "folder and list of unlabelled pictures differ"

first=$(head -1 tree/plain.csv)
bad 'bad.csv: line 3: expected 2 fields, found 3' "$first\n$first\na,b,c\n"
bad 'bad.csv: line 2: expected 2 fields, found 1' "$first\na\n"
bad 'bad.csv: line 1: expected a path and a label, or' 'a,b,c\n'
bad 'bad.csv: line 5: a quote is not closed' "$first\n\n\"x\n\",c\n\"a class\n\n\n"
bad 'bad.csv: line 2: a quote within' "$first\na\"b\",c\n"
bad 'bad.csv: line 1: expected a comma' '"a"b,c\n'
bad 'bad.csv: line 2: a byte that is zero' "$first\na\\0b,c\n"
bad 'bad.csv: line 2: the path is empty' "$first\n,c\n"
bad 'bad.csv: line 2: no label for a.jpg' 'path,label\na.jpg,\n'
bad 'bad.csv: line 2: a name among labels that are numbers.*: cat' 'a,3\nb,cat\n'
number='expected 0 to 2147483647'
bad "bad.csv: line 2: label 2147483648: $number" 'a,+1\nb,2147483648\n'
bad "bad.csv: line 1: label 3000000000: $number" 'a,3000000000\nb,4000000000\n'
bad "bad.csv: line 1: label -1: $number" 'a,-1\nb,-2\n'
bad "bad.csv: line 1: label 99999999999999999999: $number" 'a,99999999999999999999\nb,7\n'
bad "bad.csv: line 2: label -3: $number" 'a,7\nb,-3\n'
bad 'bad.csv: line 2: a name among labels that are numbers.*: -' 'a,3\nb,-\n'
real='expected a label that is a whole number or a name .*, found'
bad "bad.csv: line 2: $real 0.5\$" 'path,label\na,0.5\nb,1.5\n'
bad "bad.csv: line 2: $real 2.0\$" 'a,1\nb,2.0\n'
bad "bad.csv: line 1: $real -1e-3\$" 'a,-1e-3\nb,7\n'
sed 's/,\([abc]\) class$/,v\1.5/' tree/plain.csv >tree/versions.csv
sluice write folder tree/versions.csv v.sluice --quiet && [ "$(labels v.sluice)" = "[('va.5', 30), ('vb.5', 31), ('vc.5', 30)] 2" ] ||
  fail "names with digits: $(labels v.sluice)"
sed 's/,\([0-9]\)$/,\1.5/' <(tail -n +2 tree/numbers.csv) >tree/numbered.csv
sluice write folder tree/numbered.csv v.sluice --quiet --class-names=0.5,1.5,2.5 ||
  fail "numbers that are names"
bad 'bad.csv: line 1: not one of the class names: -1' 'a,-1\n' --class-names=cat,cow
bad 'bad.csv: line 2: not one of the class names: dog' 'a,cat\nb,dog\n' --class-names=cat,cow
bad 'bad.csv: line 1: not one of the class names: 2' 'a,2\n' --class-names=cat,cow
bad 'no pictures are listed' 'path,label\n'
bad 'the file is empty' ''
bad 'bad.csv: line 1: more than 64 fields' "$(printf 'a,%.0s' {1..70})\n"
bad 'bad.csv: line 2: tree/bad.csv: expected a JPEG or PNG' "$first\nbad.csv,a class\n"
printf '%s\nmissing.jpg,a class\n' "$first" >tree/bad.csv
sluice write folder tree/bad.csv out.sluice 2>err
[ $? = 3 ] && grep -q 'bad.csv: line 2: tree/missing.jpg: No such file' err || fail "missing: $(cat err)"
sluice write folder tree/bad.csv out.sluice --on-error=skip >out 2>err
[ $? = 1 ] && grep -q '1 samples skipped' out || fail "missing, skipped: $(cat out err)"

# A list whose name has .tar within is a list; given names are whole and each its own.
cp tree/plain.csv tree/train.targets.csv
same tree/train.targets.csv
for names in a,b,a ,a,b a,b, a,,b; do
  refused 2 '^sluice write: --class-names: ' refused.sluice sluice write folder tree/plain.csv refused.sluice --class-names="$names"
done
# Of a long path the end says which file it is.
long=$(printf 'd%.0s' {1..200})
mkdir -p "deep/c/$long/$long" && : >"deep/c/$long/$long/this.jpg"
refused 5 'd/this.jpg: expected a JPEG' refused.sluice sluice write folder deep refused.sluice
printf '%s\n' "$PWD/deep/c/$long/$long/this.jpg,a" >tree/long.csv
refused 5 'long.csv: line 1: \.\.\..*d/this.jpg: expected a JPEG' refused.sluice sluice write folder tree/long.csv refused.sluice

[ $failures = 0 ] && echo "all lists good"
[ $failures = 0 ]
