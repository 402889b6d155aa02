#!/usr/bin/env bash
# stacking.sh BIN_DIR TEST_DIR -- sluice stack as people use it: folds of two recipes, what
# is stacked on them, other test sets, what is refused.
make_set=$2/test_train_make_set
. "$(dirname "$0")/../support/script.sh"
# bad PATTERN COMMAND...: refused with one line that says PATTERN; nothing is written.
bad() { refused "2 3 5" "$1" stacks/no "${@:2}"; rm -rf stacks/no; }

"$make_set" train.sluice 96 16 3 4 0 1 && "$make_set" test.sluice 40 16 3 4 0 2 || exit 1
tiny="model=cnn_small model.width=0.125 device=ref data.threads=1 training.batch_size=16
  training.epochs=2 data.train=train.sluice data.test=test.sluice"
sluice search $tiny optimizer.lr=0.05 --folds=3 --out=good --quiet >out 2>err &&
  sluice search $tiny optimizer.lr=0.01 eval.tta=flip data.fold_seed=7 run.name=other --folds=2 \
    --out=other --quiet >out 2>err || fail "folds: $(cat err)"
sluice stack good other training.epochs=20 training.batch_size=16 >out 2>err || fail "stack: $(cat err)"
[ "$(grep -c '^base [12], fold [123] of [23]: ' err)" = 5 ] && [ "$(grep -c '^epoch ' out)" = 20 ] &&
  grep -q '^ *held back  *all_folds  *best_fold  *weighted$' out &&
  [ "$(grep -c '^base 1: \|^base 2: other\|^mean \|^stacked ' out)" = 4 ] || fail "lines: $(cat out err)"

# Its data are what each network says of what it was trained without.
for i in 1 2 3; do
  sluice eval good/trials/000$i data.test= --probabilities --out=held$i --quiet >eval 2>err &&
    sluice eval good/trials/000$i --probabilities --out=test$i --quiet >eval 2>err || fail "$(cat err)"
done
for i in 1 2; do
  sluice eval other/trials/000$i data.test= --probabilities --out=flipped$i --quiet >eval 2>err ||
    fail "$(cat err)"
done
python3 - <<'PYTHON' || fail "stack: $(cat stacks/latest/summary.json)"
import csv, json, math, struct
def table(path, columns):
    data = open(path, "rb").read()
    values = struct.unpack(f"<{(len(data) - 128) // 4}f", data[128:])
    return [values[i:i + columns] for i in range(0, len(values), columns)]
def rows(path):
    return list(csv.DictReader(open(path)))
level = table("stacks/latest/level_one.npy", 8)
assert len(level) == 96
for base, names in enumerate([["held1", "held2", "held3"], ["flipped1", "flipped2"]]):
    seen = []
    for name in names:
        for row, p in zip(rows(name + "/predictions.csv"), table(name + "/probabilities.npy", 4)):
            said = [math.exp(x) for x in level[int(row["id"])][4 * base:4 * base + 4]]
            assert max(abs(a - b) for a, b in zip(said, p)) < 1e-5, (name, row, said, p)
            seen.append(int(row["id"]))
    assert sorted(seen) == list(range(96))
s = json.load(open("stacks/latest/summary.json"))
assert s["classes"] == 4 and s["train_images"] == 96 and s["test_images"] == 40 and s["parameters"] == 36
first = s["rows"][0]
assert [len(r.get("fold_accuracies", [])) for r in s["rows"]] == [3, 2, 0, 0]
right = [sum(r["label"] == r["prediction"] for r in rows(f"held{i}/predictions.csv")) / 32 for i in (1, 2, 3)]
assert max(abs(a - b) for a, b in zip(right, first["fold_accuracies"])) < 1e-8
# Test images: all folds, the best one.
labels = [int(r["label"]) for r in rows("test1/predictions.csv")]
said = [table(f"test{i}/probabilities.npy", 4) for i in (1, 2, 3)]
def accuracy(answers):
    return sum(a.index(max(a)) == k for a, k in zip(answers, labels)) / 40
mean = [[sum(math.log(said[k][i][c]) for k in range(3)) for c in range(4)] for i in range(40)]
assert abs(accuracy(mean) - first["test_accuracy_all_folds"]) < 1e-8
best = right.index(max(right))
assert abs(accuracy([list(a) for a in said[best]]) - first["test_accuracy_best_fold"]) < 1e-8
# What is stacked.
stacked = s["rows"][3]
predicted = rows("stacks/latest/predictions.csv")
assert [int(r["id"]) for r in predicted] == list(range(40))
share = sum(r["label"] == r["prediction"] for r in predicted) / 40
assert abs(share - stacked["test_accuracy_all_folds"]) < 1e-8 and share > 0.5, share
epochs = rows("stacks/latest/metrics.csv")
assert len(epochs) == 20 == s["epochs"]
assert abs(float(epochs[-1]["held_accuracy"]) - stacked["held_accuracy"]) < 1e-8
PYTHON
[ -s stacks/latest/per_class.csv ] && [ "$(ls stacks/latest | wc -l)" = 6 ] && grep -q '^  epochs: 20$' stacks/latest/config.yaml || fail "files"
cp -rL stacks/latest first

# The same again; from another folder; another way; unlabelled images; none.
here=$PWD
(mkdir -p elsewhere && cd elsewhere && sluice stack "$here/good" "$here/other" training.epochs=20 \
  training.batch_size=16 --quiet >out 2>err && cmp stacks/latest/predictions.csv ../first/predictions.csv &&
  cmp stacks/latest/metrics.csv ../first/metrics.csv && [ ! -s err ]) || fail "again: $(cat elsewhere/err)"
sluice stack good other training.epochs=20 training.batch_size=16 --strategy=best_fold eval.predictions=labels \
  run.name=best >out 2>err && [ "$(head -1 stacks/latest/predictions.csv)" = ID,Labels ] &&
  case $(readlink -f stacks/latest) in *-best) ;; *) false ;; esac || fail "--strategy: $(cat err)"
sluice stack good data.test_range=0-9 data.test=test.sluice model.hidden=[8] training.epochs=2 --quiet \
  >out 2>err && [ "$(wc -l <stacks/latest/predictions.csv)" = 11 ] || fail "a range: $(cat err)"
# Each key by itself is laid over what the studies have.
tested() { sed 1d stacks/latest/predictions.csv | cut -d, -f1 | tr '\n' ' '; }
sluice stack good data.test_range=10-13 training.epochs=2 --quiet >out 2>err && [ "$(tested)" = "10 11 12 13 " ] ||
  fail "a range alone: $(cat err) $(tested)"
sluice search $tiny data.test_range=0-19 training.epochs=1 --folds=2 --out=front --quiet >out 2>err &&
  sluice search $tiny data.test_range=20-39 training.epochs=1 --folds=2 --out=back --quiet >out 2>err ||
  fail "folds: $(cat err)"
cp test.sluice copy.sluice
sluice stack back data.test=copy.sluice training.epochs=2 --quiet >out 2>err &&
  [ "$(tested)" = "$(seq -s ' ' 20 39) " ] || fail "the studies' own range: $(cat err) $(tested)"
sluice stack front back data.test_range=5-9 training.epochs=2 --quiet >out 2>err && [ "$(tested)" = "5 6 7 8 9 " ] ||
  fail "a range over two: $(cat err) $(tested)"
sluice search $tiny data.test= optimizer.lr=0.05 --folds=2 --out=untested --quiet >out 2>err &&
  sluice stack untested >out 2>err && ! grep -q all_folds out && [ ! -e stacks/latest/predictions.csv ] &&
  grep -q '"test_images": 0' stacks/latest/summary.json || fail "no test set: $(cat out err)"
sluice plot first --what=loss,held_loss --out=chart.svg 2>err || fail "plot: $(cat err)"

# Refused.
rm -rf stacks
sluice search $tiny data.train_range=0-79 --folds=2 --out=fewer --quiet >out 2>err
sluice search $tiny data.validation=test.sluice data.test= 'optimizer.lr={log: [0.01, 0.1]}' --trials=1 --out=space \
  --quiet >out 2>err
cp -r good part && sed -i '3s/complete/failed/' part/search_results.csv
bad "fewer/.*: expected 96 images of 4 classes, as the first study has, found 80 of 4" sluice stack good fewer --quiet
bad "space: expected a study of folds" sluice stack space
bad "part: fold 2 of 3 is not complete: go on with sluice search --resume=part$" sluice stack good part
cp -r good twice && rm -r twice/trials/0002 && cp -r twice/trials/0001 twice/trials/0002
bad "twice: sample [0-9]*: two folds have it" sluice stack twice --quiet
bad "twice: sample [0-9]*: two folds have it" sluice stack good twice --quiet
bad "back/trials/0001/.*: test image 0: expected sample 0, as the first study has (data.test_range), found sample 20$" \
  sluice stack front back --quiet
bad "front/.*: expected 40 images of 4 classes, as the first study has, found 20 of 4" sluice stack good front --quiet
# Two labels that are one in training, but not of test images.
python3 - <<'PYTHON'
for name, count, step in ("train", 24, 0), ("test", 8, 1):
    with open(name + ".bin", "wb") as f:
        for i in range(count):
            f.write(bytes([i % 4, (i + step) % 4]) + bytes([60 * (i % 4)]) * 3072)
PYTHON
sluice write cifar100 train.bin two.sluice --quiet && sluice write cifar100 test.bin twotest.sluice --quiet ||
  fail "two labels"
for label in label coarse_label; do
  sluice search $tiny data.train=two.sluice data.test=twotest.sluice data.label=$label training.epochs=1 \
    training.batch_size=8 --folds=2 --out=$label --quiet >out 2>err || fail "$label: $(cat err)"
done
bad "coarse_label/trials/0001/.*: sample 0 of .*twotest.sluice: expected label 1, as the first study has, found 0$" \
  sluice stack label coarse_label --quiet
# No test is twice as good as the one before: the rate falls.
sluice stack good other training.epochs=4 schedule.name=plateau schedule.patience=0 schedule.threshold=1 \
  optimizer.lr=0.05 run.dir=falling --quiet >out 2>err || fail "plateau: $(cat err)"
python3 - <<'PYTHON' || fail "plateau: $(cat falling/latest/metrics.csv)"
import csv
lr = [float(r["lr"]) for r in csv.DictReader(open("falling/latest/metrics.csv"))]
assert lr[0] == 0.05 and abs(lr[3] - 0.05 * 0.1 ** 2) < 1e-9 and sorted(lr, reverse=True) == lr, lr
PYTHON
bad "model .*: expected at most 5 parameters (model.max_parameters), found 36" \
  sluice stack good other model.max_parameters=5 --quiet
bad "nowhere.*: No such file" sluice stack nowhere
bad "'data.train=x': expected folders of studies, then KEY=VALUE" sluice stack good data.train=x
bad "expected 1 to 16 folders of studies, found 0" sluice stack seed=1
bad "data.test: nothere.sluice: No such file" sluice stack good --quiet data.test=nothere.sluice
bad "model.name: expected a model that takes a vector, as mlp and residual_mlp do, found resnet9: maxpool " \
  sluice stack good model=resnet9
bad "^sluice stack: model.activation: expected one entry" sluice stack good model=mlp model.hidden=[8] \
  model.activation=[relu,relu,relu]
bad "optimizer.lrr: no such key" sluice stack good optimizer.lrr=1
[ ! -e stacks ] || fail "left $(find stacks)"
[ $failures = 0 ]
