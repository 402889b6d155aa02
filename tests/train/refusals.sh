#!/usr/bin/env bash
# refusals.sh BIN_DIR TEST_DIR PYTHON_DIR -- sluice train and sluice eval given what is
# wrong, damaged, diverging or too large for the disk: one clear line, a non-zero exit
# status, nothing half-written.
make_set=$2/test_train_make_set
here=$(realpath "$3")
. "$(dirname "$0")/../support/script.sh"
tiny="model=cnn_small model.width=0.125 device=ref data.threads=1 training.batch_size=16"
# bad STATUS PATTERN COMMAND...: refused with one line that says PATTERN; no run is left.
bad() {
  rm -rf runs
  refused "$1" "$2" runs "${@:3}"
}

"$make_set" train.sluice 96 16 3 4 0 1 && "$make_set" test.sluice 40 16 3 4 0 2 || exit 1
data="data.train=train.sluice data.test=test.sluice"
sluice train $tiny $data training.epochs=1 --quiet 2>err || fail "first: $(cat err)"
mv "$(readlink -f runs/latest)" first

# Bad input.
head -c 20000 train.sluice >cut.sluice
head -c 20000 /dev/urandom >noise.sluice
: >empty.sluice
"$make_set" small.sluice 40 12 3 4 0 3
"$make_set" five.sluice 40 16 3 5 0 3
"$make_set" negative.sluice 40 16 3 4 -1 3
"$make_set" few.sluice 5 16 3 4 0 3
"$make_set" fewer.sluice 48 16 3 4 0 1
"$make_set" grey.sluice 40 16 1 4 0 3
"$make_set" far.sluice 40 16 3 4 1048573 3
"$make_set" second.sluice 96 16 3 4 0 1 2
"$make_set" more.sluice 40 16 3 5 0 3 1
"$make_set" set.sluice 24 12 3 3 0 4 && sluice export set.sluice pictures --quiet &&
  sluice write folder pictures png.sluice --quiet && mv pictures/0 pictures/z &&
  sluice write folder pictures other.sluice --quiet || fail "pictures"
bad 2 "no file named" sluice train $tiny
bad 3 "data.train: nothere.sluice: No such file" sluice train $tiny data.train=nothere.sluice
bad 3 "data.validation: nothere.sluice: No such file or directory; say data.validation=FILE.sluice" \
  sluice train $tiny $data data.validation=nothere.sluice
bad 5 "cut.sluice" sluice train $tiny data.train=cut.sluice
bad 5 "noise.sluice" sluice train $tiny data.train=noise.sluice
bad 5 "empty.sluice" sluice train $tiny data.train=empty.sluice
bad 2 "not a regular file" sluice train $tiny data.train=.
bad 2 "expected images of 16x16x3 as in train.sluice, found 12x12x3" \
  sluice train $tiny data.train=train.sluice data.test=small.sluice
bad 2 "expected a label from 0 to 3, found 4" \
  sluice train $tiny data.train=train.sluice data.test=five.sluice
bad 2 "sample 0: expected a label from 0 to 2, found -1" \
  sluice train $tiny data.train=negative.sluice
bad 2 "expected at most the 5 images of few.sluice, found 16" \
  sluice train $tiny data.train=few.sluice
bad 2 "no recipe 'nothere'; there are: .*, \.\.\.$" sluice train recipe=nothere
bad 2 "no recipe 'quickstrat'; near: quickstart$" sluice train recipe=quickstrat
bad 2 "no recipe 'resnet9'; near: resnet9_ffcv$" sluice train recipe=resnet9
bad 2 "no dataset 'cifar'; near: cifar10, cifar100$" sluice train recipe=quickstart dataset=cifar
bad 2 "no such key; near: training.epochs" sluice train training.epoch=3
bad 2 "rotate" sluice train $tiny $data "data.augment=[rotate_by_nothing]"
bad 2 "data.augment_test: expected images of 16x16 as data.augment makes them, found 8x8" \
  sluice train $tiny $data "data.augment_test=[center_crop: {size: 8}, normalize]"
bad 2 "mixup mixes images of a batch and their labels: not possible here" \
  sluice train $tiny $data "data.augment_test=[normalize, mixup]"
bad 2 "command line: data.size: expected data.crop=random or center, .*found none" \
  sluice train $tiny $data data.size=224
bad 2 "data.validation_range: expected data.validation=FILE.sluice, .*found none" \
  sluice train $tiny $data data.validation_range=0-9
printf 'data:\n  size: 96\n' >size.yaml
bad 2 "size.yaml:2: data.size: expected data.crop" sluice train recipe=size.yaml $tiny $data
bad 2 "train.sluice: data.label: expected one of the integer fields label, found 'nothere'" \
  sluice train $tiny $data data.label=nothere
sluice eval first data.label=nothere 2>err
[ $? = 2 ] && grep -q "test.sluice: data.label: expected one of " err || fail "eval data.label=nothere: $(cat err)"
bad 2 "expected recipe=NAME" sluice train
bad 2 "data.mean has 2 numbers, images of train.sluice 3 channels" \
  sluice train $tiny $data data.mean=[1,2] data.std=[3,4]
bad 2 "far.sluice: label 1048576: expected classes below 1048576" sluice train $tiny data.train=far.sluice
bad 2 "init.freeze: this network has no blocks .*such as 'conv1'" sluice train $tiny $data init.freeze=blocks:1
bad 2 "init.freeze: expected a number from 1 behind 'blocks:', found '0'" \
  sluice train $tiny $data init.freeze=blocks:0
bad 2 "the network is of linear layers alone" \
  sluice train $tiny $data model=mlp model.hidden=[8] init.freeze=backbone
bad 2 "other.sluice: expected the 3 classes of png.sluice; class 0 is '0' there and '1' here" \
  sluice train $tiny data.train=png.sluice data.test=other.sluice
bad 2 "more.sluice: expected the 4 classes of second.sluice, found 5" \
  sluice train $tiny data.train=second.sluice data.test=more.sluice
for set in "small.sluice 12x12x3" "grey.sluice 16x16x1"; do
  bad 2 "${set% *}: expected images of 16x16x3, as the network was trained on, found ${set#* }" \
    sluice eval first data.test=${set% *}
done
bad 2 "five.sluice: sample 4: expected a label from 0 to 3, found 4" sluice eval first data.test=five.sluice
bad 2 "data.test: no file named; say data.test=FILE.sluice" sluice eval first data.test=
bad 3 "nothere: No such file" sluice eval nothere
bad 2 "config.yaml: No such file" sluice eval .
python3 - <<'PYTHON'
import struct
header = b'{"fc.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
open("plain.safetensors", "wb").write(struct.pack("<Q", len(header)) + header + bytes(4))
PYTHON
bad 2 "plain.safetensors: not a checkpoint of sluice train: holds no recipe; init.from= takes plain weights" \
  sluice eval plain.safetensors
mkfifo pipe
bad 2 "pipe: is not a regular file" sluice eval pipe
bad 2 "config.yaml: No such file" sluice train resume=.
: >file
bad 3 "file" sluice train $tiny $data run.dir=file
bad 2 "cannot change when a run continues; these can: data.train|validation|.*|wandb_notes$" \
  sluice train resume=first optimizer.lr=1
bad 2 "fewer.sluice: expected the 96 images that the run began with, found 48" \
  sluice train resume=first data.train=fewer.sluice

# Damaged images: an error, unless the recipe says what to do; a test's always are.
cp train.sluice bad.sluice
printf '\xff' | dd of=bad.sluice bs=1 seek=$((3 * 4096 + 17 * 768 + 5)) conv=notrunc status=none
rm -rf runs
for policy in skip substitute; do
  timeout 60 sluice train $tiny data.train=bad.sluice training.epochs=2 data.on_error=$policy \
    >out 2>err || fail "data.on_error=$policy: $(cat err)"
  [ "$(grep -c "damaged, $policy.*bad.sluice: sample 17," runs/latest/log.txt)" = 1 ] ||
    fail "data.on_error=$policy: $(cat runs/latest/log.txt)"
done
for data_options in data.train=bad.sluice \
  "data.train=train.sluice data.test=bad.sluice data.on_error=skip"; do
  timeout 60 sluice train $tiny $data_options --quiet >out 2>err
  [ $? = 5 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'bad.sluice: sample 17,' err ||
    fail "$data_options: $(cat err)"
done

# The loss explodes: the run ends, its last checkpoint stays as it was.
timeout 60 sluice train $tiny $data training.epochs=50 optimizer.lr=1e6 --quiet >out 2>err
[ $? = 2 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'the loss is \(nan\|inf\).*diverged' err ||
  fail "divergence: $(cat err)"
kept=$(ls runs/latest/checkpoints)
[ -n "$kept" ] || ! grep -q 'checkpoint is kept' err || fail "divergence: $(cat err)"

# Where no test is there to tell, weights that are no numbers are not saved.
rm -rf runs
timeout 60 sluice train $tiny data.train=train.sluice training.steps=3 optimizer.lr=1e6 --quiet >out 2>err
[ $? = 2 ] && [ "$(wc -l <err)" = 1 ] && grep -q "last.safetensors: not written: after step 3 '.*diverged$" err &&
  [ -z "$(find runs -name '*.safetensors*')" ] || fail "weights that are no numbers: $(cat err)"

# It explodes in the last step, which the test alone can tell; so it does of a checkpoint.
rm -rf runs
timeout 60 sluice train $tiny $data training.steps=2 optimizer.lr=1e6 run.name=end --quiet >out 2>err
[ $? = 2 ] && [ "$(wc -l <err)" = 1 ] && ! grep -q 'test accuracy' out &&
  grep -q 'test.sluice: sample 0: after step 2 .*no numbers.*training diverged' err ||
  fail "divergence at the end: $(cat out err)"
ls runs/*/checkpoints runs/*/summary.json 2>/dev/null | grep -q safetensors && fail "a diverged end is saved"
sluice train $tiny $data training.epochs=1 run.name=good >out 2>err || fail "good: $(cat err)"
cp runs/latest/checkpoints/last.safetensors whole.safetensors
PYTHONPATH=$here/../support python3 -B - <<'PYTHON' || fail "nan.safetensors"
from formats import crc32c, safetensors
raw, header, data = safetensors("whole.safetensors")
crc = header["__metadata__"]["crc32c"].encode()
head = raw[:len(raw) - len(data)].replace(crc, b"00000000", 1)
raw = head + b"\0\0\xc0\x7f" * (len(data) // 4)
open("nan.safetensors", "wb").write(raw.replace(b"00000000", b"%08x" % crc32c(raw), 1))
PYTHON
for device in ref auto; do
  sluice eval nan.safetensors device=$device --out=of_nan --quiet >out 2>err
  [ $? = 2 ] && [ ! -s out ] && [ ! -e of_nan ] && [ "$(wc -l <err)" = 1 ] &&
    grep -q 'nan.safetensors: its outputs for sample 0 are no numbers' err ||
    fail "eval of NaN, $device: $(cat out err)"
  sluice eval whole.safetensors nan.safetensors device=$device --out=of_nan --quiet >out 2>err
  [ $? = 2 ] && [ ! -e of_nan ] && grep -q 'nan.safetensors: its outputs for sample 0 are' err ||
    fail "ensemble with NaN, $device: $(cat out err)"
done

# What is measured on the images of training says so; parts of one file do not overlap,
# however it is called.
ln -s train.sluice also.sluice
sluice train $tiny data.train=train.sluice data.test=./also.sluice training.epochs=1 >out 2>err &&
  grep -q '^test   the images it is trained on' err || fail "the same images: $(cat err)"
bad 2 "expected other samples in data.test_range" sluice train $tiny data.train=train.sluice \
  data.test=./also.sluice data.train_range=0-19 data.test_range=10-29

# A dry run finds what the run would begin with.
bad 3 "^sluice train: init.from: nope: No such file" sluice train $tiny $data init.from=nope --dry-run
bad 3 "^sluice train: distill.teacher: nope: No such file" \
  sluice train $tiny $data distill.teacher=nope --dry-run

# No room: a limit on the size of files stands for a full disk.
for blocks in 1 2 4 8 32 128; do
  rm -rf runs
  (ulimit -f $blocks; timeout 60 sluice train $tiny $data training.epochs=2 --quiet) >out 2>err
  status=$?
  [ $status = 0 ] && break
  [ $status = 3 ] || fail "$blocks blocks: exit status $status"
  [ "$(wc -l <err)" = 1 ] && grep -q 'File too large' err || fail "$blocks blocks: $(cat err)"
  [ -z "$(find runs -name '*.tmp*')" ] || fail "$blocks blocks: left $(find runs -name '*.tmp*')"
done
[ "$blocks" != 1 ] || fail "a limit of 1 block stopped nothing"

# What has no room for its configuration is no run: the latest is the one before.
for layout in plain outputs; do
  rm -rf runs
  sluice train $tiny $data training.steps=1 run.layout=$layout --quiet >out 2>err || fail "$layout: $(cat err)"
  before=$(find runs -printf '%P %l\n' | sort)
  (ulimit -f 1; timeout 60 sluice train $tiny $data run.layout=$layout run.name=more --quiet) >out 2>err &&
    fail "$layout: a limit of 1 block stopped nothing"
  [ "$before" = "$(find runs -printf '%P %l\n' | sort)" ] || fail "no room, $layout: $(find runs -printf '%P %l ')"
done
[ $failures = 0 ]
