#!/usr/bin/env bash
# ranks_cuda.sh BIN_DIR TEST_DIR MPIRUN NCCL -- several processes on device cuda, each
# with a GPU that is the CPU, and NCCL in whose place is the library NCCL: they train as
# those of device ref do, whether they sum by it or by MPI; what they measured together
# one measures alone; stopped and continued, they end where they would have; and none
# waits for one that failed. NCCL "gpu": the same on GPUs, as far as it can be, if there
# are two.
make_set=$2/test_train_make_set
trainer=$2/test_train_on_host
mpirun=$3 nccl=$4
counts="2 3" ways="nccl mpi" tolerance=2e-3
. "$(dirname "$0")/../support/script.sh"
. "$(dirname "$0")/ranks_rig.sh"
# by WAY: from now on processes sum by nccl, or by mpi, as there is no NCCL.
by() {
  if [ "$1" = nccl ]; then export GPU_ON_HOST_NCCL=$nccl; else unset GPU_ON_HOST_NCCL; fi
}
# alike A B TOLERANCE: steps, tests and final weights of two runs.
alike() {
  python3 - "$@" <<'PYTHON'
import csv, json, struct, sys
def rows(folder, name):
    return [{k: float(v or "nan") for k, v in row.items()} for row in csv.DictReader(open(folder + "/" + name))]
def tensors(folder):
    data = open(folder + "/checkpoints/last.safetensors", "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + size])
    return {k: data[8 + size + v["data_offsets"][0]:8 + size + v["data_offsets"][1]]
            for k, v in head.items() if k != "__metadata__"}
a, b, tolerance = sys.argv[1], sys.argv[2], float(sys.argv[3])
for name, columns in (("steps.csv", ("loss", "accuracy")), ("metrics.csv", ("loss", "test_loss"))):
    x, y = rows(a, name), rows(b, name)
    assert len(x) == len(y) > 2, (name, len(x), len(y))
    for one, other in zip(x, y):
        for c in columns:
            assert abs(one[c] - other[c]) <= tolerance, (name, one, other)
x, y = tensors(a), tensors(b)
weights = [k for k in x if k in y and k.endswith((".weight", ".bias", ".running_mean"))]
assert len(weights) > 10, weights
if tolerance == 0:
    assert x == y
for k in weights:
    u, v = (struct.unpack("<%df" % (len(t[k]) // 4), t[k]) for t in (x, y))
    assert all(abs(p - q) <= tolerance for p, q in zip(u, v)), k
PYTHON
}
folder() { readlink -f runs/latest; }

"$make_set" train.sluice 100 16 3 4 0 1 && "$make_set" test.sluice 41 16 3 4 0 2 || exit 1
shared="data.threads=1 seed=3 data.train=train.sluice data.test=test.sluice run.log_every=1
  precision=f32"
net="model=cnn_small model.width=0.125 model.dropout=0.2 optimizer.lr=0.002"
mixed="data.augment=[flip, translate: {pad: 1}, normalize, cutmix: {p: 0.5}, mixup: {per: sample, p: 0.8}]"

few="$shared $net training.batch_size=8 training.epochs=1"
if [ "$nccl" = gpu ]; then
  counts=2 ways=nccl tolerance=2e-2 trainer=$work/trainer
  printf '#!/bin/sh\n[ "$1" = eval ] || set -- train "$@"\nexec sluice "$@"\n' >trainer
  chmod +x trainer
  if ! ranks 2 ./trainer $few device=cuda >out 2>err && grep -qE 'no GPU|no CUDA|has no|on one' err; then
    grep -E -m 1 'no GPU|no CUDA|has no|on one' err
    exit 77
  fi
fi

# Dropout, batch norm, mixing and short last batches: as the processes of device ref.
for count in $counts; do
  words="$shared $net training.batch_size=$((12 / count)) data.drop_last=false training.epochs=3
    eval.tta=flip"
  ranks $count sluice train $words "$mixed" device=ref run.name=ref >out 2>err || fail "ref: $(cat err)"
  ref=$(folder)
  grep -q 'ranks .* sums by MPI' err || fail "ref says: $(cat err)"
  by nccl
  ranks $count "$trainer" $words "$mixed" device=cuda run.name=nccl >out 2>err || fail "nccl: $(cat err)"
  grep -q "ranks  $count processes.*sums by NCCL 2.*, in the step's graph" err || fail "$(cat err)"
  by_nccl=$(folder)
  alike "$ref" "$by_nccl" $tolerance || fail "$count processes on cuda train otherwise"
  [ "$ways" != nccl ] || continue
  by mpi
  ranks $count "$trainer" $words "$mixed" device=cuda run.name=mpi >out 2>err || fail "mpi: $(cat err)"
  grep -q "sums by MPI through the host's memory: NCCL: none" err || fail "$(cat err)"
  alike "$by_nccl" "$(folder)" 1e-6 || fail "$count processes sum otherwise by MPI"
done

# Of the last 11 images one process has a whole batch, as in other steps, the other has not:
# its graphs belong to those of the other (the library that is NCCL looks).
by nccl
uneven="$shared $net data.train_range=0-22 training.batch_size=6 data.drop_last=false training.epochs=4"
ranks 2 sluice train $uneven device=ref run.name=uneven-ref >out 2>err || fail "uneven, ref: $(cat err)"
uneven_ref=$(folder)
ranks 2 "$trainer" $uneven device=cuda run.name=uneven >out 2>err || fail "uneven: $(cat err)"
alike "$uneven_ref" "$(folder)" $tolerance || fail "uneven: they train otherwise"

# Weights and the decision to leave out steps that overflow are the same in all: what they
# measured together is what one measures alone, to the last bit.
for precision in f16 bf16 tf32; do
  for way in $ways; do
    [ "$nccl" != gpu ] || continue # another batch size, other algorithms
    by $way
    ranks 2 "$trainer" $shared $net precision=$precision training.batch_size=8 training.epochs=3 \
      eval.batch_size=7 device=cuda run.name=$precision >out 2>err || fail "$precision: $(cat err)"
    "$trainer" eval runs/latest --quiet >out 2>err || fail "eval: $(cat err)"
    cmp runs/latest/predictions.csv runs/latest/eval/predictions.csv ||
      fail "$precision by $way: measured otherwise"
  done
done

# Stopped, and continued: the weights of a run that was not.
by nccl
long="$shared $net device=cuda precision=f16 training.batch_size=8 training.epochs=40"
ranks 2 "$trainer" $long run.name=whole >out 2>err || fail "whole: $(cat err)"
whole=$(folder)
# One of the two is told to stop, once two epochs are on record.
told='"$@" & job=$!
  for ((i = 0; i < 6000; i++)); do grep -qs "^2," runs/*-parts/metrics.csv && break; sleep 0.01; done
  kill -$signal $job; wait $job'
signal=TERM unlike bash -c "$told" bash "$trainer" $long run.name=parts : \
  "$trainer" $long run.name=parts >out 2>err
[ $? = 130 ] || fail "told to stop: $(cat err)"
parts=$(folder)
grep -q 'stopped at epoch' err || fail "not stopped: $(cat err)"
ranks 2 "$trainer" resume="$parts" >out 2>err || fail "resume: $(cat err)"
alike "$whole" "$parts" 0 || fail "continued otherwise"

# One is killed, or loses the others: all end.
signal=KILL unlike bash -c "$told" bash "$trainer" $long run.name=killed-parts : \
  "$trainer" $long run.name=killed-parts >out 2>err
case $? in 0 | 124) fail "one was killed: $(cat err)" ;; esac
if [ "$nccl" != gpu ]; then
  FAKE_NCCL_BREAK="1 9" ranks 2 "$trainer" $long run.name=lost >out 2>err
  [ $? = 3 ] || fail "one lost the other: $(cat err)"
  grep -q '^rank 1: NCCL: sums over all processes: remote process exited: the peer is gone$' err ||
    fail "one lost the other: $(cat err)"
fi

# refuses PATTERN COMMAND...: all end with one line that says it, and nothing is left.
refuses() {
  local pattern=$1 before
  shift
  before=$(ls runs)
  "$@" >out 2>err
  case $? in 0 | 124) fail "$*: $(cat err)" ;; esac
  [ "$(grep -c '^rank ' err)" = 1 ] && grep -q "^rank 0: $pattern" err || fail "$*: $(cat err)"
  [ "$before" = "$(ls runs)" ] || fail "$*: left a run"
}
for way in $ways; do
  by $way
  CUDA_VISIBLE_DEVICES=0 GPU_ON_HOST_COUNT=1 refuses 'several processes: .* ranks 0 and 1 on one' \
    ranks 2 "$trainer" $few device=cuda
done
refuses 'several processes: expected a GPU for each, found 1 for 2 (here ref' \
  unlike "$trainer" $few device=ref : "$trainer" $few device=cuda

# All found the same, and one of them at least says so.
ranks 2 "$trainer" $few device=cuda optimizer.name=sgd optimizer.lr=1e6 optimizer.weight_decay=10 training.epochs=5 >out 2>err
[ $? = 2 ] && grep -q 'rank [01]: epoch .*the loss is .*diverged' err || fail "diverged: $(cat err)"

[ $failures = 0 ]
