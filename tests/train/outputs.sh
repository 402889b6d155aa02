#!/usr/bin/env bash
# outputs.sh BIN_DIR TEST_DIR -- runs with a validation set of their own, in the tree of
# layout `outputs`: which samples are used, what stands where, what is refused; and tests
# without labels.
make_set=$2/test_train_make_set
. "$(dirname "$0")/../support/script.sh"
# bad PATTERN COMMAND...: refused with one line that says PATTERN; no run is left.
bad() { refused 2 "$1" nowhere "${@:2}" run.dir=nowhere; }

# 64 to learn from, 32 to choose by; the same pictures with labels and without.
"$make_set" train.sluice 96 16 3 4 0 1 && "$make_set" test.sluice 40 16 3 4 0 2 &&
  "$make_set" blind.sluice 40 16 3 0 0 2 || exit 1
tiny="model=cnn_small model.width=0.125 device=ref data.threads=1 training.batch_size=16"
split="data.train=train.sluice data.train_range=0-63 data.validation=train.sluice \
data.validation_range=64-95 data.test=test.sluice"
sluice train $tiny $split training.epochs=5 optimizer.lr=0.05 run.name=exp run.layout=outputs \
  run.dir=outputs run.keep_every_epochs=2 eval.predictions=labels >out 2>err ||
  fail "train: $(cat err)"
grep -q '^epoch  5/5  loss [0-9.]*  acc *[0-9.]*%  val *[0-9.]*%  lr ' out || fail "$(cat out)"
run=outputs/training_runs/latest
for f in config.yaml logs/config.json logs/metrics.csv logs/steps.csv logs/training.log \
  logs/figures/loss_plot.svg logs/figures/accuracy_plot.svg \
  logs/figures/learning_rate_plot.svg checkpoints/best.safetensors \
  checkpoints/epoch_2.safetensors checkpoints/epoch_4.safetensors predictions.csv; do
  [ -s $run/$f ] || fail "no $f"
done
[ ! -e $run/checkpoints/epoch_3.safetensors ] && [ ! -e $run/plots ] || fail "too many files"
readlink $run | grep -Eq '^[0-9]{4}(_[0-9]{2}){4}(-[0-9]+)?$' || fail "$(readlink $run)"
cmp $run/checkpoints/best.safetensors outputs/best_models/exp_best.safetensors || fail "best"
cmp $run/checkpoints/last.safetensors outputs/final_models/exp_final.safetensors || fail "final"
for kind in best final; do
  model=$(sed -n "s/^$kind  *//p" err)
  [ "$model" -ef outputs/${kind}_models/exp_$kind.safetensors ] || fail "$kind: '$model'"
done
[ -z "$(find outputs -name '*.safetensors.*' -o -name '*.tmp*')" ] || fail "temporary files"
python3 - <<'PYTHON' || fail "summary.json, config.json"
import csv, json, os
run = "outputs/training_runs/latest/"
s = json.load(open(run + "summary.json"))
assert s["train_images"] == 96 - 32 and s["validation_images"] == 32, s
assert s["test_images"] == 40 and s["steps"] == 20 and s["test_accuracy"] > 0.5, s
rows = list(csv.DictReader(open(run + "logs/metrics.csv")))
assert len(rows) == 5 and float(rows[4]["test_accuracy"]) == s["validation_accuracy"], s
best = max(float(r["test_accuracy"]) for r in rows)
assert abs(best - s["best_validation_accuracy"]) < 1e-9, s
assert all(1 < float(r["memory_mib"]) <= s["peak_memory_mib"] + 1 for r in rows), s
assert 0 < s["planned_memory_mib"] < s["peak_memory_mib"] < 1e6, s
c = json.load(open(run + "logs/config.json"))
assert c["seed"] == 0 and c["model"]["name"] == "cnn_small" and c["model"]["width"] == 0.125
assert c["data"]["train_range"] == "0-63" and c["data"]["drop_last"] is True, c["data"]
assert c["optimizer"]["lr"] == 0.05 and c["data"]["mean"] and c["run"]["layout"] == "outputs"
p = list(csv.DictReader(open(run + "predictions.csv")))
assert list(p[0]) == ["ID", "Labels"] and [int(r["ID"]) for r in p] == list(range(40)), p
PYTHON

# The same run, killed and continued, ends the same.
again="$tiny $split training.epochs=5 optimizer.lr=0.05 run.name=exp run.layout=outputs \
run.dir=killed eval.predictions=labels run.checkpoint_every_seconds=0.001"
sluice train $again --quiet >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do
  [ "$(cat killed/training_runs/latest/logs/metrics.csv 2>/dev/null | wc -l)" -gt 2 ] && break
  sleep 0.05
done
kill -9 $pid
wait $pid 2>/dev/null
sluice train resume=killed --quiet >/dev/null 2>err || fail "resume: $(cat err)"
for run in outputs killed; do
  cut -d, -f1-8 $run/training_runs/latest/logs/metrics.csv >$run.rows
done
cmp outputs.rows killed.rows || fail "rows of a run that was killed"
cmp {outputs,killed}/training_runs/latest/predictions.csv || fail "killed, it predicts otherwise"
[ -s killed/final_models/exp_final.safetensors ] || fail "no final model"
run=outputs/training_runs/latest

# The last weights on the validation samples have the accuracy of the last row.
sluice eval $run data.test=train.sluice data.test_range=64-95 --out=valid >out 2>err ||
  fail "eval: $(cat err)"
python3 - <<'PYTHON' || fail "accuracy of the validation samples: $(tail -1 out)"
import csv, json, re
s = json.load(open("outputs/training_runs/latest/summary.json"))
found = re.search(r"acc ([0-9.]+)%  images 32", open("out").read())
assert abs(float(found.group(1)) - 100 * s["validation_accuracy"]) < 0.006, found.group(1)
rows = list(csv.reader(open("valid/predictions.csv")))
assert rows[1][0] == "0" and rows[-1][0] == "31", rows
PYTHON

# An evaluation has a folder of its own, with the model that it was made of.
sluice eval outputs --checkpoint=best >out 2>err || fail "eval: $(cat err)"
[ "$(head -1 out)" = "class                  images   recall precision" ] || fail "$(head -1 out)"
grep -q '^ID,Labels$' out && [ "$(grep -Ec '^[0-9]+,[0-3]$' out)" = 10 ] &&
  grep -q '^\.\.\. and 30 more$' out || fail "first rows: $(cat out)"
folder=$(echo outputs/evaluations/exp_val_acc_*)
echo "$folder" | grep -Eq 'exp_val_acc_[0-9]+\.[0-9]{2}(_[0-9]{2,4}){5}$' || fail "$folder"
sluice eval outputs --checkpoint=best --quiet >out 2>err || fail "eval: $(cat err)"
[ "$(find outputs/evaluations -mindepth 1 -maxdepth 1 | wc -l)" = 2 ] || fail "two evaluations"
mv outputs moved
cmp moved/best_models/exp_best.safetensors "moved/${folder#*/}/model.safetensors" || fail "link"
[ "$(wc -l <"moved/${folder#*/}/predictions.csv")" = 41 ] || fail "rows"

# A checkpoint carries its recipe: it is tested as it was trained, whichever run of the
# tree is the latest, by any of its names, and without a run.
cp -a moved two
sluice train $split model=mlp model.hidden=8 device=ref data.threads=1 training.steps=2 \
  training.batch_size=16 run.name=other run.layout=outputs run.dir=two --quiet >out 2>err || fail "other: $(cat err)"
cp two/best_models/exp_best.safetensors lone.safetensors
for file in two/best_models/exp_best.safetensors "two/${folder#*/}/model.safetensors" \
  lone.safetensors; do
  sluice eval $file --out=named --quiet >out 2>err || fail "$file: $(cat err)"
  cmp named/predictions.csv "two/${folder#*/}/predictions.csv" || fail "$file"
done
sluice eval lone.safetensors --quiet >out 2>err && cmp {named,eval}/predictions.csv ||
  fail "lone: $(cat err)"
sluice eval two/best_models/exp_best.safetensors --quiet >out 2>err &&
  [ "$(find two/evaluations -mindepth 1 -maxdepth 1 | wc -l)" = 3 ] || fail "$(cat err)"
rm -r two/training_runs
sluice eval two/final_models/exp_final.safetensors --quiet >out 2>err &&
  [ "$(find two/evaluations -mindepth 1 -maxdepth 1 | wc -l)" = 4 ] && [ ! -e two/final_models/eval ] &&
  [ "$(find two/evaluations -lname '*/final_models/exp_final.safetensors' | wc -l)" = 1 ] ||
  fail "without its run: $(cat err; find two)"
head -c 3000 lone.safetensors >cut.safetensors
for file in cut.safetensors train.sluice; do
  sluice eval $file >out 2>err
  [ $? = 5 ] && grep -q "^sluice eval: $file: no safetensors file: " err || fail "$(cat err)"
done

# Without a test set the validation set is what there is.
sluice train $tiny $split data.test= training.epochs=1 run.dir=alone --quiet >out 2>err ||
  fail "no test set: $(cat err)"
sluice eval alone --quiet >out 2>err && grep -q 'images 32 ' out || fail "eval: $(cat out err)"
cmp alone/latest/predictions.csv alone/latest/eval/predictions.csv || fail "validation set"
grep -q '"test_accuracy": null' alone/latest/summary.json || fail "$(cat alone/latest/summary.json)"

# Without labels: the same predictions, and nothing that needs labels.
sluice eval moved --checkpoint=best data.test=blind.sluice --out=blind >out 2>err ||
  fail "blind: $(cat err)"
cmp blind/predictions.csv "moved/${folder#*/}/predictions.csv" || fail "blind predictions"
[ ! -e blind/per_class.csv ] && grep -q 'no labels, predictions alone' out || fail "$(cat out)"
bad "no labels" sluice train $tiny data.train=train.sluice data.test=blind.sluice

# Views: two crops are the image and its mirror image, and batches do not matter.
full="data.test=test.sluice eval.predictions=full --quiet"
sluice eval moved $full eval.tta=flip --out=flip >/dev/null 2>err || fail "$(cat err)"
sluice eval moved $full eval.tta=crops eval.views=2 --out=two >/dev/null 2>err || fail "$(cat err)"
cmp flip/predictions.csv two/predictions.csv || fail "two crops"
sluice eval moved $full eval.tta=crops --out=eight >/dev/null 2>err || fail "$(cat err)"
sluice eval moved $full eval.tta=crops eval.batch_size=7 --out=seven >/dev/null 2>err ||
  fail "$(cat err)"
cmp eight/predictions.csv seven/predictions.csv || fail "batches of seven"
cmp -s eight/predictions.csv two/predictions.csv && fail "eight crops are two"

# A run that is complete continues to nothing new.
cp moved/training_runs/latest/logs/metrics.csv before
sluice train resume=moved >/dev/null 2>err || fail "resume: $(cat err)"
cmp before moved/training_runs/latest/logs/metrics.csv || fail "rows after resume"

# Which branches may be left out, how often.
sluice train recipe=stochastic_depth $split --dry-run >out 2>err || fail "dry run: $(cat err)"
[ "$(sed -n 's/^droppath.* p=//p' err | tr '\n' ' ')" = \
  "0.0286 0.0571 0.0857 0.1143 0.1429 0.1714 0.2000 " ] || fail "stochastic depth: $(cat err)"

# The shipped recipes, small.
for recipe in se_resnet se_resnet_randaugment stochastic_depth; do
  sluice train recipe=$recipe $split model.channels=4 training.steps=3 data.threads=1 \
    eval.batch_size=16 run.dir=small >out 2>err || fail "$recipe: $(cat err)"
  [ "$(find small/final_models -name '*_final.safetensors' | wc -l)" -ge 1 ] || fail "$recipe"
  sluice train recipe=$recipe split=official --print >out 2>err || fail "$recipe: $(cat err)"
  grep -q 'validation: ""' out && grep -q 'train_range: ""' out || fail "split=official"
done

bad "data.train_range: '0-96': expected FIRST-LAST within 0-95 of train.sluice" \
  sluice train $tiny data.train=train.sluice data.train_range=0-96
for range in 5 7-3 -4 3- a-b 1-2-3 0-99999999999999999999; do
  bad "expected FIRST-LAST" sluice train $tiny data.train=train.sluice data.train_range=$range
done
bad "data.test_range: '0-9': expected data.test beside it, found none" \
  sluice train $tiny data.train=train.sluice data.test_range=0-9 --dry-run
bad "expected other samples in data.validation_range than in data.train_range, found 60" \
  sluice train $tiny data.train=train.sluice data.train_range=0-63 \
  data.validation=train.sluice data.validation_range=60-95
bad "model resnet50: expected at most 5000000 parameters (model.max_parameters), found 6[0-9]*$" \
  sluice train recipe=se_resnet $split model=resnet50 model.stem=cifar model.channels=32 \
  model.se_reduction=16
bad "expected at most 100 parameters (model.max_parameters), found " \
  sluice train $tiny data.train=train.sluice model.max_parameters=100
[ $failures = 0 ]
