#!/usr/bin/env bash
# vq.sh BIN_DIR TEST_DIR -- sluice vq as people use it: a run and its files, one that was
# interrupted, samples that sluice eval takes, encoding, and bad input: one clear line, a
# non-zero exit status, nothing half-written.
make_set=$2/test_train_make_set
. "$(dirname "$0")/../support/script.sh"

# bad STATUS PATTERN COMMAND...: refused with one line that says PATTERN; no run is left.
bad() {
  rm -rf bad_runs
  refused "$1" "$2" bad_runs "${@:3}" --quiet
}

# tensors FILE: how many there are, and a checksum of their bytes.
tensors() {
  python3 - "$1" <<'PYTHON'
import hashlib, sys
from formats import safetensors
_, header, data = safetensors(sys.argv[1])
header.pop("__metadata__")
print(len(header), hashlib.sha256(data).hexdigest())
PYTHON
}

"$make_set" train.sluice 60 28 1 9 0 1 && "$make_set" test.sluice 40 28 1 9 0 2 &&
  "$make_set" small.sluice 8 12 1 4 0 1 && "$make_set" many.sluice 30 28 1 9 5 1 || exit 1
data="data.train=train.sluice data.test=test.sluice"
tiny="stages=3 options=3 hidden=8 meta.batch=2 batch_size=16 eval_ensemble=3 log_every=2"
last=checkpoints/last.safetensors

# A run, and everything it leaves.
sluice vq train $data $tiny steps=6 run.dir=a >out 2>err || fail "train: $(cat err)"
grep -q '^memory .* MB' err || fail "no word about memory: $(cat err)"
[ "$(grep -c '^step: [0245]: train=[0-9.]* test=[0-9.]* train_inner=[0-9.]* test_inner=' out)" = 4 ] ||
  fail "lines of steps: $(cat out)"
[ "$(grep -c '^Evaluation accuracy (\(train\|test\)): [0-9.]*% (single [0-9.]*%)' out)" = 2 ] ||
  fail "evaluation: $(cat out)"
[ "$(grep -c '^Output variance: 0\.[0-9]*' out)" = 2 ] || fail "variance: $(cat out)"
[ "$(head -1 a/latest/metrics.csv)" = step,train,test,train_inner,test_inner,seconds ] &&
  [ "$(wc -l <a/latest/metrics.csv)" = 5 ] || fail "metrics.csv: $(cat a/latest/metrics.csv)"
[ "$(wc -l <a/latest/evaluations.csv)" = 2 ] || fail "evaluations.csv"
[ -z "$(find a -name '*.tmp*')" ] || fail "temporary files are left"
want=$(tensors a/latest/$last)
[ "${want%% *}" = 39 ] || fail "tensors of a checkpoint: $want"

# Stopped after three steps and continued: the same bits, the same table.
sluice vq train $data $tiny steps=3 run.dir=b >out 2>err || fail "b: $(cat err)"
sluice vq train resume=b/latest steps=6 >out 2>err || fail "resume: $(cat err)"
[ "$(tensors b/latest/$last)" = "$want" ] || fail "continued to other bits"
cut -d, -f1-2 a/latest/metrics.csv | grep -v '^2,' >x
cut -d, -f1-2 b/latest/metrics.csv | grep -v '^2,' >y
cmp x y || fail "metrics.csv: $(cat b/latest/metrics.csv)"

# Interrupted while it runs; what earlier runs said is no sign of it.
: >out
sluice vq train $data $tiny steps=100000 log_every=1 run.dir=c >out 2>err &
pid=$!
for _ in $(seq 300); do [ "$(grep -c step out)" -ge 2 ] && break; sleep 0.1; done
timeout 60 sluice vq train resume=c/latest --quiet >second 2>&1 && fail "two processes in one run"
grep -q 'latest: another process is training in this run$' second || fail "second: $(cat second)"
kill -INT $pid
wait $pid
[ $? = 130 ] || fail "interrupted: $(cat err)"
grep -q 'continue with: sluice vq train resume=c/' err || fail "interrupted: $(cat err)"
steps=$(($(grep -c '^step' out) + 2))
sluice vq train resume=c/latest steps=$steps >out 2>err || fail "continued: $(cat err)"
sluice vq train $data $tiny steps=$steps log_every=1 run.dir=d >out 2>err || fail "d"
[ "$(tensors c/latest/$last)" = "$(tensors d/latest/$last)" ] ||
  fail "interrupted, then continued to other bits"

# Killed before its first checkpoint: from the beginning, to the same bits.
mkdir e0 && cp a/latest/config.yaml e0 && mkdir e0/checkpoints && echo 'torn,' >e0/metrics.csv
sluice vq train resume=e0 >out 2>err || fail "no checkpoint yet: $(cat err)"
[ "$(tensors e0/$last)" = "$want" ] || fail "another beginning"
[ "$(wc -l <e0/metrics.csv)" = 5 ] || fail "metrics.csv: $(cat e0/metrics.csv)"
rm e0/$last && bad 3 'e0/checkpoints/last.safetensors: No such file' sluice vq eval e0

# Threads change nothing where the classifier is the reference.
for threads in 1 3; do
  sluice vq train $data $tiny steps=2 device=ref threads=$threads run.dir=t$threads \
    >out 2>err || fail "$threads threads: $(cat err)"
done
[ "$(tensors t1/latest/$last)" = "$(tensors t3/latest/$last)" ] || fail "threads count"

# The other kinds of runs.
sluice vq train $data $tiny bias_only=true steps=2 run.dir=e >out 2>err || fail "e: $(cat err)"
[ "$(tensors e/latest/$last | cut -d' ' -f1)" = 6 ] || fail "bias_only: tensors"
sluice vq train $data $tiny depth=4 data.limit=20 inner.steps=2 inner.optimizer=adam \
  steps=2 run.dir=f >out 2>err || fail "f: $(cat err)"
grep -q 'train.sluice: 20 images' err || fail "data.limit: $(cat err)"
sluice vq train $data $tiny steps=6 products=bf16 run.dir=h >out 2>err || fail "h: $(cat err)"
grep -q '^products: bf16$' h/latest/config.yaml || fail "products: $(cat h/latest/config.yaml)"
[ "$(tensors h/latest/$last)" != "$want" ] || fail "products=bf16 is not rougher"

# What was trained, used: a run or its checkpoint; its own evaluation comes again.
sluice vq eval a >out 2>err || fail "eval: $(cat err)"
sluice vq eval a/latest/$last >again 2>err || fail "eval: $(cat err)"
cmp out again || fail "eval of a checkpoint"
grep -F "$(head -1 out)" a/latest/log.txt >/dev/null || fail "eval is not the run's: $(cat out)"
sluice vq sample a some --count=20 >out 2>err || fail "sample: $(cat err)"
sluice vq sample a one --count=1 --first=17 >out 2>err || fail "sample: $(cat err)"
[ "$(ls some | wc -l)" = 20 ] || fail "samples: $(ls some)"
cmp some/0017.safetensors one/0017.safetensors || fail "sample 17 depends on the others"
cmp -s some/0016.safetensors some/0017.safetensors && fail "two samples are one"
sluice eval some/0003.safetensors data.test=test.sluice --out=e1 >out 2>err ||
  fail "eval of a sample: $(cat err)"
accuracy=$(sed -n 's/^test .* acc \([0-9.]*%\).*/\1/p' out)
sluice vq encode a some/0003.safetensors --out=found.safetensors >out 2>err ||
  fail "encode: $(cat err)"
grep -q "^latent [0-2][0-2][0-2]$" out || fail "encode: $(cat out)"
grep -q "^mean squared error 0.000000  accuracy $accuracy, of the given weights $accuracy$" out ||
  fail "encode: $(cat out), expected $accuracy"
sluice eval found.safetensors data.test=test.sluice --out=e2 >out 2>err ||
  fail "eval of what was encoded: $(cat err)"
grep -q "acc $accuracy" out || fail "encoded: $(cat out)"

# Refused.
run="run.dir=bad_runs"
bad 2 'train, eval, sample, encode' sluice vq draw
bad 2 'expected: sluice vq sample' sluice vq sample a
bad 2 'data.test: no file named; say' sluice vq train
bad 2 'data.test: no file named' sluice vq train data.train=train.sluice $run
bad 2 "stage: no such key; near: stages" sluice vq train $data stage=3 $run
bad 2 "command line: nothing: no such key$" sluice vq train $data nothing=3 $run
bad 2 "steps: expected a whole number from 1 to" sluice vq train $data steps=0 $run
bad 2 "stages: expected a whole number from 1 to 4096, found '0'" sluice vq train $data stages=0 $run
bad 2 "hidden: expected a whole number.*found '8.5'" sluice vq train $data hidden=8.5 $run
bad 2 "meta.lr: expected a number.*found 'nan'" sluice vq train $data meta.lr=nan $run
bad 2 "bias_only: expected true or false, found 'maybe'" sluice vq train $data bias_only=maybe $run
bad 2 "expected KEY=VALUE, found 'stages'" sluice vq train $data stages $run
bad 2 'expected images of 28x28x1, found 12x12x1' sluice vq train data.train=small.sluice data.test=test.sluice $run
bad 2 'expected a label from 0 to 9' sluice vq train data.train=many.sluice data.test=test.sluice $run
bad 3 'needs .* MB of memory, .* MB are free' sluice vq train $data stages=4000 options=200 $run
bad 2 "products: expected.*found 'f16'" sluice vq train $data products=f16 $run
bad 2 'steps: expected at least the 6 that the run has done, found 5' sluice vq train resume=a/latest steps=5
grep -q '^steps: 6$' a/latest/config.yaml || fail "steps: $(grep steps a/latest/config.yaml)"
mkdir elsewhere && (cd elsewhere && sluice vq eval ../a/latest) >out 2>err || fail "from another folder: $(cat err)"
bad 2 'products: cannot change' sluice vq train resume=a/latest products=bf16
bad 2 'hidden: cannot change' sluice vq train resume=a/latest hidden=9
bad 2 "expected a checkpoint of sluice vq train, found one of model 'mnist_cnn'" sluice vq eval some/0000.safetensors
bad 2 'config.yaml: names no model: expected a run of sluice train' sluice eval a
bad 2 'config.yaml: names no model: expected a run of sluice train' sluice train resume=a
bad 3 'No such file' sluice vq eval nothing
bad 2 "first: expected at most 4294967294 before 2 classifiers, found 4294967295" \
  sluice vq sample a none --count=2 --first=4294967295
[ ! -e none ] || fail "samples: $(ls none)"
head -c 100000 a/latest/$last >cut.safetensors
bad 5 'cut.safetensors' sluice vq eval cut.safetensors
python3 -c "
b = bytearray(open('a/latest/$last', 'rb').read()); b[-5] ^= 1
open('flipped.safetensors', 'wb').write(b)"
bad 5 'flipped.safetensors: checksum' sluice vq eval flipped.safetensors
expected="expected a checkpoint of model mnist_cnn: 8 tensors, conv1.weight to fc2.bias; "
bad 5 "$expected.*bytes, expected at most" sluice vq encode a a/latest/$last
sluice train model=mlp model.hidden=8 $data device=ref data.threads=1 training.steps=1 training.batch_size=16 \
  run.name=mlp --quiet >out 2>err || fail "mlp: $(cat err)"
bad 2 "$expected.*has no tensor 'conv1.weight'" sluice vq encode a runs/latest/$last
cp -r a/latest/ torn && cp cut.safetensors torn/$last
bad 5 'last.safetensors' sluice vq train resume=torn
# It diverges: said so, and the run's last checkpoint is not overwritten.
bad 2 'diverged' sluice vq train --quiet $data $tiny meta.lr=1e6 inner.lr=1e6 steps=50 log_every=50 run.dir=g
[ $failures = 0 ]
