"""python_module.py BIN_DIR MODULE_DIR README -- `import sluice` as its users use it: what
batches hold, against `sluice bench` and pixels that are known, and in which order they come."""

import ast
import copy
import json
import os
import pickle
import re
import subprocess
import threading
import unittest

from python_rig import (
    BATCH, BIN, CHAIN, FILE, GREY, SAMPLES, bench_hash, crc32c, known, message, run, seen)
import sluice
from sluice import _batch

numpy = _batch.numpy
try:
    import torch
except ImportError:
    torch = None


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
                        got = crc32c(part.tobytes(), got)
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
        pictures, jpegs = GREY + ".pictures", GREY + ".jpegs"
        for arguments in (["export", GREY, pictures],
                          ["write", "folder", pictures, jpegs, "--mode=jpg", "--quality=100"]):
            subprocess.run([BIN + "/sluice", *arguments, "--quiet"], check=True)
        grey = sluice.Loader(jpegs, augment="normalize")
        self.assertEqual((grey.shape, grey.mean, grey.std), ((2, 2, 3), (2.5,) * 3, (1.25 ** 0.5,) * 3))
        self.assertIsNone(sluice.Loader(FILE).pipeline)
        self.assertEqual(sluice.Loader(FILE, class_field="coarse_label").label, "coarse_label")
        self.assertEqual(loader.classes, [f"class {i}" for i in range(100)])
        list(map(len, loader))
        stats = loader.stats()
        self.assertEqual((stats["batches"], stats["samples"]), (2, SAMPLES))
        self.assertTrue(stats["io_reason"] and stats["io"] in ("resident", "uring", "pread"))

    def test_help(self):
        loader = sluice.Loader(GREY, batch_size=7)
        self.assertEqual(repr(loader), f"<sluice.Loader {GREY!r}: 1 samples, batch_size=7>")
        batch = next(iter(loader))
        self.assertEqual(repr(batch), f"<sluice.Batch 0 of epoch 0: u8 {batch.images.shape}>")
        loader.close()
        self.assertIn("batch_size=7, closed>", repr(loader))
        for name, about in sluice.options().items():
            self.assertRegex(sluice.Loader.__doc__, rf"\n    {name} +{re.escape(about)}\n")

    def test_types(self):
        """Names and choices of the .pyi are the library's."""
        with open(os.path.join(os.path.dirname(sluice.__file__), "__init__.pyi")) as f:
            body = ast.parse(f.read()).body
        named = lambda body: {getattr(n, "name", None) or n.target.id for n in body
                              if isinstance(n, (ast.ClassDef, ast.FunctionDef, ast.AnnAssign))}
        public = lambda names: {n for n in names if not n.startswith("_")}
        self.assertEqual(public(named(body)), set(sluice.__all__))
        classes = {n.name: n for n in body if isinstance(n, ast.ClassDef)}
        loader = sluice.Loader(FILE)
        for what in (loader, next(iter(loader))):
            self.assertEqual(public(named(classes[type(what).__name__].body)), public(dir(what)))
        init = next(n for n in classes["Loader"].body if getattr(n, "name", "") == "__init__")
        self.assertEqual([a.arg for a in init.args.kwonlyargs], list(sluice.options()))
        for argument in init.args.kwonlyargs:
            code = "io" if argument.arg == "subset_file" else "invalid"
            said = message(code, sluice.Loader, FILE, **{argument.arg: "/?"})
            choices = [c.value for n in ast.walk(argument.annotation) if isinstance(n, ast.Subscript)
                       and ast.dump(n.value).count("Literal") for c in n.slice.elts]
            if choices or "expected one of" in said:
                self.assertIn(f"{argument.arg}: expected one of {'|'.join(choices)}, found", said)

    def test_version(self):
        self.assertRegex(sluice.__version__, r"^\d+\.\d+\.\d+$")
        self.assertEqual(sluice.Loader(FILE, dtype="float32", augment="flip").dtype, "f32")
        for dtype, want in (("half", "f16"), ("f4", "f32"), ("<f4", "f32"), ("u1", "u8")):
            self.assertEqual(sluice.Loader(FILE, dtype=dtype, augment="").dtype, want)
        with self.assertRaisesRegex(sluice.Error, "float64"):
            sluice.Loader(FILE, dtype="float64", augment="flip")

    @unittest.skipUnless(numpy, "numpy is not installed")
    def test_numpy(self):
        for dtype in ("u8", "f16", "bf16", "f32"):
            loader = sluice.Loader(FILE, batch_size=BATCH, dtype=dtype, augment="")
            for images, labels in loader:
                self.assertEqual(images.dtype, {"u8": "u1", "f16": "f2", "bf16": "u2", "f32": "f4"}[dtype])
                self.assertEqual((labels.dtype, labels.shape), ("i8", (len(images),)))
        for dtype in (numpy.float16, numpy.dtype("float16"), "float16"):
            self.assertEqual(sluice.Loader(FILE, dtype=dtype, augment="flip").dtype, "f16")
        weights = numpy.zeros(SAMPLES)
        weights[7] = 0.1
        subset = numpy.arange(7, 9)
        for batch in sluice.Loader(FILE, subset=subset, sample_weights=weights, epoch_samples=50):
            self.assertEqual(set(batch.ids.tolist()), {7})

    @unittest.skipUnless(torch, "PyTorch is not installed")
    def test_torch(self):
        loader = sluice.Loader(FILE, batch_size=BATCH, dtype=torch.bfloat16, augment="flip,normalize,mixup")
        for batch in loader:
            images, labels, partners, shares = batch.torch()
            self.assertEqual((images.dtype, images.shape), (torch.bfloat16, (len(batch), 32, 32, 3)))
            self.assertEqual(labels.tolist(), batch.labels.tolist())
            self.assertEqual(bytes(images.view(torch.uint8).flatten().tolist()), batch.images.tobytes())
            self.assertTrue(0 <= int(partners.min()) and float(shares.max()) <= 1)
        few = sluice.Loader(FILE, subset=torch.arange(5), drop_last=torch.tensor(False))
        self.assertEqual(few.samples, 5)
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
        for wrong in ((1.5,), ("1",), (0, 2.0)):
            with self.assertRaisesRegex(TypeError, "expected a whole number, found "):
                loader.seek(*wrong)
        loader.seek(2**32 - 1)
        self.assertEqual({b.epoch for b in loader}, {2**32 - 1})
        self.assertEqual((loader.epoch, next(iter(loader)).epoch), (0, 0))
        for what, clear in ((loader, "open the file again"), (held, "copy its arrays")):
            for call in (pickle.dumps, copy.copy):
                with self.assertRaisesRegex(TypeError, clear):
                    call(what)
        with self.assertRaisesRegex(TypeError, "the text of state()"):
            loader.restore(json.loads(loader.state()))

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


if __name__ == "__main__":
    run()
