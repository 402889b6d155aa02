#!/usr/bin/env bash
# transfer.sh BIN_DIR TEST_DIR -- from one run to the next: a network that learnt 4
# classes begins to learn 3, with parts of it frozen; runs that end before their last
# epoch; the recipes that do both; what is refused.
here=$(dirname "$0")
make_set=$2/test_train_make_set
. "$(dirname "$0")/../support/script.sh"
# bad PATTERN COMMAND...: refused with one line that says PATTERN; no run is left.
bad() { refused "2 3 5" "$1" nowhere "${@:2}" run.dir=nowhere; }

"$make_set" four.sluice 96 16 3 4 0 1 && "$make_set" three.sluice 90 16 3 3 0 2 || exit 1
tiny="model=block_cnn model.hidden_dims=8,12,10,6 model.layers_per_block=1,1 \
model.apply_pooling=1,0 model.apply_bn=1,1 model.dropout=0 device=ref data.threads=1 \
training.batch_size=16 optimizer.name=adam optimizer.lr=0.01 run.plots=false"
small="model.hidden_dims=8,8,8,8,16,8 training.batch_size=16 device=ref data.threads=1 \
data.train_range=0-63 data.validation_range=64-95"
four="data.train=four.sluice data.train_range=0-63 data.validation=four.sluice \
data.validation_range=64-95"
three="data.train=three.sluice"

# The target ends the first run, and what it was is in its record.
sluice train $tiny $four training.epochs=60 stop.target=0.9 stop.patience=40 run.name=source \
  run.checkpoint_every_epochs=0 \
  >out 2>err || fail "source: $(cat err)"
grep -q '^ended by epoch [0-9]*: validation accuracy [0-9.]*%, the target was 90.00%$' err ||
  fail "$(cat err)"
source=$(readlink -f runs/latest)
python3 - $source <<'PYTHON' || fail "the run that reached its target"
import csv, json, sys
s = json.load(open(sys.argv[1] + "/summary.json"))
rows = list(csv.DictReader(open(sys.argv[1] + "/metrics.csv")))
accuracy = [float(r["test_accuracy"]) for r in rows]
assert s["ended_by"] == "target" and s["epochs"] == len(rows) < 60, s
assert accuracy[-1] >= 0.9 and max(accuracy[:-1]) < 0.9, accuracy
PYTHON
sluice train resume=$source >out 2>err && [ "$(grep -c , $source/metrics.csv)" = \
  $(($(grep -c '^epoch' $source/log.txt) + 1)) ] || fail "continued behind its end: $(cat err)"

# No test is twice as good as the one before: the rate is halved, then the run ends.
sluice train $tiny $four training.epochs=60 stop.patience=4 stop.delta=9 \
  schedule.name=plateau schedule.factor=0.5 schedule.patience=0 schedule.threshold=1 \
  >out 2>err || fail "plateau: $(cat err)"
grep -q '^plateau: learning rate 0.005 from epoch 3$' err &&
  grep -q '^ended by epoch 5: validation loss no better in 4 tests than ' err || fail "$(cat err)"
[ "$(cut -d, -f7 runs/latest/metrics.csv | tail -n +2 | tr '\n' ' ')" = \
  "0.01 0.01 0.005 0.0025 0.00125 " ] || fail "$(cat runs/latest/metrics.csv)"
grep -q '"ended_by": "patience"' runs/latest/summary.json || fail "$(cat runs/latest/summary.json)"

# From 4 classes to 3: a new head, frozen blocks, and exactly what was copied in them.
sluice train $tiny $three training.epochs=2 init.from=$source init.freeze=backbone \
  optimizer.weight_decay=0.1 run.name=moved >out 2>err || fail "moved: $(cat err)"
grep -q "^init   $source/checkpoints/last.safetensors: 16 tensors copied, 2 unused; 2 left as made: fc3.weight, fc3.bias$" err ||
  fail "$(cat err)"
grep -q '^frozen backbone: 1140 parameters, 7777 (87.2%) are trained$' err || fail "$(cat err)"
python3 - $source runs/latest <<'PYTHON' || fail "tensors"
import sys
from formats import tensors
a, b = (tensors(run + "/checkpoints/last.safetensors") for run in sys.argv[1:])
blocks = [k for k in a if k.startswith("blocks.")]
assert len(blocks) == 12 and all(a[k] == b[k] for k in blocks), blocks
assert a["fc2.weight"] != b["fc2.weight"] and b["fc3.weight"][0] == [3, 6]
assert not any(k.startswith("optimizer.") and "blocks." in k for k in b)
PYTHON
# The same head again, from the latest run of all.
sluice train $tiny $three training.epochs=2 init.from=runs/latest init.head=keep >out 2>err &&
  grep -q '18 tensors copied, 0 unused; 0 left as made$' err || fail "kept: $(cat err)"

# Gates are of the backbone, though linear layers, too: 4 x 256 + 4 numbers learn.
sluice train $four model=se_resnet device=ref init.freeze=backbone training.batch_size=2 training.epochs=1 \
  training.steps=1 data.validation_range=64-65 >out 2>err || fail "gates: $(cat err)"
grep -q '^frozen backbone: [0-9]* parameters, 1028 ' err || fail "gates: $(cat err)"

python3 - $source <<'PYTHON'
import json, struct, sys
from formats import safetensors
raw, header, data = safetensors(sys.argv[1] + "/checkpoints/last.safetensors")
header["__metadata__"] = {}
at = header["fc2.weight"]["data_offsets"][0] + 8
text = json.dumps(header).encode()
with open("spoilt.safetensors", "wb") as f:
    f.write(len(text).to_bytes(8, "little") + text + data[:at] + struct.pack("<f", float("nan")) + data[at + 4:])
PYTHON
bad "spoilt.safetensors: tensor 'fc2.weight' has values that are NaN or infinite" \
  sluice train $tiny $three init.from=spoilt.safetensors
bad "distill.temperature_final: expected 0, or a number from 0.01 to 1000, found 1e-300" \
  sluice train $tiny $four distill.teacher=$source distill.temperature_final=1e-300
bad "init.from: nothere: No such file" sluice train $tiny $three init.from=nothere
bad "'fc3.weight' is 4x6, expected 3x6 by init.head=keep" \
  sluice train $tiny $three init.from=$source init.head=keep
bad "none of its 18 tensors fits" sluice train $three model=mnist_cnn training.batch_size=16 init.from=$source
bad "no safetensors file" sluice train $tiny $three init.from=three.sluice
bad "at most the network's 2 blocks, found 3" sluice train $tiny $three init.freeze=blocks:3
bad "stop.target: expected a number from 0 to 1, found '98.5'" \
  sluice train $tiny $four stop.target=98.5
bad "stop.patience: expected data.validation or data.fold to decide by, found neither; eval.steer_by=test" \
  sluice train $tiny $three data.test=three.sluice stop.patience=3
bad "schedule.name=plateau: expected data.validation or" sluice train $tiny $three schedule.name=plateau
bad "expected data.test and no validation set, found neither" \
  sluice train $tiny $three stop.target=0.5 eval.steer_by=test
bad "expected data.test and no validation set, found one" \
  sluice train $tiny $four stop.target=0.5 eval.steer_by=test
bad "stop.target: expected eval.every of at least 1, found 0" \
  sluice train $tiny $four stop.target=0.5 eval.every=0

# Each recipe with the whole network, as far as its first layers.
for recipe in block_cnn_{cifar10,cifar100,svhn} transfer_{cifar100,svhn}_{frozen,partial,full}; do
  sluice train recipe=$recipe $four data.test= init.from= --dry-run >out 2>err || fail "$recipe: $(cat err)"
  trained=100
  case $recipe in *frozen) trained=42.4 ;; *partial) trained=98.5 ;; esac
  [ $trained = 100 ] || grep -q "^frozen .* ($trained%) are trained$" err || fail "$recipe: $(cat err)"
  [[ $recipe != transfer* ]] || bad "init.from: outputs/best_models/block_cnn_cifar10_best.safetensors: No such file" \
    sluice train recipe=$recipe $four data.test= --dry-run
done
bad "init.from: outputs/best_models/block_cnn_cifar10_best.safetensors: No such file" \
  sluice train recipe=transfer_svhn_full $four data.test=

# One after another, with what is missing named, and a table at the end.
for set in cifar10-train cifar100-train; do cp four.sluice $set.sluice; done
for set in cifar10-test cifar100-test; do cp three.sluice $set.sluice; done
export SLUICE=$1/sluice
experiments="$here/../../scripts/transfer-experiments . $small training.epochs=1"
$experiments --only 'transfer_*_full' >out 2>err && fail "without the baseline: $(cat out)"
grep -q '^transfer_cifar100_full *FAILED: the baseline is missing: .*_best.safetensors; train block_cnn_cifar10 first$' out &&
  grep -q '^transfer_svhn_full *FAILED: .*svhn-train.sluice is missing: sluice write svhn ' out ||
  fail "missing: $(cat out)"
$experiments --only '*cifar10,*_frozen' >out 2>err && fail "nothing failed: $(cat out)"
[ "$(grep -Ec '^(block_cnn_cifar10|transfer_cifar100_frozen) +1 .* % .*  epochs$' out)" = 2 ] &&
  grep -q '^transfer_svhn_frozen *FAILED: ' out && grep -q '^the best is ' out || fail "$(cat out)"
python3 - <<'PYTHON' || fail "results"
import csv, glob, json, struct
for log, name in (("experiment", "block_cnn_cifar10"), ("transfer_learning", "transfer_cifar100_frozen")):
    lines = list(csv.DictReader(open(f"outputs/{log}_logs.csv")))
    assert len(lines) == 1 and lines[0]["description"] == name, lines
    assert lines[0]["optimizer.lr"] == "0.001" and lines[0]["training.epochs"] == "1"
    b = open(lines[0]["run"] + "/results/test_loss.npy", "rb").read()
    n = struct.unpack("<H", b[8:10])[0]
    assert b[:8] == b"\x93NUMPY\x01\x00" and (10 + n) % 64 == 0, b
    assert eval(b[10:10 + n]) == {"descr": "<f8", "fortran_order": False, "shape": (1,)}
    assert list(struct.unpack("<d", b[10 + n:])) == json.loads(lines[0]["test_loss"])
PYTHON
[ $failures = 0 ]
