#!/usr/bin/env bash
# wandb.sh BIN_DIR TEST_DIR PYTHON_DIR -- runs that are recorded for Weights & Biases,
# also interrupted ones, by a reader of its own (read_wandb.py).
make_set=$2/test_train_make_set
reader=$(realpath "$3")/read_wandb.py
. "$(dirname "$0")/../support/script.sh"
"$make_set" train.sluice 96 16 3 4 0 1 && "$make_set" test.sluice 40 16 3 4 0 2 || exit 1
tiny="model=cnn_small model.width=0.125 device=ref data.threads=1 training.batch_size=16
  data.train=train.sluice data.test=test.sluice run.log_every=4 optimizer.lr=0.05"

# Every epoch of metrics.csv, every step of steps.csv, the configuration, the end.
sluice train $tiny training.epochs=3 run.name=whole run.wandb=true run.wandb_project=stacked run.gradients_every=5 \
  run.wandb_tags=baseline,short run.wandb_notes='a "quoted" note' >out 2>err || fail "$(cat err)"
python3 "$reader" runs/latest/wandb/offline-run-*/run-*.wandb >records 2>err || fail "$(cat err)"
python3 - <<'PYTHON' || fail "records: $(cat records)"
import csv, json, math, os
lines = [line.rstrip("\n") for line in open("records")]
assert lines[0] == "header sluice" and lines[-1] == "exit 0"
for line in ("run project stacked", "run tag baseline", "run tag short",
             'run notes a "quoted" note', "run name " + os.readlink("runs/latest")):
    assert line in lines, line
config = {k: json.loads(v) for k, v in (line.split(" ", 2)[1:] for line in lines if line.startswith("config "))}
assert config == json.load(open("runs/latest/config.json")), config
seen = {}
for line in lines:
    if line.startswith("history "):
        _, step, key, value = line.split(" ")
        assert (int(step), key) not in seen, line
        seen[int(step), key] = float(value)
count = 0
def expect(step, key, text):
    global count
    count += 1
    assert math.isclose(seen[int(step), key], float(text), rel_tol=1e-5), (step, key, text)
for row in csv.DictReader(open("runs/latest/metrics.csv")):
    for key, column in {"epoch": "epoch", "train/loss": "loss", "train/accuracy": "accuracy",
                        "test/loss": "test_loss", "test/accuracy": "test_accuracy",
                        "learning_rate": "lr", "momentum": "momentum", "seconds": "seconds",
                        "wait": "wait", "memory_mib": "memory_mib",
                        "images_per_second": "images_per_second"}.items():
        expect(row["step"], key, row[column])
for row in csv.DictReader(open("runs/latest/steps.csv")):
    expect(row["step"], "step/loss", row["loss"])
    expect(row["step"], "step/learning_rate", row["lr"])
for row in csv.DictReader(open("runs/latest/gradients.csv")):
    expect(row["step"], "gradients/norm/" + row["parameter"], row["norm"])
    if row["parameter"] != "all":
        expect(row["step"], "gradients/median/" + row["parameter"], row["median"])
gradients = len([key for _, key in seen if key.startswith("gradients/")])
assert gradients > 3 * 2 * 4 and count == len(seen) == 3 * 11 + 4 * 2 + gradients, (count, len(seen))
steps = [step for step, key in seen]
assert steps == sorted(steps), "steps decrease"
PYTHON
python3 - <<'PYTHON' || fail "files"
import glob, json
s = json.load(open(glob.glob("runs/latest/wandb/*/files/wandb-summary.json")[0]))
t = json.load(open("runs/latest/summary.json"))
assert abs(s["test/accuracy"] - t["test_accuracy"]) < 1e-8 and s["epoch"] == 3, s
PYTHON
grep -q '^optimizer:$' runs/latest/wandb/*/files/config.yaml || fail "files/config.yaml"

# Nothing is left to do: the record and its summary stay what they are.
cp runs/latest/wandb/*/files/wandb-summary.json summary
sluice train resume=runs/latest >out 2>err || fail "$(cat err)"
python3 - <<'PYTHON' || fail "summary of a finished run: $(cat runs/latest/wandb/*/files/wandb-summary.json)"
import glob, json
was, now = json.load(open("summary")), json.load(open(glob.glob("runs/latest/wandb/*/files/wandb-summary.json")[0]))
assert was == now and now["_step"] == 18 and len(now) > 30, now
PYTHON
python3 "$reader" runs/latest/wandb/offline-run-*/run-*.wandb | grep ^history | cmp - <(grep ^history records) ||
  fail "history of a finished run"

# A teacher's part.
sluice train $tiny training.epochs=2 run.name=student run.wandb=true distill.teacher=runs/latest >out 2>err ||
  fail "$(cat err)"
python3 "$reader" runs/latest/wandb/offline-run-*/run-*.wandb >records 2>err || fail "$(cat err)"
python3 - <<'PYTHON' || fail "distillation: $(grep distill records)"
import csv, math
seen = {tuple(line.split()[1:3]): float(line.split()[3]) for line in open("records") if line.startswith("history ")}
rows = list(csv.DictReader(open("runs/latest/distill.csv")))
assert len(rows) == 2
for row in rows:
    for key in ("student_loss", "distill_loss", "alpha", "temperature"):
        assert math.isclose(seen[row["step"], "distill/" + key], float(row[key]), rel_tol=1e-5), (row, key)
PYTHON

# Interrupted and continued: nothing twice, nothing missing. Values of one step have no order.
steps() { python3 "$reader" $1/wandb/offline-run-*/run-*.wandb | grep "^history [0-9]* step/loss\|^exit\|^history [0-9]* epoch"; }
sluice train $tiny training.epochs=60 run.name=one run.wandb=true >out 2>err || fail "$(cat err)"
steps runs/latest | sort >whole
sluice train $tiny training.epochs=60 run.name=two run.wandb=true run.checkpoint_every_seconds=0.1 >out 2>err &
pid=$!
for signal in TERM KILL; do
  for _ in $(seq 400); do
    [ -s runs/latest/checkpoints/last.safetensors ] && readlink runs/latest | grep -q two && break
    sleep 0.02
  done
  sleep 0.3
  kill -$signal $pid
  wait $pid 2>/dev/null
  sluice train resume=runs/latest >out 2>err &
  pid=$!
done
wait $pid || fail "resume: $(cat err)"
steps runs/latest | sort >parts
cmp whole parts || fail "continued: $(diff whole parts | head -20)"
[ "$(ls -d runs/latest/wandb/offline-run-* | wc -l)" = 1 ] || fail "two folders"

# None unless wanted.
sluice train $tiny training.epochs=1 run.name=without --quiet >out 2>err
[ ! -e runs/latest/wandb ] || fail "unasked"
[ $failures = 0 ]
