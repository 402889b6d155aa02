#!/usr/bin/env bash
# programs.sh BIN_DIR TEST_DIR PYTHON_DIR -- sluice train and sluice eval as people use
# them: a run and its files, several networks, pictures, an interrupted run.
make_set=$2/test_train_make_set
here=$(realpath "$3")
. "$(dirname "$0")/../support/script.sh"
tiny="model=cnn_small model.width=0.125 device=ref data.threads=1 training.batch_size=16"

"$make_set" train.sluice 96 16 3 4 0 1 && "$make_set" test.sluice 40 16 3 4 0 2 || exit 1
data="data.train=train.sluice data.test=test.sluice"

# A run, and everything it leaves.
sluice train $tiny $data training.epochs=8 optimizer.lr=0.05 run.name=first \
  >out 2>err || fail "train: $(cat err)"
[ "$(grep -c '^epoch  [1-8]/8  loss [0-9.]*  acc *[0-9.]*%  test *[0-9.]*%  lr ' out)" = 8 ] ||
  fail "epoch lines: $(cat out)"
for f in config.yaml metrics.csv steps.csv log.txt summary.json predictions.csv per_class.csv \
  plots/loss.svg plots/accuracy.svg plots/learning_rate.svg checkpoints/last.safetensors \
  checkpoints/best.safetensors; do
  [ -s "runs/latest/$f" ] || fail "no $f"
done
[ -z "$(find runs -name '*.tmp*')" ] || fail "temporary files are left"
# YAML 1.1's numbers have a point before their exponent.
grep -q ': 1\.0e-08$' runs/latest/config.yaml || fail "config.yaml: $(grep 'e-0' runs/latest/config.yaml)"
[ "$(head -1 runs/latest/predictions.csv)" = id,label,prediction,probability ] || fail "heading"
[ "$(wc -l <runs/latest/predictions.csv)" = 41 ] || fail "predictions"
python3 - <<'PYTHON' || fail "summary.json"
import json
s = json.load(open("runs/latest/summary.json"))
assert s["test_accuracy"] > 0.9, s
assert s["model"] == "cnn_small" and s["steps"] == 48 and s["test_images"] == 40, s
assert s["run_seconds"] > s["train_seconds"] > 0, s
assert s["other_load"] is None or 0 <= s["other_load"] <= 1, s
PYTHON
python3 "$here/read_tfevents.py" runs/latest/events.out.tfevents.* >events || fail "events"
[ "$(grep -c ' test/accuracy ' events)" = 8 ] || fail "events: $(cat events)"

# The field with class names is the class, wherever it stands.
"$make_set" second.sluice 96 16 3 4 0 1 2 && sluice bench second.sluice --shuffle --batch-size=8 --json >out &&
  grep -q '"classes": 4,' out || fail "bench --shuffle: $(cat out)"
sluice train $tiny data.train=second.sluice data.test=second.sluice training.epochs=1 run.dir=others \
  >out 2>err && [ "$(cut -d, -f2 others/latest/predictions.csv | sort -u | tr '\n' ' ')" = "0 1 2 3 label " ] ||
  fail "another field than the one with names: $(cat err) $(head -2 others/latest/predictions.csv)"

# Automatic precision asks nothing of oneDNN that it may not use.
ONEDNN_MAX_CPU_ISA=AVX2 sluice train $tiny $data device=cpu --dry-run >out 2>err ||
  grep -q 'no oneDNN' err || fail "a limited oneDNN: $(cat err)"

# Its own record runs it again, to the same predictions.
first=$(readlink -f runs/latest)
sluice train recipe="$first/config.yaml" run.name=second >out 2>err || fail "again: $(cat err)"
cmp "$first/predictions.csv" runs/latest/predictions.csv || fail "the record is another run"
[ "$first" != "$(readlink -f runs/latest)" ] || fail "latest"

# Every recipe that --help lists, and every choice of every group, is one of keys that exist.
sluice train --help >help
recipes=$(sed -n '/^recipes:/,/^$/s/^  \([a-z0-9_]*\)  .*/\1/p' help)
[ "$(wc -w <<<"$recipes")" -gt 25 ] || fail "recipes: $recipes"
for recipe in $recipes; do
  sluice train recipe=$recipe --print >out 2>err && grep -q '^model:' out || fail "recipe=$recipe: $(cat err)"
done
while IFS== read -r group choices; do
  for choice in ${choices//|/ }; do
    [ $group = search_space ] || sluice train recipe=resnet9_ffcv $group=$choice --print >out 2>err ||
      fail "$group=$choice: $(cat err)"
    echo $group=$choice
  done
done < <(sed -n '/^groups:/,/^$/s/^  //p' help) >chosen
[ "$(wc -l <chosen)" -gt 25 ] && grep -q '^dataset=imagenette$' chosen || fail "groups: $(cat chosen)"

# Evaluation agrees with the run, also from a checkpoint and with views.
sluice eval "$first" >out 2>err || fail "eval: $(cat err)"
cmp "$first/predictions.csv" "$first/eval/predictions.csv" || fail "eval predicts otherwise"
grep -q '^test  loss [0-9.]*  acc [0-9.]*%  images 40  tta none' out || fail "eval: $(cat out)"
grep -q '^class  *images  *recall' out || fail "eval: no table: $(cat out)"
sluice eval "$first/checkpoints/best.safetensors" eval.tta=flip_shift --out=other --quiet \
  >out 2>err || fail "eval: $(cat err)"
[ "$(wc -l <out)" = 1 ] && [ -s other/per_class.csv ] || fail "eval --quiet: $(cat out)"

# A batch of tests takes no more memory than there are images.
sluice train $tiny $data training.steps=1 eval.batch_size=1048576 run.name=whole --quiet >out 2>err &&
  sluice eval runs/latest --quiet >out 2>err && grep -q '"planned_memory_mib": [0-9]\{1,2\}[.,]' runs/latest/summary.json ||
  fail "eval.batch_size=1048576: $(cat err; grep planned runs/latest/summary.json)"

# Probabilities of all classes: those of a row are 1 together, the largest is the prediction's.
sluice eval "$first" --probabilities --quiet >out 2>err || fail "eval --probabilities: $(cat err)"
python3 - "$first/eval" <<'PYTHON' || fail "probabilities.npy"
import csv, struct, sys
data = open(sys.argv[1] + "/probabilities.npy", "rb").read()
rows = list(csv.DictReader(open(sys.argv[1] + "/predictions.csv")))
assert b"'descr': '<f4', 'fortran_order': False, 'shape': (40, 4)" in data[:128], data[:128]
values = struct.unpack("<160f", data[128:])
for i, row in enumerate(rows):
    p = values[4 * i:4 * i + 4]
    assert abs(sum(p) - 1) < 1e-5 and min(p) >= 0, p
    assert p.index(max(p)) == int(row["prediction"]), (p, row)
    assert abs(max(p) - float(row["probability"])) < 2e-6, (p, row)
PYTHON

# Several networks: the mean of their probabilities.
sluice train $tiny $data seed=9 training.epochs=3 run.name=second --quiet >out 2>err || fail "second: $(cat err)"
second=$(readlink -f runs/latest)
sluice eval "$second" --probabilities --quiet >out 2>err &&
  sluice eval "$first" "$second" "$first" --probabilities >out 2>err || fail "eval of several: $(cat err)"
[ "$(grep -c '^network [123]  acc ' out)" = 3 ] || fail "eval of several: $(cat out)"
python3 - "$first/eval" "$second/eval" ensemble <<'PYTHON' || fail "eval of several: $(cat out)"
import csv, struct, sys
a, b, all = [struct.unpack("<160f", open(f + "/probabilities.npy", "rb").read()[128:]) for f in sys.argv[1:]]
assert max(abs((2 * x + y) / 3 - z) for x, y, z in zip(a, b, all)) < 1e-6 and a != b
rows, right = list(csv.DictReader(open("ensemble/predictions.csv"))), 0
for i, row in enumerate(rows):
    p = all[4 * i:4 * i + 4]
    assert p.index(max(p)) == int(row["prediction"]) and abs(max(p) - float(row["probability"])) < 2e-6, row
    right += row["prediction"] == row["label"]
assert f"acc {100 * right / 40:.2f}%  images 40" in open("out").read().splitlines()[-1]
PYTHON
no_eval() {
  sluice eval "${@:2}" --out=none 2>err
  [ $? = 2 ] && grep -q -- "$1" err && [ "$(wc -l <err)" = 1 ] && [ ! -e none ] || fail "eval ${*:2}: $(cat err)"
}
sluice train $tiny $data data.test_range=0-19 training.epochs=1 run.name=fewer --quiet >out 2>err || fail "$(cat err)"
no_eval "expected 40 images from 0 on, as the first network's, found 20 from 0" "$first" runs/latest --quiet
"$make_set" three.sluice 40 16 3 3 0 1
sluice train $tiny data.train=three.sluice data.test=three.sluice training.epochs=1 run.name=three --quiet >out 2>err
no_eval "expected 4 classes as the first network knows, found 3" "$first" runs/latest --quiet
sluice subset test.sluice back.sluice --range=21:40 --quiet && sluice subset test.sluice front.sluice --range=0:21 --quiet &&
  sluice merge others.sluice back.sluice front.sluice --quiet || fail "others.sluice"
sluice train $tiny data.train=train.sluice data.test=others.sluice training.epochs=1 run.name=other --quiet >out 2>err
no_eval "sample [0-9]*: not the image that the first network was asked" "$first" runs/latest --quiet

# Cropped in training, cropped in testing.
sluice train $tiny $data training.epochs=1 run.name=cropped \
  "data.augment=[translate: {pad: 2}, center_crop: {size: 12}, normalize]" >out 2>err ||
  fail "center_crop: $(cat err)"
sluice eval runs/latest --quiet >out 2>err || fail "eval of cropped images: $(cat err)"

# Pictures in folders: of one size as they are, of any size through a crop, also grey ones.
for channels in 3 1; do
  "$make_set" set.sluice 24 12 $channels 3 0 4
  rm -rf pictures && sluice export set.sluice pictures --quiet &&
    sluice write folder pictures png.sluice --quiet &&
    sluice write folder pictures jpg.sluice --mode=jpg --quiet || fail "pictures"
  for file in png jpg; do
    for crop in none "center data.size=16"; do
      sluice train $tiny data.train=$file.sluice data.test=$file.sluice training.epochs=1 \
        training.batch_size=8 data.crop=$crop run.name=pictures --quiet >out 2>err &&
        sluice eval runs/latest --quiet >out 2>err ||
        fail "$file of $channels channels, crop $crop: $(cat err)"
    done
  done
done

# Classes of other names are evaluated by number, which is told.
sluice eval runs/latest data.test=png.sluice --quiet >out 2>err && [ ! -s err ] || fail "the same names: $(cat err)"
mv pictures/0 $'pictures/z\n'
sluice write folder pictures other.sluice --quiet
sluice eval runs/latest data.test=other.sluice --quiet >out 2>err && [ "$(wc -l <err)" = 1 ] &&
  grep -q 'other.sluice: its classes are not called as in training of .*last.safetensors (class 0' err || fail "other names: $(cat err)"
sluice eval runs/latest data.test=other.sluice 2>err | grep -q '^z?  ' || fail "a class name of two lines"
# Of several networks, each that was trained with other names, or, by a set without any, with
# others than the first.
old=$(readlink -f runs/latest)
sluice train $tiny data.train=other.sluice data.test=other.sluice training.epochs=1 training.batch_size=8 data.crop=center \
  data.size=16 run.name=renamed --quiet >out 2>err || fail "other names: $(cat err)"
new=$(readlink -f runs/latest)
told() { # SET PATTERN NETWORK...
  sluice eval "${@:3}" data.test=$1 --quiet --out=named >out 2>err && [ "$(wc -l <err)" = 1 ] && grep -q "$2" err ||
    fail "eval ${*:3} on $1: $(cat err)"
}
told png.sluice "png.sluice: its classes are not called as in training of $new/.*last.safetensors" "$old" "$old" "$new"
told other.sluice "other.sluice: its classes are not called as in training of $old/" "$old" "$new"
told set.sluice "$new/.*: its classes are not called as those of $old/" "$old" "$new" "$old"

# Very many classes: what is counted is as long as classes and images, not as their square.
sluice export set.sluice many --quiet
find many -name '*.png' | sort | awk '{print $0 "," (NR - 1) * 4000}' >many.csv
sluice write folder many.csv many.sluice --mode=raw --quiet &&
  sluice train $tiny data.train=many.sluice data.test=many.sluice training.epochs=1 \
    training.batch_size=8 run.name=many --quiet >out 2>err || fail "92,001 classes: $(cat err)"
[ "$(wc -l <runs/latest/per_class.csv)" = 92002 ] || fail "92,001 classes: $(wc -l runs/latest/per_class.csv)"
sluice eval runs/latest >out 2>err && [ "$(grep -c 'taken for' out)" = 5 ] || fail "92,001 classes: $(cat out err)"

# Mixed in training, never in testing; repeated to the bit. Shares are close to 0 or 1:
# whoever took an image's own label alone would be wrong every other time.
for name in once twice; do
  sluice train $tiny $data training.epochs=8 optimizer.lr=0.05 run.name=$name \
    "data.augment=[normalize, cutmix: {p: 0.3, alpha: 0.05}, mixup: {alpha: 0.05}]" >out 2>err ||
    fail "cutmix: $(cat err)"
  cp runs/latest/metrics.csv $name.csv
done
cmp <(cut -d, -f1-7 once.csv) <(cut -d, -f1-7 twice.csv) || fail "mixed runs differ"
python3 - <<'PYTHON' || fail "mixed: $(cat once.csv)"
import csv
rows = list(csv.DictReader(open("once.csv")))
assert float(rows[-1]["test_accuracy"]) > 0.8, rows
assert sum(float(r["accuracy"]) for r in rows[-4:]) / 4 > 0.82, rows
PYTHON
sluice eval runs/latest --quiet >out 2>err || fail "eval of a mixed run: $(cat err)"
sluice bench train.sluice --augment=flip,mixup:per=sample --epochs=2 --threads=1 \
  --batch-size=16 --hash --quiet >one || fail "bench: $(cat one)"
sluice bench train.sluice --augment=flip,mixup:per=sample --epochs=2 --threads=5 \
  --batch-size=16 --hash --quiet >five
[ "$(grep -i hash one)" = "$(grep -i hash five)" ] && grep -qi hash one || fail "hash of mixes"

# Ctrl-C: the step is finished, a checkpoint written, the way to go on told.
for signal in INT TERM HUP; do
  sluice train $tiny $data training.epochs=100000 run.name=$signal run.log_every=1 >out 2>err &
  pid=$!
  for _ in $(seq 600); do
    [ -s runs/latest/steps.csv ] && readlink runs/latest | grep -q "$signal" &&
      [ "$(wc -l <runs/latest/steps.csv)" -gt 3 ] && break
    sleep 0.1
  done
  # A background job of a script ignores SIGINT, so it is the program's own handler that
  # is tried here.
  kill -$signal $pid
  [ $signal = HUP ] && kill -HUP $pid # the shell passes on what the kernel told as well
  wait $pid
  status=$?
  [ $status = 130 ] || fail "$signal: exit status $status: $(cat err)"
  tail -1 err | grep -q 'continue with: sluice train resume=runs/' || fail "$signal: $(cat err)"
  [ -s runs/latest/checkpoints/last.safetensors ] || fail "$signal: no checkpoint"
done

# One process at a time in a run.
before=$(cat runs/latest/log.txt)
timeout 20 flock runs/latest/log.txt sluice train resume=runs/latest >out 2>err
[ $? = 2 ] && grep -q 'runs/latest: another process is training in this run' err ||
  fail "a locked run: $(cat err)"
[ "$before" = "$(cat runs/latest/log.txt)" ] || fail "a locked run: its log is longer"

# Whatever a run began with, its record is read again: by eval, and to go on.
taken() { # RUN: what follows is the command that made it
  "${@:2}" --quiet >out 2>err && sluice eval "$1" --quiet >out 2>>err && sluice train resume="$1" --quiet >out 2>>err ||
    fail "$1: $(cat err)"
}
mkdir $'latin\xe9' && cp train.sluice test.sluice $'latin\xe9' &&
  (cd $'latin\xe9' && taken runs/latest sluice train $tiny $data training.epochs=1 && [ $failures = 0 ]) ||
  fail "a folder that YAML cannot name"
name=$(printf 'a%.0s' {1..62})é # its 63 bytes would end within the letter
printf 'model: {name: cnn_small, width: 0.125}\n' >"$name.yaml"
taken runs/latest sluice train recipe="$name.yaml" device=ref data.threads=1 training.batch_size=16 $data training.epochs=1
readlink runs/latest | grep -q -- '-a*$' || fail "$(readlink runs/latest)"
mkdir grey && python3 - <<'PYTHON' || fail "idx files"
for split, n in (("train", 40), ("t10k", 20)):
    with open(f"grey/{split}-images-idx3-ubyte", "wb") as f:
        f.write(bytes([0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes([7]) * (n * 784))
    with open(f"grey/{split}-labels-idx1-ubyte", "wb") as f:
        f.write(bytes([0, 0, 8, 1, 0, 0, 0, n]) + bytes(i % 10 for i in range(n)))
PYTHON
sluice write mnist grey grey.sluice --quiet 2>err || fail "$(cat err)"
taken runs/latest sluice train $tiny data.train=grey.sluice data.test=grey.sluice training.epochs=1 data.augment=[flip]
cp "$name.yaml" $'caf\xe9.yaml'
before=$(ls runs)
refused 2 "a run that could not be continued, .*config.yaml.*UTF-8" nowhere \
  sluice train recipe=$'caf\xe9.yaml' device=ref data.threads=1 training.batch_size=16 $data training.epochs=1
[ "$(ls runs)" = "$before" ] || fail "a run without a record is left"

sluice train --help | grep -q '  mnist_cnn ' || fail "--help does not list mnist_cnn"
sluice train --help | grep -q 'the options of se_resnet, but with se_reduction 0, drop 0.2$' ||
  fail "--help does not compare stochastic_depth"
sluice train --help | grep -q '^  init.weights=default|.*|orthogonal|uniform$' || fail "choices"
sluice train --help | grep -q 'optimizer.lr' || fail "--help does not list optimizer.lr"
[ $failures = 0 ]
