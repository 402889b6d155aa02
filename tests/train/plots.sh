#!/usr/bin/env bash
# plots.sh BIN_DIR TEST_DIR -- sluice plot: columns of runs' tables in one chart, and
# what cannot be drawn.
make_set=$2/test_train_make_set
. "$(dirname "$0")/../support/script.sh"
tiny="model=cnn_small model.width=0.125 device=ref data.threads=1 training.batch_size=16"
"$make_set" train.sluice 96 16 3 4 0 1 && "$make_set" test.sluice 40 16 3 4 0 2 || exit 1
data="data.train=train.sluice data.test=test.sluice"
sluice train $tiny $data training.epochs=8 run.name=first --quiet 2>err || fail "first: $(cat err)"
first=$(readlink -f runs/latest)

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
# A row is as long as the heading, or there is no saying which number is which.
printf 'epoch,loss\n1,5\n2,4,3\n3,3\n' >runs/latest/rows.csv
refused 5 "rows.csv: line 3: expected 2 numbers, as in the first line, found 3" no.svg \
  sluice plot runs/latest --table=rows.csv --what=loss --out=no.svg
refused 2 "chart.png: charts are SVG: expected a name that ends in .svg" chart.png sluice plot runs/latest --out=chart.png
[ $failures = 0 ]
