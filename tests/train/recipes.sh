#!/usr/bin/env bash
# recipes.sh BIN_DIR TEST_DIR -- every recipe as it stands, its network at full size, for
# an epoch on a few images; what the speedrun's first layer is made of.
recipes=$(realpath "$(dirname "$0")/../../train/recipes")
make_set=$2/test_train_make_set
. "$(dirname "$0")/../support/script.sh"

"$make_set" rgb.sluice 96 32 3 4 0 1 && "$make_set" rgb-test.sluice 20 32 3 4 0 2 &&
  "$make_set" grey.sluice 96 28 1 4 0 3 && "$make_set" grey-test.sluice 20 28 1 4 0 4 || exit 1

# The reference would take long.
sluice train recipe=quickstart data.train=rgb.sluice training.batch_size=16 device=cpu --dry-run 2>err ||
  { grep -q 'this build has no oneDNN' err && exit 77; }

# Those that begin with another's network come after it. All runs would fill gigabytes.
first=$(cd "$recipes" && for f in *.yaml; do echo "${f%.yaml}"; done | grep -v -e ^distill$ -e ^transfer_)
for recipe in $first distill $(cd "$recipes" && for f in transfer_*.yaml; do echo "${f%.yaml}"; done); do
  set=rgb
  [[ $recipe != *mnist* ]] || set=grey
  sluice train recipe="$recipe" data.train=$set.sluice data.train_range=0-63 \
    data.validation=$set.sluice data.validation_range=64-95 data.test=$set-test.sluice \
    training.epochs=1 training.batch_size=16 data.threads=1 device=cpu run.plots=false \
    run.name="$recipe" >out 2>err || fail "$recipe: $(tail -1 err)"
  [ "$(grep -c '^epoch *1/1 ' out)" -ge 1 ] || fail "$recipe: $(cat out)"
  [[ $recipe = speedrun* ]] || rm -rf runs/*-"$recipe"
done

# Filters of unit response to the training set's patches, each independent of the others,
# and their negatives: eigenvectors by 1 / sqrt(value + 5e-4), so a little less than 1.
for recipe in speedrun speedrun_muon speedrun_sgd; do
  sluice cat rgb.sluice $(seq 0 63) --field=image >images &&
    python3 - runs/*-$recipe <<'PYTHON' || fail "$recipe: whitening"
import array, json, re, sys
from operator import mul
from formats import tensors
shape, raw = tensors(sys.argv[1] + "/checkpoints/last.safetensors")["whiten.weight"]
assert shape == [24, 3, 2, 2], shape
w = array.array("f", raw).tolist()
filters = [w[12 * k:12 * k + 12] for k in range(24)]
assert all(a == -b for x, y in zip(filters, filters[12:]) for a, b in zip(x, y))
text = open(sys.argv[1] + "/config.yaml").read()
mean, std = (json.loads(re.search(rf"^  {key}: (\[.*\])$", text, re.M)[1]) for key in ("mean", "std"))
pixels = open("images", "rb").read()
assert len(pixels) == 64 * 32 * 32 * 3
at = [(n * 32 + y) * 32 + x for n in range(64) for y in range(31) for x in range(31)]
taps = [[(pixels[3 * (p + 32 * dy + dx) + c] - mean[c]) / std[c] for p in at]
        for c in range(3) for dy in range(2) for dx in range(2)]
moment = [[sum(map(mul, a, b)) / len(at) for b in taps] for a in taps]
def response(f, g):
    return sum(f[i] * moment[i][j] * g[j] for i in range(12) for j in range(12))
for i in range(12):
    for j in range(i + 1):
        r = response(filters[i], filters[j])
        assert abs(r - (i == j)) <= 0.03, (i, j, r)
PYTHON
done
[ $failures = 0 ]
