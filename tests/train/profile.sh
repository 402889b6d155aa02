#!/usr/bin/env bash
# profile.sh BIN_DIR TEST_DIR SCRIPTS_DIR -- sluice train --profile and --dry-run: the table, its
# JSON, and the memory that is planned.
. "$(dirname "$0")/../support/script.sh"

"$2/test_train_make_set" train.sluice 48 16 3 4 0 1 || exit 1
tiny="model=cnn_small model.width=0.25 device=ref data.threads=1 training.batch_size=16 \
data.train=train.sluice"
sluice train $tiny training.epochs=2 --profile >out 2>err || fail "train: $(cat err)"
grep -Eq '^operator +name +fwd ms +GFLOP/s +GB/s +peak +bwd ms' err || fail "heading: $(cat err)"
grep -Eq '^conv2d +conv2 +[0-9.]+ +[0-9]+ +[0-9.]+ +[0-9]+% +[0-9.]+ +[0-9]+' err || fail "conv2"
grep -q '^a step: [0-9.]* ms: forward [0-9.]*%, backward' err || fail "step"
grep -q '^conv2d  *conv2 ' runs/latest/log.txt || fail "log.txt"
python3 - <<'PYTHON' || fail "profile.json"
import json
p = json.load(open("runs/latest/profile.json"))
assert p["steps"] == 5 and p["images"] == 80 and p["wait_seconds"] > 0, p
ops = {o["name"]: o for o in p["operators"]}
# 16 images of 8x8 pixels behind the first pooling, 8 to 16 channels, 3x3.
flops = 16 * 2 * 8 * 8 * 9 * 8 * 16
assert ops["conv2"]["kind"] == "conv2d" and ops["conv2"]["forward"]["flops"] == flops
assert ops["conv2"]["backward"]["flops"] == 2 * flops
for d in ("forward", "backward"):
    total = sum(o[d]["seconds"] for o in p["operators"])
    assert abs(total - p[d]["seconds"]) <= 1e-6 * total, (d, total)
    c = ops["conv2"][d]
    assert abs(c["flops_per_second"] * c["seconds"] / c["flops"] - 1) < 1e-4
    assert abs(c["share_of_peak"] * p["peak_flops_per_second"] / c["flops_per_second"] - 1) < 1e-4
parts = p["forward"]["seconds"] + p["backward"]["seconds"] + p["optimizer_seconds"] \
    + p["wait_seconds"] + p["other_seconds"]
assert abs(parts - p["seconds_per_step"]) < 1e-6, p
PYTHON
sluice train $tiny training.epochs=1 >out 2>err || fail "train: $(cat err)"
[ ! -e runs/latest/profile.json ] || fail "a profile that nobody asked for"

# Where a device runs two operators as one, the first names the second.
if sluice train model=se_resnet device=cpu data.threads=1 data.train=train.sluice \
  training.batch_size=8 training.epochs=1 training.steps=1 --profile >out 2>err; then
  grep -Eq '^gate +[^ ]+ +in ' err || fail "no pair: $(cat err)"
  grep -q '^peak: [0-9]* GFLOP/s (in registers alone)' err || fail "peak: $(cat err)"
  python3 - <<'PYTHON' || fail "profile.json of pairs"
import json
p = json.load(open("runs/latest/profile.json"))
ops = p["operators"]
assert p["steps"] == 1 and 1e8 < p["peak_flops_per_second"] < 1e14, p
pairs = [o for o in ops if "in" in o]
assert pairs and all(o["forward"]["seconds"] == 0 for o in pairs), pairs
assert {o["in"] for o in pairs} <= {o["name"] for o in ops}, pairs
PYTHON
else
  grep -q 'this build has no oneDNN' err || fail "device cpu: $(cat err)"
fi

# Memory: no run, and what can be counted by hand. 8, 16, 32 channels; 4 classes.
rm -rf runs
sluice train $tiny --dry-run >out 2>err || fail "dry run: $(cat err)"
[ ! -e runs ] || fail "a dry run leaves a folder"
sed -n 's/.*parameters \([0-9.]*\) MiB, gradients \([0-9.]*\) MiB.*optimizer \([0-9.]*\) MiB.*/\1 \2 \3/p' \
  err >parts
python3 - <<'PYTHON' || fail "memory: $(cat parts)"
count = 27 * 8 + 16 + 72 * 16 + 32 + 144 * 32 + 64 + 32 * 4 + 4
for x in open("parts").read().split():
    assert abs(float(x) - count * 4 / 2**20) < 0.006, x
PYTHON
[ "$(awk '/^memory/ { on = 0 } on { sum += $4 } /^layer/ { on = 1 } END { print sum }' err)" = \
  $((27 * 8 + 16 + 72 * 16 + 32 + 144 * 32 + 64 + 32 * 4 + 4)) ] &&
  grep -Eq '^conv2 +conv2d +8x8x16 +1152$' err || fail "layers: $(cat err)"
small=$(sed -n 's/.*activations \([0-9.]*\) MiB.*/\1/p' err)
sluice train $tiny training.batch_size=32 --dry-run 2>err || fail "dry run: $(cat err)"
large=$(sed -n 's/.*activations \([0-9.]*\) MiB.*/\1/p' err)
python3 -c "import sys; sys.exit(not abs($large / $small - 2) < 0.1)" || fail "$small, then $large"
sluice train resume=runs --dry-run >out 2>err
[ $? = 2 ] && grep -q 'expected --dry-run without resume' err || fail "resume: $(cat err)"

# The table of models, for one that is quick.
export SLUICE=$1/sluice
bench() { PYTHON=${peer-} "$3/bench-train" train.sluice -m cnn_small -s 2 "${@:4}" device=ref data.threads=1; }
bench "$@" -b 8,16 -w 0.125,0.25 -t 1 >out 2>err || fail "bench-train: $(cat err)"
row='^cnn_small +0\.(125|25) +1 +(8|16)( +[0-9.]+ MiB){3} +[0-9.]+ ms +[0-9]+ +[0-9.]+%'
[ "$(grep -Ec "$row\$" out)" = 4 ] || fail "bench-train: $(cat out err)"
# Beside a peer that takes a second for two images; of another size it is refused.
parameters=$(sluice train $tiny model.width=0.125 --dry-run 2>&1 |
  sed -n 's/.* \([0-9]*\) parameters.*/\1/p')
printf '#!/bin/sh\necho "2.0 ${parameters:-%s}"\n' "$parameters" >peer && chmod +x peer
peer=./peer bench "$@" -b 8 -w 0.125 -t 1 -p 3 >out 2>err || fail "bench-train: $(cat err)"
grep -Eq "$row +2 +[0-9.]+\$" out || fail "ratio: $(cat out err)"
python3 - <<'PYTHON' || fail "ratio: $(cat out)"
row = open("out").read().splitlines()[1].split()
assert abs(float(row[-1]) * 2 / float(row[-4]) - 1) < 0.05, row
PYTHON
export parameters=5
peer=./peer bench "$@" -b 8 -w 0.125 -t 1 >out 2>err && fail "a peer of another size"
grep -q "PyTorch's cnn_small has 5 parameters" err || fail "$(cat err)"
"$3/bench-train" nothere.sluice -m mlp >out 2>err && fail "bench-train: nothere.sluice is there"
grep -q 'nothere.sluice: No such file' err || fail "bench-train: $(cat err)"
[ $failures = 0 ]
