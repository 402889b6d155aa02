#!/usr/bin/env bash
# sheet.sh BIN_DIR TEST_DIR PYTHON_DIR -- sluice augment: the pixels of its sheets, and
# bad input: one clear line, a non-zero exit status, nothing half-written.
make_set=$2/test_train_make_set
here=$(realpath "$3")
. "$(dirname "$0")/../support/script.sh"
bad() {
  local status=$1 pattern=$2
  shift 2
  timeout 60 "$@" --out=bad.png >out 2>err
  local got=$?
  [ $got = "$status" ] || fail "$*: exit status $got, expected $status: $(cat err)"
  [ "$(wc -l <err)" = 1 ] || fail "$*: not one line: $(cat err)"
  grep -q -- "$pattern" err || fail "$*: expected '$pattern' in: $(cat err)"
  [ -z "$(find . -name 'bad.png*')" ] || fail "$*: left a file"
}
# sheet RULE OPTIONS...: a sheet of images of 16 x 16, checked by read_sheet.py.
sheet() {
  local rule=$1
  shift
  sluice augment train.sluice --samples=4 --variants=3 --out=s.png "$@" >out 2>err ||
    fail "$*: $(cat err)"
  python3 "$here/read_sheet.py" s.png "$rule" || fail "$*: not $rule"
}

"$make_set" train.sluice 40 16 3 4 0 1 || exit 1
sheet same --augment= --zoom=1
sheet same --augment=normalize --zoom=3
sheet same --augment=identity,normalize:mean=3:std=2
sheet mirrored --augment=flip:p=1,normalize --zoom=1 --first=7
sheet half --augment=normalize,mixup:alpha=100 --zoom=1
sheet cut --augment=cutmix:alpha=100 --zoom=1
sheet small --augment=center_crop:size=10 --zoom=1
cp s.png one.png
sheet small --recipe=mnist_cnn "data.augment=[center_crop: {size: 10}, normalize]" --zoom=1
cmp s.png one.png || fail "a recipe's pipeline is another"
sheet other --augment=trivialaugment_wide --zoom=1
cp s.png one.png
sheet other --augment=trivialaugment_wide --zoom=1
cmp s.png one.png || fail "made again, it is another"
sheet other --augment=trivialaugment_wide --zoom=1 --seed=1
cmp -s s.png one.png && fail "another seed, the same sheet"

# No more rows than there are samples.
sluice augment train.sluice --augment=flip --first=37 --out=s.png >out 2>err ||
  fail "the last samples: $(cat err)"
grep -q 'samples 37 to 39, 8 variants' out || fail "the last samples: $(cat out)"

# Ctrl-C: sooner or later one comes while it draws.
"$make_set" many.sluice 256 64 3 4 0 1
for delay in 0.01 0.03 0.06 0.1 0.2 0.3 0.5 0.7 1 2; do
  rm -f bad.png
  sluice augment many.sluice --augment=trivialaugment_wide --samples=256 --variants=64 \
    --out=bad.png >out 2>err &
  sleep $delay
  kill -INT $!
  wait $!
  status=$?
  [ $status = 130 ] && break
done
[ $status = 130 ] && [ ! -e bad.png ] || fail "interrupted: exit status $status, $(cat err)"

bad 2 "expected --augment=LIST or --recipe=NAME, found neither" sluice augment train.sluice
bad 2 "found both" sluice augment train.sluice --augment=flip --recipe=mnist_cnn
bad 2 "no operation 'flop'" sluice augment train.sluice --augment=flop
bad 2 "there is no --recipe" sluice augment train.sluice --augment=flip seed=1
bad 2 "no recipe 'nothere'" sluice augment train.sluice --recipe=nothere
bad 2 "first=40: expected a number below 40" sluice augment train.sluice --augment=flip --first=40
bad 2 "expected at most 30000" sluice augment train.sluice --augment=flip --zoom=64 --samples=32
bad 3 "nothere.sluice" sluice augment nothere.sluice --augment=flip
sluice augment train.sluice --augment=flip --out=nothere/x.png >out 2>err
[ $? = 3 ] && [ "$(wc -l <err)" = 1 ] || fail "no folder: $(cat err)"
(ulimit -f 1; sluice augment train.sluice --augment=flip --samples=16 --zoom=8 --out=full.png) \
  >out 2>err && fail "no room: it says all is well"
[ "$(wc -l <err)" = 1 ] && [ -z "$(find . -name 'full.png*')" ] || fail "no room: $(cat err)"
[ $failures = 0 ]
