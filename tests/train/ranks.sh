#!/usr/bin/env bash
# ranks.sh BIN_DIR TEST_DIR MPIRUN -- several processes train one network: with the
# gradients of one process and batches as large as all of theirs together; stopped and
# continued; and none waits for one that failed. MPIRUN "none": a build without MPI.
make_set=$2/test_train_make_set
mpirun=$3
. "$(dirname "$0")/../support/script.sh"
. "$(dirname "$0")/ranks_rig.sh"

"$make_set" train.sluice 100 16 3 4 0 1 && "$make_set" test.sluice 41 16 3 4 0 2 || exit 1
small="model.hidden=12 device=ref data.threads=1 seed=3 optimizer.lr=0.002
  data.train=train.sluice data.test=test.sluice run.log_every=1"

if [ "$mpirun" = none ]; then
  OMPI_COMM_WORLD_SIZE=2 sluice train model=mlp $small >out 2>err
  [ $? = 2 ] && grep -q '2 processes .* no MPI' err && [ ! -e runs ] || fail "$(cat err)"
  exit 0
fi

# One process, and two and three with a half and a third of its batches: the same steps
# but for rounding, short last batches included.
sluice train model=mlp $small training.batch_size=12 data.drop_last=false training.epochs=3 \
  run.name=one >out 2>err || fail "one: $(cat err)"
one=$(readlink -f runs/latest)
for count in 2 3; do
  ranks $count sluice train model=mlp $small training.batch_size=$((12 / count)) \
    data.drop_last=false training.epochs=3 run.name=several >out 2>err || fail "$count: $(cat err)"
  [ "$(grep -c '^epoch ' out)" = 3 ] || fail "lines of $count: $(cat out)"
  [ "$(find runs -mindepth 1 -maxdepth 1 -name '*several*' | wc -l)" = $((count - 1)) ] || fail "runs"
  grep -q "budget of [0-9]* MiB (for one of $count ranks)" runs/latest/log.txt ||
    fail "memory of $count: $(grep ' io ' runs/latest/log.txt)"
  python3 - "$one" runs/latest <<'PYTHON' || fail "$count processes train otherwise"
import csv, sys
one, several = ([row for row in csv.DictReader(open(folder + "/steps.csv"))] for folder in sys.argv[1:])
assert len(one) == len(several) == 27, (len(one), len(several))
for a, b in zip(one, several):
    assert a["step"] == b["step"] and abs(float(a["loss"]) - float(b["loss"])) <= 1e-5, (a, b)
    assert a["accuracy"] == b["accuracy"], (a, b)
PYTHON
done

# What they measured together is what one measures alone.
ranks 2 sluice train model=cnn_small model.width=0.125 model.dropout=0.2 ${small/model.hidden=12/} \
  training.batch_size=8 training.epochs=2 eval.batch_size=7 run.name=joint >out 2>err ||
  fail "joint: $(cat err)"
sluice eval runs/latest --quiet >out 2>err || fail "eval: $(cat err)"
cmp runs/latest/predictions.csv runs/latest/eval/predictions.csv || fail "measured otherwise"

# Stopped, and continued: the weights of a run that was not.
long="model=cnn_small model.width=0.125 model.dropout=0.2 ${small/model.hidden=12/}
  training.batch_size=8 training.epochs=40"
ranks 2 sluice train $long run.name=whole >out 2>err || fail "whole: $(cat err)"
whole=$(readlink -f runs/latest)
# One of the two is told to stop, once two epochs are on record.
told='sluice train "$@" & job=$!
  for ((i = 0; i < 6000; i++)); do grep -qs "^2," runs/*-parts/metrics.csv && break; sleep 0.01; done
  kill -TERM $job; wait $job'
unlike bash -c "$told" bash $long run.name=parts : sluice train $long run.name=parts >out 2>err
[ $? = 130 ] || fail "told to stop: $(cat err)"
parts=$(readlink -f runs/latest)
grep -q 'stopped at epoch' err || fail "not stopped: $(cat err)"
sluice train resume="$parts" >out 2>err && fail "continued by one"
grep -q 'expected as many processes as the run began with, 2, found 1' err || fail "$(cat err)"
ranks 2 sluice train resume="$parts" >out 2>err || fail "resume: $(cat err)"
python3 - "$whole" "$parts" <<'PYTHON' || fail "continued otherwise"
import sys
from formats import tensors
whole, parts = (tensors(run + "/checkpoints/last.safetensors") for run in sys.argv[1:])
assert whole == parts and len(whole) > 10
PYTHON

# Started by Slurm through PMIx, which says who is who, but not how many; and by what this
# MPI does not know, where each would be alone and train the same.
one_step="model=mlp $small training.batch_size=8 training.epochs=1"
ranks 2 env -u OMPI_COMM_WORLD_SIZE SLURM_STEP_NUM_TASKS=2 sluice train $one_step run.name=slurm >out 2>err &&
  grep -q 'ranks  2 processes' runs/latest/log.txt || fail "by Slurm: $(cat out err)"
PMI_SIZE=2 sluice train $one_step run.dir=nowhere >out 2>err
[ $? = 2 ] && grep -q '^sluice train: 2 processes were started .* but MPI finds one: ' err &&
  [ ! -e nowhere ] || fail "by another MPI: $(cat err)" # beside what MPI itself has to say

# What trains in one process says so.
for command in "search model=mlp" "vq train data.train=train.sluice data.test=test.sluice" \
  "eval runs/latest"; do
  ranks 2 sluice $command >out 2>err
  [ $? = 2 ] && grep -q 'expected one process, found the 2 of an mpirun' err || fail "$command: $(cat err)"
done

# One finds a damaged image: all end, with its line.
cp train.sluice bad.sluice
printf '\xff' | dd of=bad.sluice bs=1 seek=$((3 * 4096 + 17 * 768 + 5)) conv=notrunc status=none
ranks 2 sluice train model=mlp $small data.train=bad.sluice training.batch_size=8 >out 2>err
[ $? = 5 ] && grep -q 'rank [01]: .*bad.sluice: sample 17' err || fail "damaged: $(cat err)"

[ $failures = 0 ]
