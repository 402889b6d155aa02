#!/usr/bin/env bash
# cli.sh BIN_DIR TESTS_DIR -- bench, info and verify as a user runs them: one hash for every
# way of loading, damage named, nothing hangs.
readme=$2/test_loader_readme
. "$(dirname "$0")/../support/script.sh"

python3 - <<'EOF'
import random, struct
rng = random.Random(3)
with open("train-images-idx3-ubyte", "wb") as f:
    f.write(struct.pack(">IIII", 2051, 700, 28, 28) + rng.randbytes(700 * 784))
with open("train-labels-idx1-ubyte", "wb") as f:
    f.write(struct.pack(">II", 2049, 700) + bytes(rng.randrange(10) for _ in range(700)))
EOF
sluice write mnist . a.sluice --quiet || fail "write"

hash_of() { timeout 60 sluice bench a.sluice --epochs=2 --batch-size=64 --hash --quiet "$@" | sed -n 's/^hash *//p'; }
chain=--augment=flip,translate:pad=2,cutout:size=4,normalize
for augment in "" "$chain --dtype=bf16"; do
  want=$(hash_of --threads=1 --io=pread $augment)
  [ -n "$want" ] || fail "no hash"
  for threads in 1 2 7; do
    for io in resident uring direct pread auto; do
      got=$(hash_of --threads=$threads --io=$io $augment 2>err)
      [ -z "$got" ] && grep -q 'is not available' err && continue
      [ "$got" = "$want" ] || fail "$io with $threads threads: $got, not $want $(cat err)"
    done
  done
done
for io in resident pread; do
  hash_of --order=quasi_random --block=20 --open-blocks=4 --io=$io 2>err
done | sort -u | wc -l | grep -qx 1 || fail "quasi_random: backends differ"
# Of one epoch, however long it takes.
[ "$(sluice bench a.sluice --hash --quiet | grep ^hash)" = "$(sluice bench a.sluice --hash --quiet --epochs=1 --threads=3 | grep ^hash)" ] ||
  fail "--hash without --epochs"
[ "$(hash_of --seed=1)" != "$(hash_of --seed=2)" ] || fail "the seed changes nothing"

sluice bench a.sluice --epochs=1 --quiet --dtype=f16 | grep -q '^augment  *conversion alone' || fail "--dtype alone"
sluice bench a.sluice --size=64 2>err
[ $? = 2 ] && grep -q 'size 64: expected a crop' err || fail "--size alone: $(cat err)"
sluice bench a.sluice --epochs=1 --json --quiet | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert r["samples"] == 700 and r["samples_per_s"] > 0 and r["io"] and r["io_reason"]
stages = [r[name + "_s"] for name in ("read", "decode", "resize", "augment", "idle")]
assert min(stages) >= 0 and sum(stages) <= r["threads"] * r["seconds"] * 1.05 + 0.01, r
assert 0 < r["memory"] <= r["memory_bound"] and 0 <= r["idle_share"] <= 1 and r["wait_s"] >= 0, r
assert r["seek_ms"] >= 0 and 0 <= r["batches_ready"] <= 4 and r["bottleneck"], r' || fail "bench --json"
sluice bench a.sluice --epochs=1 --quiet --io=pread | grep -c -E '^(  (read|decode|resize|augment|idle|other) |stage |consumer |queue .* reads, |bottleneck )' |
  grep -qx 10 || fail "bench: stages"
# Pairs: both are run, the ratio is theirs, what both say is told.
sluice bench a.sluice --epochs=2 --pairs=3 --quiet --json --hash --against="--io=pread --threads=1" | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert r["pairs"] == 3 and r["against"] == "--io=pread --threads=1", r
assert r["last"]["io"] == "resident" and r["other_last"]["io"] == "pread", r
assert r["other_last"]["threads"] == 1 and r["last"]["hash"] == r["other_last"]["hash"], r
assert 0 < r["ratio_lowest"] <= r["ratio"] <= r["ratio_highest"], r
assert r["median_samples_per_s"] > 0 and r["other_median_samples_per_s"] > 0, r' || fail "bench --against --json"
sluice bench a.sluice --epochs=2 --pairs=1 --quiet --json --cold --against=--threads=1 | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert abs(r["ratio"] * r["other_median_samples_per_s"] / r["median_samples_per_s"] - 1) < 0.01, r' ||
  fail "bench --against: another ratio"
sluice bench a.sluice --epochs=1 --pairs=2 --quiet --cold --against=--order=sequential >out || fail "bench --against"
[ "$(grep -c -E '^(this|against|ratio) ' out)" = 3 ] && grep -q 'dropped from the page cache before each' out ||
  fail "bench --against: $(cat out)"
sluice bench a.sluice --against=--io=nothing >out 2>err
[ $? = 2 ] && grep -q -- '--io=nothing' err && [ ! -s out ] || fail "bench --against, usage: $(cat err)"
sluice bench a.sluice --epochs=1 --cold --quiet | grep -q 'dropped from the page cache' || fail "--cold"
sluice info a.sluice --json | python3 -c '
import json, sys
r = json.load(sys.stdin)
assert r["samples"] == 700 and r["fields"][0]["shape"] == [28, 28, 1]
assert sum(c["samples"] for c in r["classes"]) == 700 and len(r["mean"]) == 1' || fail "info --json"
sluice verify a.sluice >out || fail "verify: $(cat out)"
# Classes are those that have names, however many, though another number comes first.
"$2"/test_loader_layouts named.sluice >out || fail "named: $(cat out)"
sluice info named.sluice --json | python3 -c '
import json, sys
classes = json.load(sys.stdin)["classes"]
assert len(classes) == 70000 and classes[69999] == {"name": "c69999", "samples": 4}, classes[-1]
assert sum(c["samples"] for c in classes) == 10' || fail "info --json: classes"
sluice info named.sluice | grep -q '^classes of label$' || fail "info: classes"
sluice subset a.sluice one.sluice --range=0:1 --quiet && sluice info one.sluice >out
grep -q ': 1 sample, ' out && grep -q ' 28x28x1$' out || fail "info of one sample: $(cat out)"

timeout 20 sluice bench a.sluice --epochs=1 --memory-limit=1M >out 2>err
[ $? = 3 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'at most 1048576 bytes (memory_limit), found a need of' err ||
  fail "bench --memory-limit: $(cat err)"
samples() { sluice bench a.sluice --epochs=1 --json --quiet "$@" | sed 's/.*"samples": \([0-9]*\).*/\1/'; }
echo '5 6 7 # three' >three.txt
[ "$(samples --subset=three.txt)" = 3 ] || fail "bench --subset"
[ "$(samples --folds=4 --fold=1)" = 525 ] && [ "$(samples --folds=4 --fold=1 --fold-test)" = 175 ] ||
  fail "bench --folds"
[ "$(samples --balanced --epoch-samples=1234)" = 1234 ] || fail "bench --balanced"

# 700 samples of 10 classes: with all blocks open the shuffle is full, with one it is not.
sluice bench a.sluice --shuffle --batch-size=32 | grep -q '^quasi_random  *[0-9.]*  *[0-9.]*  [-+]' ||
  fail "bench --shuffle"
for open in 1 100; do
  sluice bench a.sluice --shuffle --batch-size=32 --block=16 --open-blocks=$open --json
done | python3 -c '
import json, sys
one, all_open = (json.loads(line) for line in sys.stdin)
assert one["samples"] == 700 and one["classes"] == 10, one
ideal = one["ideal"]["sorted_classes"]
assert 9.3 < ideal < 9.8, ideal
assert abs(one["random"]["sorted_classes"] - ideal) < 0.6, one
assert one["sequential"]["sorted_classes"] < 2.5 and one["sequential"]["neighbour"] > 0.9, one
assert one["quasi_random"]["sorted_classes"] < 4, one
assert abs(all_open["quasi_random"]["sorted_classes"] - ideal) < 0.6, all_open
assert abs(one["quasi_random"]["classes"] - ideal) < 0.6, one' || fail "bench --shuffle --json"

cp a.sluice bad.sluice
printf '\xff' | dd of=bad.sluice bs=1 seek=$((3 * 4096 + 17 * 784 + 5)) conv=notrunc status=none
printf '\xff' | dd of=bad.sluice bs=1 seek=$((3 * 4096 + 600 * 784 + 9)) conv=notrunc status=none
sluice verify bad.sluice >out
[ $? = 1 ] || fail "verify of damage: status"
grep -q 'sample 17,' out && grep -q 'sample 600,' out && grep -q '2 damaged places in 700' out || fail "verify: $(cat out)"
timeout 20 sluice bench bad.sluice --epochs=1 --quiet >out 2>err
[ $? = 5 ] || fail "bench of damage: status"
grep -q 'bad.sluice: sample ' err && [ "$(wc -l <err)" = 1 ] || fail "bench of damage: $(cat err)"

for policy in skip substitute; do
  for io in resident pread; do
    timeout 20 sluice bench bad.sluice --epochs=2 --batch-size=64 --hash --quiet --io=$io \
      --on-error=$policy >out 2>err
    [ $? = 1 ] && [ ! -s err ] || fail "bench --on-error=$policy: $(cat err)"
    grep -q "^damaged  *2 samples, ${policy}[a-z]* 4 times" out && grep -q 'sample 17,' out &&
      grep -q 'sample 600,' out || fail "bench --on-error=$policy: $(cat out)"
    sed -n 's/^hash *//p' out
  done | sort -u | wc -l | grep -qx 1 || fail "--on-error=$policy: backends differ"
done
for against in "" --threads=1; do
  sluice bench a.sluice --epochs=1 --quiet --on-error=skip --pairs=1 --against="$against" >out || fail "undamaged pairs"
  sluice bench bad.sluice --epochs=1 --quiet --on-error=skip --pairs=1 --against="$against" >out
  [ $? = 1 ] || fail "bench --against of damage: status"
done
sluice bench a.sluice --epochs=1 --quiet --on-error=skip >out || fail "bench --on-error of a good file: status"
[ "$(sluice bench bad.sluice --epochs=1 --json --quiet --on-error=skip |
  python3 -c 'import json, sys; r = json.load(sys.stdin); print(r["samples"], r["damaged"], sorted(r["damaged_samples"]))')" \
  = "698 2 [17, 600]" ] || fail "bench --json of damage"

# A damaged commit slot: all say so, and nothing writes over the append that it may hold.
cp a.sluice two.sluice
sluice append two.sluice a.sluice --quiet
for slot in 1 0; do
  cp two.sluice slot.sluice
  printf '\xff' | dd of=slot.sluice bs=1 seek=$((4096 + 4096 * slot + 48)) conv=notrunc status=none
  count=$((slot ? 700 : 1400)) # of the slot that is left
  for command in info "info --json" "bench --epochs=1 --quiet" "bench --shuffle"; do
    sluice $command slot.sluice >out 2>err || fail "$command, slot $slot: $(cat err)"
    [ "$(wc -l <err)" = 1 ] && grep -q "warning: slot.sluice: commit slot $slot is damaged.*; $count samples" err ||
      fail "$command, slot $slot: $(cat err)"
  done
  cp slot.sluice before.sluice
  refused 5 "slot.sluice: commit slot $slot is damaged: .*\`sluice subset\` copies the $count samples" none \
    sluice append slot.sluice a.sluice
  cmp slot.sluice before.sluice || fail "a refused append changed the file"
  rm -f left.sluice
  sluice subset slot.sluice left.sluice --quiet 2>err && grep -q "commit slot $slot is damaged" err &&
    sluice append left.sluice a.sluice --quiet && sluice verify left.sluice >out || fail "subset: $(cat out err)"
done
for file in a.sluice two.sluice; do
  sluice info $file 2>&1 >out | grep . && fail "info $file: a warning"
done

# Provenance that is no JSON: still JSON, and nothing for a terminal to obey.
"$2"/test_loader_verify odd odd.sluice >out || fail "odd: $(cat out)"
sluice info odd.sluice --json | python3 -c '
import json, sys
assert json.load(sys.stdin)["provenance"] == "{\"a\": \x1b[31m\n\ufffd"' || fail "info --json of odd provenance"
sluice info odd.sluice | tail -1 | cmp - <(printf 'from {"a": ?[31m \xff\n') || fail "info of odd provenance: $(sluice info odd.sluice | tail -1)"

# Truncated, not ours, empty, missing: one line, the right status.
head -c 100000 a.sluice >cut.sluice
: >empty.sluice
for command in bench info verify; do
  for file in cut.sluice empty.sluice train-images-idx3-ubyte; do
    timeout 20 sluice $command $file >/dev/null 2>err
    [ $? = 5 ] && [ "$(wc -l <err)" = 1 ] && grep -q "$file" err || fail "$command $file: $(cat err)"
  done
  timeout 20 sluice $command nowhere 2>err >/dev/null
  [ $? = 3 ] && [ "$(wc -l <err)" = 1 ] || fail "$command nowhere: $(cat err)"
done
# No file at all: refused at once, a pipe that nobody writes to as well.
mkdir folder
mkfifo pipe
for command in "bench --epochs=1" "bench --epochs=1 --cold" info verify "cat -" "subset -"; do
  for file in folder pipe /dev/null /dev/zero; do
    case $command in
      cat*) timeout 10 sluice cat $file 0 >out 2>err ;;
      subset*) timeout 10 sluice subset $file part.sluice >out 2>err ;;
      *) timeout 10 sluice $command $file >out 2>err ;;
    esac
    rc=$?
    [ $rc -ge 2 ] && [ $rc -le 5 ] && [ "$(wc -l <err)" = 1 ] && grep -q "$file" err && [ ! -s out ] ||
      fail "$command $file: $rc $(cat err)"
  done
done
if [ "$(id -u)" != 0 ]; then
  cp a.sluice closed.sluice
  chmod 000 closed.sluice
  timeout 10 sluice bench closed.sluice >out 2>err
  [ $? = 3 ] && grep -q 'closed.sluice: open: Permission denied' err || fail "unreadable: $(cat err)"
fi
# Values out of range: the option, what it was, what may be.
for option in --threads=many --threads=0 --threads=1025 --threads=2x --batch-size=0 --batch-size=1.5 --batch-size= \
  --batches=-1 --queue-depth=0 --epochs=0 --seconds=nan --io=fast --order=none --memory-budget=some --world=0; do
  timeout 10 sluice bench a.sluice $option >out 2>err
  [ $? = 2 ] && [ "$(wc -l <err)" = 1 ] && grep -q -e "$option: expected" err && [ ! -s out ] ||
    fail "$option: $(cat err)"
done
for option in --pairs=3 --rank=3 --fold=9 --subset=nowhere --subset=/dev/null --start-batch=999999; do
  timeout 10 sluice bench a.sluice --epochs=1 --quiet $option >out 2>err
  rc=$?
  [ $rc -ge 2 ] && [ $rc -le 3 ] && [ "$(wc -l <err)" = 1 ] && [ ! -s out ] || fail "$option: $rc $(cat err)"
done

# The program of loader/README.md.
timeout 20 "$readme" a.sluice >out 2>err
[ $? = 0 ] && grep -qx "700 samples through 200704 bytes of pinned memory" out || fail "README: $(cat out err)"
timeout 20 "$readme" nowhere >out 2>err
[ $? = 1 ] && grep -qx 'nowhere: open: No such file or directory' err && [ ! -s out ] || fail "README: $(cat err)"

[ $failures = 0 ] && echo "all good"
[ $failures = 0 ]
