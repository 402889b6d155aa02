#!/usr/bin/env bash
# programs.sh BIN_DIR TEST_DIR PYTHON_DIR -- sluice train and sluice eval as people use
# them: a run and its files, an interrupted one, and bad input: one clear line, a
# non-zero exit status, nothing half-written.
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

# Several runs in one chart: a line each, through all of its epochs.
sluice train recipe="$first/config.yaml" training.epochs=3 run.log_every=6 run.name="a <third>" >out 2>err ||
  fail "third: $(cat err)"
sluice plot "$first" runs/latest --what=loss,test_accuracy --out=chart.svg 2>err || fail "plot: $(cat err)"
python3 - <<'PYTHON' || fail "chart.svg"
import xml.etree.ElementTree as e
svg = "{http://www.w3.org/2000/svg}"
root = e.parse("chart.svg").getroot()
points = [len(p.get("d").split()) // 2 for p in root.iter(svg + "path") if p.get("stroke-width") == "2"]
assert points == [8, 3, 8, 3], points
names = [t.text for t in root.iter(svg + "text")]
for name in "first: loss", "a <third>: loss", "first: test_accuracy", "epoch":
    assert name in names, names
PYTHON
sluice plot runs/latest --labels=only --table=steps.csv --what=lr --out=steps.svg &&
  grep -q '>only<' steps.svg || fail "plot of steps"
# A row that does not say which epoch it is of has no place.
printf 'epoch,loss\n1,5\n2,4\n3,3\n,9\n' >runs/latest/rows.csv
sluice plot runs/latest --what=loss --table=rows.csv --out=rows.svg &&
  grep -q ' d="M72.0 52.0 L384.0 218.0 L696.0 384.0 "' rows.svg || fail "plot: $(grep -o ' d="M.*' rows.svg)"
bad_plot() {
  sluice plot "${@:2}" --out=no.svg 2>err
  [ $? = 2 ] && grep -q -- "$1" err && [ ! -e no.svg ] || fail "plot ${*:2}: $(cat err)"
}
bad_plot "no column 'lose'; the first are epoch, step, loss" runs/latest --what=lose
mkdir begun && cp runs/latest/config.yaml begun && head -1 runs/latest/metrics.csv >begun/metrics.csv
bad_plot "begun: no rows yet: nothing to draw" begun
bad_plot "expected 1 to 6 lines, found 4 columns of 2 runs" runs/latest "$first" --what=loss,lr,lr,lr
bad_plot "expected 1 to 6 lines, found 0 columns" runs/latest --what=
bad_plot "expected 1 names, found 2" runs/latest --labels=a,b
# Of a table with several rows a step, those of one parameter, of each run its own.
mkdir -p thin thick && touch thin/config.yaml thick/config.yaml
printf 'step,parameter,median,norm\n5,fc1.weight,7,1\n5,fc2.weight,0.25,1\n10,fc2.weight,0.5,1\n10,all,,3\n' >thin/gradients.csv
printf 'step,parameter,median,norm\n5,fc1.weight,7,1\n5,fc4.weight,0.5,1\n10,fc4.weight,0.75,1\n15,fc4.weight,1,1\n' \
  >thick/gradients.csv
mkdir repeated && touch repeated/config.yaml
printf 'epoch,loss\n1,5\n2,4\n3,3\n2,4\n2,4\n' >repeated/rows.csv
gradients="--table=gradients.csv --what=median"
sluice plot thin thick $gradients --only=parameter=fc2.weight,parameter=fc4.weight --out=medians.svg 2>err ||
  fail "plot --only: $(cat err)"
python3 - <<'PYTHON' || fail "plot --only: $(cat medians.svg)"
import xml.etree.ElementTree as E
lines = [p.get("d").split() for p in E.parse("medians.svg").iter("{http://www.w3.org/2000/svg}path")
         if p.get("stroke-width") == "2"]
assert [len(d) // 2 for d in lines] == [2, 3], lines
# 0.5 is the end of the first and the beginning of the second.
assert lines[0][3].split(",")[-1] == lines[1][1].split(",")[-1], lines
PYTHON
bad_plot "thin/gradients.csv: expected one row of step 5, found 2; say --only=parameter=NAME" thin $gradients
bad_plot "rows.csv: expected one row of epoch 2, found 3; say --only=COLUMN=TEXT" repeated --table=rows.csv --what=loss
bad_plot "gradients.csv: no row has parameter=fc9" thin $gradients --only=parameter=fc9
bad_plot "expected COLUMN=TEXT with one of its columns, found 'params=all'" thin $gradients --only=params=all
bad_plot "expected COLUMN=TEXT with one of its columns, found 'fc2.weight'" thin $gradients --only=fc2.weight
bad_plot "only: expected one for all runs or 2, found 3" thin thick $gradients --only=a=b,c=d,e=f
bad_plot "nothere: no run: config.yaml: No such file" nothere
refused 3 "nothere.csv: No such file" no.svg sluice plot runs/latest --table=nothere.csv --out=no.svg
refused 2 "chart.png: charts are SVG: expected a name that ends in .svg" chart.png sluice plot runs/latest --out=chart.png

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
  grep -q 'other.sluice: its classes are not called as in training' err || fail "other names: $(cat err)"
sluice eval runs/latest data.test=other.sluice 2>err | grep -q '^z?  ' || fail "a class name of two lines"

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

# Bad input.
mv "$first" first
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
"$make_set" more.sluice 40 16 3 5 0 3 1
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

sluice train --help | grep -q '  mnist_cnn ' || fail "--help does not list mnist_cnn"
sluice train --help | grep -q 'the options of se_resnet, but with se_reduction 0, drop 0.2$' ||
  fail "--help does not compare stochastic_depth"
sluice train --help | grep -q '^  init.weights=default|.*|orthogonal|uniform$' || fail "choices"
sluice train --help | grep -q 'optimizer.lr' || fail "--help does not list optimizer.lr"
[ $failures = 0 ]
