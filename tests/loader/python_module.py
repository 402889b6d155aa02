"""python_module.py BIN_DIR MODULE_DIR README -- `import sluice` as its users use it, against
`sluice bench` and against pixels that are known. Needs the standard library only."""

import gc
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

if os.environ.get("SLUICE_TEST_SKIP"):
    print("skipped:", os.environ["SLUICE_TEST_SKIP"])
    sys.exit(77)
BIN, MODULE, README = sys.argv[1:4]
sys.path.insert(0, MODULE)
import sluice

numpy = sluice.numpy
try:
    import torch
except ImportError:
    torch = None

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


def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


def crc32c(crc, data, table=crc32c_table()):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


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


class Contents(unittest.TestCase):
    def test_known_pixels(self):
        loader = sluice.Loader(FILE, batch_size=BATCH, order="sequential")
        self.assertEqual((loader.shape, loader.dtype, loader.layout), ((32, 32, 3), "u8", "nhwc"))
        self.assertEqual((len(loader), loader.samples), (8, SAMPLES))
        self.assertEqual((loader.label, sorted(loader.labels)), ("label", ["coarse_label", "label"]))
        coarse = loader.labels.index("coarse_label")
        at = 0
        for batch in loader:
            images, labels = batch
            self.assertEqual(images.shape, (len(batch), 32, 32, 3))
            pixels = images.tobytes()
            for i in range(len(batch)):
                first, fine, planes = known[at]
                image = pixels[i * 3072:(i + 1) * 3072]
                self.assertEqual(b"".join(image[c::3] for c in range(3)), planes)
                self.assertEqual((labels[i], batch.ids[i]), (fine, at))
                self.assertEqual(batch.columns.tolist()[i][coarse], first)
                at += 1
        self.assertEqual(at, SAMPLES)
        first = next(iter(sluice.Loader(FILE, order="sequential", class_field="coarse_label")))
        self.assertEqual(first.labels.tolist(), [i % 20 for i in range(256)])

    def test_same_bytes_as_the_program(self):
        for options in ({"seed": 3}, {"seed": 3, "threads": 1, "io": "pread", "rank": 1, "world": 3},
                        {"augment": CHAIN, "seed": 4}, {"augment": CHAIN, "dtype": "bf16", "layout": "nchw"},
                        {"order": "quasi_random", "block": 10, "open_blocks": 4},
                        {"crop": "random", "size": 16, "folds": 5, "fold": 2, "fold_test": True}):
            want = bench_hash(epochs=2, batch_size=BATCH, **options)
            if "folds" in options:
                options["stratified"] = True
            loader, got = sluice.Loader(FILE, batch_size=BATCH, **options), 0
            for _ in range(2):
                for batch in loader:
                    for part in (batch.ids, batch.columns, batch.images):
                        got = crc32c(got, part.tobytes())
            self.assertEqual(got, want, options)

    def test_mixing(self):
        options = {"augment": "flip,normalize,cutmix", "batch_size": BATCH, "dtype": "f16"}
        want = bench_hash(epochs=1, **options)
        loader, pixels, mixed = sluice.Loader(FILE, **options), 0, 0
        plain = sluice.Loader(FILE, **{**options, "augment": "flip,normalize"})
        for (images, labels, partners, shares), other in zip(loader, plain):
            self.assertEqual(labels.tolist(), other.labels.tolist())
            bytes_each = 32 * 32 * 3 * 2
            images, others = images.tobytes(), other.images.tobytes()
            for i, (partner, share) in enumerate(zip(partners.tolist(), shares.tolist())):
                mine = others[i * bytes_each:(i + 1) * bytes_each]
                theirs = others[partner * bytes_each:(partner + 1) * bytes_each]
                shown = images[i * bytes_each:(i + 1) * bytes_each]
                own = sum(shown[k:k + 6] == mine[k:k + 6] for k in range(0, bytes_each, 6))
                self.assertLess(abs(own / 1024 - share), 0.01)
                self.assertTrue(all(shown[k:k + 6] in (mine[k:k + 6], theirs[k:k + 6])
                                    for k in range(0, bytes_each, 6)))
                mixed += share < 1
        self.assertGreater(mixed, SAMPLES // 4)
        self.assertTrue(want)

    def test_what_it_says_of_the_file(self):
        loader = sluice.Loader(FILE, augment="flip,normalize")
        self.assertEqual((len(loader.mean), len(loader.std)), (3, 3))
        self.assertTrue(all(120 < m < 135 for m in loader.mean))
        self.assertIn("normalize:mean=", loader.pipeline)
        grey = sluice.Loader(GREY, channels=3, augment="normalize")
        self.assertEqual((grey.shape, grey.mean, grey.std), ((2, 2, 3), (2.5,) * 3, (1.25 ** 0.5,) * 3))
        self.assertIsNone(sluice.Loader(FILE).pipeline)
        self.assertEqual(sluice.Loader(FILE, class_field="coarse_label").label, "coarse_label")
        self.assertEqual(loader.classes, [f"class {i}" for i in range(100)])
        list(map(len, loader))
        stats = loader.stats()
        self.assertEqual((stats["batches"], stats["samples"]), (2, SAMPLES))
        self.assertTrue(stats["io_reason"] and stats["io"] in ("resident", "uring", "pread"))

    @unittest.skipUnless(numpy, "numpy is not installed")
    def test_numpy(self):
        for dtype in ("u8", "f16", "bf16", "f32"):
            loader = sluice.Loader(FILE, batch_size=BATCH, dtype=dtype, augment="")
            for images, labels in loader:
                self.assertEqual(images.dtype, {"u8": "u1", "f16": "f2", "bf16": "u2", "f32": "f4"}[dtype])
                self.assertEqual((labels.dtype, labels.shape), ("i8", (len(images),)))
        weights = numpy.zeros(SAMPLES)
        weights[7] = 0.1
        subset = numpy.arange(7, 9)
        for batch in sluice.Loader(FILE, subset=subset, sample_weights=weights, epoch_samples=50):
            self.assertEqual(set(batch.ids.tolist()), {7})

    @unittest.skipUnless(torch, "PyTorch is not installed")
    def test_torch(self):
        loader = sluice.Loader(FILE, batch_size=BATCH, dtype="bf16", augment="flip,normalize,mixup")
        for batch in loader:
            images, labels, partners, shares = batch.torch()
            self.assertEqual((images.dtype, images.shape), (torch.bfloat16, (len(batch), 32, 32, 3)))
            self.assertEqual(labels.tolist(), batch.labels.tolist())
            self.assertEqual(bytes(images.view(torch.uint8).flatten().tolist()), batch.images.tobytes())
            self.assertTrue(0 <= int(partners.min()) and float(shares.max()) <= 1)
        want = images.clone()
        del batch, labels, partners, shares
        seen(loader)
        self.assertTrue(torch.equal(images, want))


class Epochs(unittest.TestCase):
    def test_each_for_is_the_next(self):
        loader = sluice.Loader(FILE, batch_size=BATCH, seed=1)
        again = sluice.Loader(FILE, batch_size=BATCH, seed=1, threads=3)
        other = sluice.Loader(FILE, batch_size=BATCH, seed=2)
        passes = [seen(loader) for _ in range(3)]
        self.assertEqual([p[0][0] for p in passes], [0, 1, 2])
        self.assertEqual(passes, [seen(again) for _ in range(3)])
        orders = [[i for b in p for i in b[2]] for p in (*passes, seen(other))]
        for order in orders:
            self.assertEqual(sorted(order), list(range(SAMPLES)))
        self.assertEqual(len(set(map(tuple, orders))), 4)

    def test_left_early(self):
        loader = sluice.Loader(FILE, batch_size=BATCH)
        for held in loader:
            before = held.images.tobytes()
            break
        ids = held.ids.tolist()
        late = iter(loader)
        self.assertEqual(seen(loader)[0][:2], (1, 0))
        self.assertEqual((held.ids.tolist(), held.images.tobytes()), (ids, before))
        self.assertIn("this pass has ended", message("invalid", next, late))
        loader.seek(5, 3)
        self.assertEqual((loader.epoch, seen(loader)[0][:2]), (5, (5, 3)))
        self.assertIn("batch 9 of 8", message("invalid", loader.seek, 0, 9))
        self.assertIn("-1", message("invalid", loader.seek, -1))

    def test_resume(self):
        want = sluice.Loader(FILE, batch_size=BATCH, augment=CHAIN, seed=9)
        want = [b for _ in range(3) for b in seen(want)]
        for stop in (0, 3, 8, 11, 16):
            loader, taken = sluice.Loader(FILE, batch_size=BATCH, augment=CHAIN, seed=9), []
            while len(taken) < stop:
                for batch in loader:
                    taken += seen([batch])
                    if len(taken) == stop:
                        break
            state = loader.state()
            loader.close()
            loader = sluice.Loader(FILE, batch_size=BATCH, augment=CHAIN, seed=9)
            loader.restore(state)
            self.assertEqual(loader.epoch, stop // 8)
            rest = [b for _ in range(loader.epoch, 3) for b in seen(loader)]
            self.assertEqual(rest, want[stop:], stop)
        self.assertIn("seed", message("invalid", sluice.Loader(FILE).restore, state))
        self.assertIn("expected the state", message("invalid", loader.restore, "{}"))

    def test_ranks(self):
        ids = []
        for rank in range(3):
            ids += [i for b in seen(sluice.Loader(FILE, batch_size=BATCH, rank=rank, world=3)) for i in b[2]]
        self.assertEqual(sorted(ids), list(range(SAMPLES)))

    def test_subset(self):
        batches = seen(sluice.Loader(FILE, subset=range(100, 200), batch_size=30, drop_last=True))
        self.assertEqual([len(b[2]) for b in batches], [30, 30, 30])
        self.assertTrue(all(100 <= i < 200 for b in batches for i in b[2]))

    def test_weights(self):
        loader = sluice.Loader(FILE, sample_weights=[int(i in (7, 30)) for i in range(SAMPLES)], epoch_samples=50)
        self.assertEqual({i for b in seen(loader) for i in b[2]}, {7, 30})
        loader = sluice.Loader(FILE, class_weights=[0.5] + [0] * 98 + [1e-1], epoch_samples=50)
        self.assertEqual({i % 100 for b in seen(loader) for i in b[2]}, {0, 99})

    def test_threads_share_an_epoch(self):
        loader, ids, errors = sluice.Loader(FILE, batch_size=10, batches=8), [], []
        passes = [iter(loader)]

        def consume():
            try:
                for batch in passes[0]:
                    ids.extend(batch.ids.tolist())
            except Exception as e:
                errors.append(e)

        for epoch in range(5):
            ids.clear()
            threads = [threading.Thread(target=consume) for _ in range(4)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual((errors, sorted(ids)), ([], list(range(SAMPLES))))
            self.assertEqual(loader.epoch, epoch + 1)
            passes[0] = iter(loader)


class Errors(unittest.TestCase):
    def test_options(self):
        refuse = lambda **o: message("invalid", sluice.Loader, FILE, **o)
        for name in sluice.options():
            self.assertIn(name, refuse(batchsize=5).split())
        self.assertEqual(refuse(order="shuffled"),
                         "order: expected one of random|sequential|quasi_random, found shuffled")
        self.assertIn("batch_size: expected a whole number, 1 to 1000000, found 0", refuse(batch_size=0))
        self.assertIn("found 2.5", refuse(threads=2.5))
        self.assertIn("drop_last: expected True or False", refuse(drop_last="yes"))
        self.assertIn("subset: expected sample numbers", refuse(subset=[]))
        self.assertIn("subset: expected sample numbers", refuse(subset=[1, -1]))
        self.assertIn("subset: expected sample numbers", refuse(subset="1;2"))
        self.assertIn("class_weights: expected numbers", refuse(class_weights=["1", "2x"]))
        self.assertIn("sample 500 of 500", refuse(subset=[500]))
        self.assertIn("scale: expected two numbers", refuse(scale=(0.1, 0.5, 0.7)))
        self.assertIn("memory_budget: expected a number of bytes", refuse(memory_budget="2T"))
        self.assertIn("no operation 'flop'", refuse(augment="flop"))
        self.assertIn("no integer field", refuse(class_field="image"))
        self.assertIn("no image field", refuse(image_field="label"))
        sluice.Loader(FILE, memory_budget="2M", scale=(0.1, 0.5), ratio=None, crop="random", size=8)

    def test_table_in_readme(self):
        with open(README) as f:
            text = f.read()
        listed = [name for row in re.findall(r"^\| (`[^|]*) \|", text, re.M)
                  for name in re.findall(r"`(\w+)`", row)]
        self.assertEqual(sorted(listed), sorted(sluice.options()))

    def test_files(self):
        missing = os.path.join(work.name, "no.sluice")
        self.assertIn("No such file", message("io", sluice.Loader, missing))
        self.assertIn("not a .sluice file", message("corrupt", sluice.Loader, __file__))

    def test_damage(self):
        with open(FILE, "rb") as f:
            data = bytearray(f.read())
        planes = known[321][2]
        pixels = bytes(planes[c * 1024 + i] for i in range(1024) for c in range(3))
        data[data.index(pixels) + 100] ^= 1
        damaged = os.path.join(work.name, "damaged.sluice")
        with open(damaged, "wb") as f:
            f.write(data)
        loader = sluice.Loader(damaged, batch_size=BATCH)
        self.assertIn("sample 321", message("corrupt", list, map(len, loader)))
        self.assertIn("has failed", message("invalid", iter, loader))
        loader = sluice.Loader(damaged, batch_size=BATCH, on_error="skip")
        self.assertEqual(sum(map(len, loader)), SAMPLES - 1)
        self.assertEqual(list(loader.damage()), [321])
        self.assertEqual(loader.stats()["damaged"], 1)

    def test_too_many_held(self):
        loader, held = sluice.Loader(FILE, batch_size=50, batches=3), []
        it = iter(loader)
        with self.assertRaisesRegex(sluice.Error, "all 3 batches are held"):
            for images, labels in it:
                held.append(labels)
        self.assertEqual(len(held), 3)
        del held[:], images, labels
        self.assertEqual(len(list(map(len, it))), 7)

    def test_held_by_cycles(self):
        for batch in sluice.Loader(FILE, batch_size=10, batches=3):
            cycle = [batch]
            cycle.append(cycle)

    def test_closed(self):
        with sluice.Loader(FILE) as loader:
            it = iter(loader)
            next(it)
        for call in (lambda: next(it), lambda: iter(loader), lambda: loader.seek(1),
                     loader.state, loader.stats, loader.damage, loader.__enter__):
            self.assertIn("the loader is closed", message("invalid", call))
        loader.close()
        self.assertEqual(loader.samples, SAMPLES)

    def test_forked(self):
        loader = sluice.Loader(FILE, batch_size=BATCH)
        held = next(iter(loader))
        child = os.fork()
        if child == 0:
            try:
                good = "forked" in message("invalid", lambda: next(iter(loader)))
                good = good and len(held.images.tobytes()) == BATCH * 3072
                del held
                loader.close()
                del loader
                os._exit(0 if good else 1)
            finally:
                os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(len(seen(loader)), 8)


class Lifetime(unittest.TestCase):
    def test_views_outlive_the_loader(self):
        gc.collect()
        alone = tasks()
        loader = sluice.Loader(FILE, batch_size=BATCH, augment="flip,normalize,cutmix")
        it = iter(loader)
        first, second = next(it), next(it)
        images, shares = first.images, second.shares
        want = images.tobytes(), shares.tobytes()
        loader.close()
        del first, second, loader, it
        gc.collect()
        for _ in range(3):
            seen(sluice.Loader(FILE, batch_size=BATCH, augment="normalize:mean=0:std=1"))
        self.assertEqual((images.tobytes(), shares.tobytes()), want)
        self.assertGreater(tasks(), alone)
        del images, shares
        self.assertTrue(settles_at(alone))

    def test_batches_go_back(self):
        """Slices and casts of arrays keep the batch, copies do not."""
        loader = sluice.Loader(FILE, batch_size=10, batches=2)
        parts, last = [], None
        for batch in loader:
            part = memoryview(batch.images)[:1]
            parts.append(bytes(memoryview(part).cast("B")[:10]))
            del batch, part
        self.assertEqual(len(parts), 50)

    def test_no_leaks(self):
        """Dropped in the middle of an epoch, closed or not, with no help of gc."""
        seen(sluice.Loader(FILE))
        gc.collect()
        files, alone = len(os.listdir("/proc/self/fd")), tasks()
        gc.disable()
        try:
            for i in range(40):
                loader = sluice.Loader(FILE, batch_size=BATCH, threads=2, augment=CHAIN)
                for batch in loader:
                    if batch.number == i % 8:
                        break
                if i % 2:
                    loader.close()
                message("invalid", sluice.Loader, FILE, batches=4, subset=[SAMPLES + 1])
            del loader, batch
            self.assertTrue(settles_at(alone), (tasks(), alone))
            self.assertEqual(len(os.listdir("/proc/self/fd")), files)
        finally:
            gc.enable()

    def waits_until(self, action):
        """Wait for a batch while another thread holds all of them, and does `action`."""
        loader = sluice.Loader(FILE, batch_size=10, batches=2)
        it, taken, end = iter(loader), threading.Event(), threading.Event()
        handle = loader._handle

        def hold():
            held = [next(it), next(it)]
            taken.set()
            while not handle.waiting:
                time.sleep(0.001)
            action(loader)
            end.wait(60)
            del held

        thread = threading.Thread(target=hold)
        thread.start()
        taken.wait()
        try:
            next(it)
        finally:
            end.set()
            thread.join()

    def test_interrupted(self):
        with self.assertRaises(KeyboardInterrupt):
            self.waits_until(lambda loader: os.kill(os.getpid(), signal.SIGINT))

    def test_closed_while_waiting(self):
        with self.assertRaisesRegex(sluice.Error, "the loader is closed"):
            self.waits_until(lambda loader: loader.close())

    def test_end_of_the_process(self):
        """With loaders open, arrays alive and a batch awaited by a daemon."""
        code = ("import atexit, sys, threading; sys.path.insert(0, sys.argv[1]); import sluice\n"
                "atexit.register(lambda: print(sum(images.tobytes())))\n"
                "loader = sluice.Loader(sys.argv[2], batch_size=10, batches=3, order='sequential')\n"
                "images = next(iter(loader)).images\n"
                "it = iter(loader)\n"
                "held = [next(it)]\n"
                "threading.Thread(target=lambda: list(it), daemon=True).start()\n")
        done = subprocess.run([sys.executable, "-c", code, MODULE, FILE], capture_output=True, timeout=120)
        want = sum(sum(planes) for _, _, planes in known[:10])
        self.assertEqual((done.returncode, int(done.stdout)), (0, want), done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=int(os.environ.get("VERBOSE", 1)))
