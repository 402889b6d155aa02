"""python_rig.py -- what the tests of `import sluice` share: the module of the folder MODULE_DIR, two
packed files whose pixels are known, and ways to look at what comes out. Needs the standard library
only."""

import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import unittest

if os.environ.get("SLUICE_TEST_SKIP"):
    print("skipped:", os.environ["SLUICE_TEST_SKIP"])
    sys.exit(77)
BIN, MODULE, README, MAKE_TWO = sys.argv[1:5]
sys.path[:0] = [MODULE, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support")]
import sluice
from formats import crc32c

SAMPLES, SIDE, BATCH = 500, 32, 64
CHAIN = "flip,translate:pad=2,cutout:size=4,normalize"
work = tempfile.TemporaryDirectory()
FILE, GREY = (os.path.join(work.name, name) for name in ("train.sluice", "grey.sluice"))


def make_file():
    """CIFAR-100's binary form, of noise: (coarse, fine, planes) of every sample."""
    rng, samples = random.Random(7), []
    for i in range(SAMPLES):
        samples.append((i % 20, i % 100, rng.randbytes(3 * SIDE * SIDE)))
    source = os.path.join(work.name, "train.bin")
    with open(source, "wb") as f:
        f.writelines(bytes(s[:2]) + s[2] for s in samples)
    subprocess.run([BIN + "/sluice", "write", "cifar100", source, FILE, "--quiet",
                    "--class-names=" + ",".join(f"class {i}" for i in range(100))], check=True)
    return samples


def make_grey_file():
    """One image of MNIST's form: 1, 2, 3 and 4."""
    with open(os.path.join(work.name, "train-images-idx3-ubyte"), "wb") as f:
        f.write(struct.pack(">4I", 2051, 1, 2, 2) + bytes([1, 2, 3, 4]))
    with open(os.path.join(work.name, "train-labels-idx1-ubyte"), "wb") as f:
        f.write(struct.pack(">2I", 2049, 1) + bytes([5]))
    subprocess.run([BIN + "/sluice", "write", "mnist", work.name, GREY, "--quiet"], check=True)


known = make_file()
make_grey_file()


def bench_hash(**options):
    arguments = [f"--{k.replace('_', '-')}" + ("" if v is True else f"={v}") for k, v in options.items()]
    done = subprocess.run([BIN + "/sluice", "bench", FILE, "--hash", "--json", "--quiet", *arguments],
                          check=True, capture_output=True)
    found = json.loads(done.stdout)["hash"]
    return found if isinstance(found, int) else int(found, 16)


def seen(batches):
    return [(b.epoch, b.number, b.ids.tolist(), b.images.tobytes()) for b in batches]


def message(code, call, *args, **named):
    try:
        call(*args, **named)
    except sluice.Error as e:
        assert e.code == code, (e.code, e)
        return str(e)
    raise AssertionError("no error")


def tasks():
    return len(os.listdir("/proc/self/task"))


def settles_at(count):
    """A thread that was joined may be listed for a moment more."""
    for _ in range(1000):
        if tasks() <= count:
            return True
        time.sleep(0.005)
    return False


def run():
    unittest.main(argv=sys.argv[:1], verbosity=int(os.environ.get("VERBOSE", 1)))
