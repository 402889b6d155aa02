#!/usr/bin/env bash
# search.sh BIN_DIR TEST_DIR -- sluice search as people use it: studies of a space, of a
# grid, of a list and of folds; interrupted and continued ones; what is refused.
make_set=$2/test_train_make_set
. "$(dirname "$0")/../support/script.sh"
# bad PATTERN COMMAND...: refused with one line that says PATTERN; no study is left.
bad() { refused "2 3" "$1" nowhere "${@:2}" --out=nowhere; }
# What a study found, but for the time it took.
found() { cut -d, -f1-6,8- "$1/search_results.csv"; }

"$make_set" train.sluice 96 16 3 4 0 1 && "$make_set" val.sluice 40 16 3 4 0 2 || exit 1
tiny="model=cnn_small model.width=0.125 device=ref data.threads=1 training.batch_size=16
  training.epochs=4 data.train=train.sluice"
data="$tiny data.validation=val.sluice data.test=val.sluice"
space=('optimizer.lr={log: [1e-4, 1]}' 'optimizer.momentum={uniform: [0, 0.95]}'
  'optimizer.nesterov={choice: [true, false]}' 'training.batch_size={choice: [8, 16]}')

# One that is never interrupted.
sluice search $data "${space[@]}" --trials=16 --pruner=median --startup-trials=3 --warmup-epochs=1 \
  --out=whole >out 2>err || fail "search: $(cat err)"
[ "$(grep -c '^trial  *[0-9]*/16  ' out)" = 16 ] || fail "lines: $(cat out)"
grep -q '^16 trials: [0-9]* complete, [1-9][0-9]* pruned, 0 failed$' out || fail "$(cat out)"
python3 - <<'PYTHON' || fail "results: $(cat whole/search_results.yaml whole/search_results.csv)"
import csv, glob, math
rows = list(csv.DictReader(open("whole/search_results.csv")))
assert [int(r["trial"]) for r in rows] == list(range(1, 17))
done = [r for r in rows if r["state"] == "complete"]
best = max(done, key=lambda r: float(r["best_accuracy"]))
text = open("whole/search_results.yaml").read()
assert f"best_trial: {best['trial']}\n" in text and "measured_on: validation\n" in text
assert f"  optimizer.lr: {best['optimizer.lr']}\n" in text, best
for r in rows:
    curve = [float(x) for x in r["accuracies"].split()]
    assert max(curve) == float(r["best_accuracy"]) and curve[-1] == float(r["final_accuracy"])
    assert len(curve) == 4 if r["state"] == "complete" else 2 <= len(curve) < 4, r
    assert 1e-4 <= float(r["optimizer.lr"]) <= 1 and 0 <= float(r["optimizer.momentum"]) <= .95
    assert r["test_accuracy"] == "", "the test set was looked at"
    config = open(glob.glob(f"whole/trials/{int(r['trial']):04}/2*/config.yaml")[0]).read()
    assert f"  lr: {r['optimizer.lr']}\n" in config and f"  nesterov: {r['optimizer.nesterov']}\n" in config
    assert f"  batch_size: {r['training.batch_size']}\n" in config
# A trial is pruned if its best so far is below the median of the complete ones there.
complete = []
for r in rows:
    curve = [float(x) for x in r["accuracies"].split()]
    for epoch in range(2, len(curve) + 1):
        others = sorted(c[epoch - 1] for c in complete)
        n = len(others)
        median = (others[(n - 1) // 2] + others[n // 2]) / 2 if n else -math.inf
        prune = n >= 3 and max(curve[:epoch]) < median
        assert prune == (r["state"] == "pruned" and epoch == len(curve)) or epoch == 4, (r, median)
    if r["state"] == "complete":
        complete.append(curve)
PYTHON
kept=$(find whole -name 'best.safetensors' | wc -l)
[ "$kept" = 1 ] && [ -s "$(find whole -path "*/$(printf %04d $(sed -n 's/best_trial: //p' whole/search_results.yaml))/*/best.safetensors")" ] ||
  fail "weights of $kept trials are kept"

# The best is a group, laid over the recipe.
lr=$(sed -n 's/^  optimizer.lr: //p' whole/search_results.yaml)
sluice train $data optimizer.lr=5 training=whole/best_training.yaml training.epochs=1 --print >out 2>err ||
  fail "best_training.yaml: $(cat err)"
grep -q "^  lr: 5$" out || fail "the command line does not win: $(cat out)"
sluice train recipe=mnist_cnn training=whole/best_training.yaml --print >out 2>err || fail "$(cat err)"
grep -q "^  lr: $lr$" out && grep -q '^  name: sgd$' out && grep -q '^  epochs: 4$' out ||
  fail "best_training.yaml over a recipe: $(cat out)"

# Interrupted by Ctrl-C's signal and killed outright, in the middle of trials, and
# continued: the same trials to the last digit. What was killed outright has left a running
# trial, so whether the process has come to its trials is seen by what signals it catches.
catches_term() { (((0x$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status" || echo 0) >> 14) & 1)); }
sluice search $data "${space[@]}" --trials=16 --pruner=median --startup-trials=3 --warmup-epochs=1 \
  --out=parts >out 2>err &
pid=$!
for signal in TERM KILL TERM TERM; do
  for _ in $(seq 400); do
    grep -qs running parts/search_results.csv && catches_term $pid && break
    sleep 0.05
  done
  sleep 0.1
  kill -$signal $pid
  wait $pid 2>/dev/null
  status=$?
  case $signal:$status in
    KILL:137) ;;
    TERM:130) grep -q 'stopped in trial [0-9]*; continue with: sluice search --resume=.*parts$' err ||
      fail "$signal: $(cat err)" ;;
    *) fail "$signal: exit status $status: $(cat err)" ;;
  esac
  here=$PWD
  (cd / && exec sluice search --resume="$here/parts") >out 2>err &
  pid=$!
done
wait $pid || fail "resume: $(cat err)"
found whole >a && found parts >b && cmp a b || fail "continued: $(diff a b)"

# One process at a time.
exec 9<whole && flock -x 9
refused 2 'whole: another process is at this search$' nowhere sluice search --resume=whole
exec 9<&-

# Where none is named, a folder of its own each time; a range on the command line stands for
# the file's. When the time is over no trial begins; the study goes on with more.
for i in 1 2; do
  sluice search $data training.epochs=1 training.batch_size=16 search_space=sgd \
    'optimizer.lr={log: [0.1, 0.2]}' --trials=2 --timeout=1e-9 >out 2>err || fail "timeout: $(cat err)"
  grep -q '^no time left: no further trial begins$' err && grep -q '^0 trials: ' out ||
    fail "timeout: $(cat out err)"
done
[ "$(ls searches | wc -l)" = 2 ] && [ "$(cat searches/*/space.yaml | grep -c '^optimizer.lr: {log: \[0.1, 0.2\]}$')" = 2 ] ||
  fail "folders: $(ls -R searches)"
sluice search --resume="$(ls -d searches/* | head -1)" >out 2>err && grep -q '^2 trials: 2 complete' out ||
  fail "after a timeout: $(cat out err)"

# More trials for a study that had ended; the first ones stay.
sluice search --resume=whole --trials=18 --quiet >out 2>err || fail "more trials: $(cat err)"
found whole | head -17 | cmp - a && [ "$(found whole | wc -l)" = 19 ] || fail "more trials: $(found whole)"
[ ! -s err ] || fail "--quiet: $(cat err)"

# Each epoch without a large gain ends a trial; never a gain: after the second.
sluice search $data "${space[@]}" --trials=3 --patience=1 --min-delta=100 --sampler=random \
  --out=plateau >out 2>err || fail "plateau: $(cat err)"
[ "$(found plateau | grep -c ',pruned,')" = 3 ] && [ "$(grep -c 'pruned .* epochs 2 ' out)" = 3 ] ||
  fail "plateau: $(cat out)"
[ ! -e plateau/best_training.yaml ] || fail "the best of none"

# A grid, its last dimension fastest; trials that fail are told, and end nothing.
sluice search $data 'optimizer.lr={log: [0.01, 1e6, 3]}' 'training.batch_size={choice: [16, 100]}' \
  --sampler=grid --pruner=none --out=grid >out 2>err || fail "grid: $(cat err)"
[ "$(cut -d, -f1,8,9 grid/search_results.csv | tail -n +2 | tr '\n' ' ')" = \
  "1,0.01,16 2,0.01,100 3,100,16 4,100,100 5,1.0e+06,16 6,1.0e+06,100 " ] || fail "$(cat grid/*.csv)"
grep -q '^2,,failed,.*expected at most the 96 images' grid/search_results.csv &&
  grep -q '^5,,failed,.*diverged' grid/search_results.csv || fail "failed: $(cat grid/*.csv)"
grep -q '^trial 5 failed: epoch 1, .*the loss is .*diverged' out || fail "failed: $(cat out)"

# A list of experiments.
cat >list.yaml <<'YAML'
plain: {}
wide: {model.width: 0.25}
broken: {model.width: 0.25, data.augment: [nothing_like_it]}
other: {data: {validation: null, test: nothere.sluice}}
YAML
sluice search $data experiments=list.yaml --out=list >out 2>err || fail "list: $(cat err)"
[ "$(cut -d, -f2,3 list/search_results.csv | tr '\n' ' ')" = \
  "name,state plain,complete wide,complete broken,failed other,failed " ] || fail "$(cat list/*.csv)"
grep -q '^trial 3 failed: .*nothing_like_it' out && grep -q '^trial 4 failed: .*nothere' out || fail "$(cat out)"
grep -q 'width: 0.25' list/trials/0002/latest/config.yaml || fail "the second is not wide"

# A model of an experiment comes before its options, wherever it stands.
cat >late.yaml <<'YAML'
late: {model.hidden: [9, 7], model.name: mlp}
YAML
sluice search $data experiments=late.yaml training.epochs=1 --out=late >out 2>err &&
  grep -q 'hidden: "\?9' late/trials/0001/latest/config.yaml || fail "late: $(cat err late/trials/*/latest/config.yaml)"

# Folds: every sample is held back once, and none is trained on where it is held back.
sluice search $tiny optimizer.lr=0.05 --folds=5 --out=folds >out 2>err || fail "folds: $(cat err)"
python3 - <<'PYTHON' || fail "folds: $(cat out folds/search_results.yaml)"
import csv, glob, json, statistics
seen, final = [], []
for i in range(1, 6):
    run = glob.glob(f"folds/trials/000{i}/2*")[0]
    ids = [int(r["id"]) for r in csv.DictReader(open(run + "/predictions.csv"))]
    right = [r["label"] == r["prediction"] for r in csv.DictReader(open(run + "/predictions.csv"))]
    s = json.load(open(run + "/summary.json"))
    assert ids == sorted(ids) and len(ids) == (20 if i == 1 else 19), ids
    assert s["validation_images"] == len(ids) and s["train_images"] == 96 - len(ids), s
    assert abs(s["validation_accuracy"] - sum(right) / len(right)) < 1e-9, s
    seen += ids
    final.append(s["validation_accuracy"])
assert sorted(seen) == list(range(96)) and seen != list(range(96)), seen
text = open("folds/search_results.yaml").read()
mean = float(text.split("mean_final_accuracy: ")[1].split()[0])
deviation = float(text.split("deviation_final_accuracy: ")[1].split()[0])
assert abs(mean - statistics.mean(final)) < 1e-8 and abs(deviation - statistics.stdev(final)) < 1e-8
PYTHON
sluice eval folds/trials/0003 --quiet >out 2>err && grep -q 'images 19 ' out || fail "eval of a fold: $(cat out err)"
cmp folds/trials/0003/latest/predictions.csv folds/trials/0003/latest/eval/predictions.csv || fail "eval of a fold"
sluice eval folds/trials/0003 --probabilities --quiet >out 2>err || fail "eval of a fold: $(cat err)"
python3 - <<'PYTHON' || fail "probabilities of a fold"
import csv, struct
folder = "folds/trials/0003/latest/eval/"
values = struct.unpack("<76f", open(folder + "probabilities.npy", "rb").read()[128:])
for i, row in enumerate(csv.DictReader(open(folder + "predictions.csv"))):
    assert abs(values[4 * i + int(row["prediction"])] - float(row["probability"])) < 2e-6, row
PYTHON
cp folds/trials/0001/latest/predictions.csv fold1
sluice train $tiny optimizer.lr=0.05 data.fold=1/5 run.dir=alone --quiet >out 2>err || fail "$(cat err)"
cmp alone/latest/predictions.csv fold1 || fail "a fold alone"
sluice train $tiny data.fold=1/5 data.fold_seed=1 run.dir=alone training.epochs=1 --quiet >out 2>err
cmp -s <(cut -d, -f1 alone/latest/predictions.csv) <(cut -d, -f1 fold1) && fail "data.fold_seed"
sluice train $tiny data.fold=2/6 data.fold_stratified=true run.dir=alone training.epochs=1 --quiet >out 2>err
[ "$(tail -n +2 alone/latest/predictions.csv | cut -d, -f2 | sort | uniq -c | tr -s '\n ' ' ')" = " 4 0 4 1 4 2 4 3 " ] ||
  fail "stratified: $(cat alone/latest/predictions.csv)"

# The other spelling.
sluice train $data search_space=sgd training.batch_size=16 'run.wandb_notes={choice: ["say \"so\""]}' \
  --trials=1 --out=spelt >out 2>err || fail "train search_space=: $(cat err)"
sluice train $data training=spelt/best_training.yaml --print >out 2>err &&
  grep -qF 'wandb_notes: "say \"so\""' out || fail "a quoted value: $(cat err)"
[ "$(wc -l <spelt/search_results.csv)" = 2 ] || fail "train search_space=: $(cat out)"
grep -q 'training.batch_size' spelt/space.yaml && fail "a fixed key still varies"

# Refused.
cat >typo.yaml <<'YAML'
optimizer:
  lr: {log: [0.01, 1]}
  momentun: {uniform: [0, 1]}
YAML
bad "typo.yaml:3: optimizer.momentun: no such key; near: optimizer.momentum" \
  sluice search $data search_space=./typo.yaml
bad "optimizer.lr: expected log: \[LOW, HIGH\].*above 0" sluice search $data 'optimizer.lr={log: [0, 1]}'
bad "optimizer.momentum: expected a number from 0" sluice search $data 'optimizer.momentum={uniform: [0, 3]}'
bad "expected int: .*whole numbers" sluice search $data 'training.epochs={int: [1.5, 3]}'
bad "optimizer.name: expected one of" sluice search $data 'optimizer.name={choice: [sgd, sgdd]}'
bad "'sgd' twice" sluice search $data 'optimizer.name={choice: [sgd, sgd]}'
bad "no search_space 'nothere'; there are: adamw, sgd" sluice search $data search_space=nothere
bad "nothere.yaml: No such file" sluice search $data search_space=nothere.yaml
bad "a grid needs a third number" sluice search $data search_space=sgd --sampler=grid
bad "expected choices without '|', found 'a|b'" sluice search $data 'run.wandb_notes={choice: ["a|b", c]}'
bad "expected a line of UTF-8" sluice search $data $'run.wandb_notes={choice: ["\xe9", c]}'
bad "nothing varies" sluice search $data
bad "optimizer.lr: expected one of {log: .*found '{lg: \[0.1, 1\]}'" sluice search $data 'optimizer.lr={lg: [0.1, 1]}'
bad "command line: not YAML" sluice search $data 'optimizer.lr={log: [0.1, 1'
bad "expected a line of UTF-8 without control" sluice search $data $'optimizer.name={choice: [sgd,\nadam]}'
bad "nothing varies" sluice search $data 'optimizer={name: adam}'
bad "data.fold: expected none beside --folds, .*found '1/3'" sluice search $tiny --folds=3 data.fold=1/3
bad "data.fold: '1/97': expected PART/PARTS" sluice search $tiny --folds=97
echo "$(printf 'a%.0s' {1..64}): {seed: 1}" >long.yaml
bad "experiments: expected names of at most 63 bytes, found 'aaaa" sluice search $data experiments=long.yaml
mkdir $'latin\xe9' && (cd $'latin\xe9' && sluice search $data data.train=../train.sluice "${space[@]}" --out=here) 2>err
[ $? = 2 ] && grep -q "working folder: .*expected a line of UTF-8" err && [ ! -e $'latin\xe9'/here ] ||
  fail "a folder that study.yaml cannot name: $(cat err)"
: >empty.yaml
bad "experiments: expected lines NAME: {KEY: VALUE, ...}, found none" sluice search $data experiments=empty.yaml
refused 2 '^sluice search: --seed: a study goes on as it began' nowhere sluice search --resume=whole --seed=3
bad "expected one of a space, experiments=FILE and --folds" sluice search $data search_space=sgd --folds=3
bad "data.validation: expected a set to choose by" sluice search $tiny search_space=sgd data.test=val.sluice
bad "on-test: expected no validation set" sluice search $data search_space=sgd --on-test
bad "nothere.sluice: No such file" sluice search $data data.train=nothere.sluice search_space=sgd
bad "data.fold: '6/5': expected PART/PARTS" sluice search $tiny data.fold=6/5 search_space=sgd
bad "beside it, found 'val.sluice'" sluice search $data data.fold=1/5 search_space=sgd
refused 2 "takes no keys" nowhere sluice search --resume=whole seed=1
refused 2 "out: expected below 1024 bytes, found 1100" x \
  sluice search $data search_space=sgd --out="$(printf 'x/%.0s' {1..550})"
bad "expected recipe=NAME" sluice search
refused 3 "nowhere_else: No such file" nowhere sluice search --resume=nowhere_else
sluice search $data "${space[@]}" --out=whole >out 2>err && fail "into a study that is there"
grep -q 'there is a search in it; go on with it by --resume=whole' err || fail "$(cat err)"
sed -i 's/argument_4: .*/argument_4: "model.width=0.5"/' grid/study.yaml
refused 2 'grid: the recipe has changed since' none sluice search --resume=grid
sed -i 's/^seed: .*/seed: none/' list/study.yaml
sluice search --resume=list >out 2>err
[ $? = 5 ] && grep -q "study.yaml: seed: expected a whole number, found 'none'" err || fail "seed: $(cat err)"
sed -i 's/^argument_1: .*/argument_1:/' folds/study.yaml
refused 5 'study.yaml: argument_1: expected an argument, found none' none sluice search --resume=folds
sed -i '2s/^1,/9,/' plateau/search_results.csv
sluice search --resume=plateau >out 2>err
[ $? = 5 ] && grep -q 'search_results.csv: line 2: not a trial of this study' err || fail "damaged: $(cat err)"

# By the test set when told so, which is said.
sluice search $tiny data.test=val.sluice 'optimizer.lr={log: [0.01, 0.1]}' --trials=1 --on-test \
  --out=ontest >out 2>err && grep -q 'choosing by the test set' err || fail "--on-test: $(cat err)"
grep -q '^measured_on: test' ontest/search_results.yaml || fail "--on-test"
[ $failures = 0 ]
