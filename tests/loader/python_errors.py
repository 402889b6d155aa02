"""python_errors.py BIN_DIR MODULE_DIR README -- `import sluice` when something is wrong
or comes to its end: what is said, and that no thread, file or memory stays behind or goes too early."""

import gc
import os
import queue
import re
import select
import signal
import subprocess
import sys
import threading
import time
import unittest
import unittest.mock
import weakref

from python_rig import (
    BATCH, CHAIN, FILE, MAKE_TWO, MODULE, README, SAMPLES, known, message, run, seen, settles_at, tasks,
    work)
import sluice
from sluice import _loader


class Errors(unittest.TestCase):
    def test_options(self):
        refuse = lambda **o: message("invalid", sluice.Loader, FILE, **o)
        self.assertIn("here it is threads", refuse(num_workers=2))
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
        for name, value in (("share", 0), ("scale", (0, 0)), ("ratio", (0, 0)), ("ratio", (0, 1))):
            self.assertRegex(refuse(**{name: value}), f"^{name}: expected ")
        self.assertIn("scale: expected a rising pair from 0 to 1, found 0.5, 0.1",
                      refuse(crop="random", size=8, scale=(0.5, 0.1)))
        self.assertIn("ratio: expected a rising pair above 0, up to 1000, found 2, 1",
                      refuse(crop="random", size=8, ratio=(2, 1)))
        self.assertIn("block: expected a whole number, 1 to 1000000000000, found 0", refuse(block=0))
        self.assertIn("balanced, class_weights, sample_weights: expected the order random",
                      refuse(balanced=True, order="sequential"))
        self.assertIn("memory_budget: expected a number of bytes", refuse(memory_budget="2T"))
        self.assertIn("found 0 (leave it out for one per CPU)", refuse(threads=0))
        self.assertIn("2 to 10000, found 1 (a loop holds one", refuse(batches=1))
        self.assertIn("found RANDOM (random is meant?)", refuse(order="RANDOM"))
        self.assertIn("(quasi_random is meant?)", refuse(order="OrderOption.QUASI_RANDOM"))
        self.assertIn("batch_size: expected a whole number, 1 to 1000000, found True", refuse(batch_size=True))
        self.assertIn("augmnet: no such option", refuse(augmnet=None))
        self.assertIn("share: expected the crop center, without which", refuse(share=0.5))
        for name, found in (("class_weights", {0: 1}), ("subset", {1, 2}), ("scale", {1: 2}.keys())):
            with self.assertRaisesRegex(TypeError, f"^{name}: expected a list or an array, found a "):
                sluice.Loader(FILE, **{name: found})
        numpys = type("float64", (), {"tolist": lambda self: 0})
        self.assertIn("dtype: expected one of f32|bf16|f16|u8, found float64", refuse(dtype=numpys))
        with self.assertRaisesRegex(ValueError, "null byte"):
            sluice.Loader(FILE + "\0junk")
        self.assertIn("no operation 'flop'", refuse(augment="flop"))
        self.assertIn("normalize: the file's mean is of 3 channels, the images have 1: give numbers",
                      refuse(augment="normalize", channels=1))
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

    def test_damaged_slot(self):
        with open(FILE, "rb") as f:
            data = bytearray(f.read())
        data[8192 + 48] ^= 1
        damaged = os.path.join(work.name, "slot.sluice")
        with open(damaged, "wb") as f:
            f.write(data)
        with self.assertWarnsRegex(RuntimeWarning, "slot.sluice: commit slot 1 is damaged") as told:
            self.assertEqual(sluice.Loader(damaged).samples, SAMPLES)
        self.assertEqual(os.path.basename(told.filename), "python_errors.py")

    def test_too_many_held(self):
        loader, held = sluice.Loader(FILE, batch_size=50, batches=3), []
        it = iter(loader)
        with self.assertRaisesRegex(sluice.Error, "all 3 batches are held"):
            for images, labels in it:
                held.append(labels)
        self.assertEqual(len(held), 3)
        del held[:], images, labels
        self.assertEqual(len(list(map(len, it))), 7)

    def test_held_by_an_ended_thread(self):
        """Also by one that ends while another waits, and whose object keeps the batches."""
        class Taker(threading.Thread):
            def run(self):
                self.held = [next(it), next(it)]
                while late and not loader._handle.waiting:
                    time.sleep(0.001)

        for late in (False, True):
            loader = sluice.Loader(FILE, batch_size=10, batches=2)
            it = iter(loader)
            taker = Taker()
            taker.start()
            while len(loader._handle.holders) < 2 or taker.is_alive() and not late:
                time.sleep(0.001)
            self.assertIn("all 2 batches are held", message("invalid", next, it))
            taker.join()
            del taker
            self.assertEqual(len(list(map(len, it))), 48)

    def test_held_in_a_queue(self):
        """One thread takes batches and waits, another drops them: it is waited for."""
        loader, ready, ids = sluice.Loader(FILE, batch_size=10, batches=3), queue.Queue(8), []
        it = iter(loader)

        def take():
            for _ in range(50):
                ready.put(next(it))

        taker = threading.Thread(target=take)
        taker.start()
        for _ in range(50):
            batch = ready.get(timeout=60)
            time.sleep(0.003)
            ids += batch.ids.tolist()
        taker.join()
        self.assertEqual(sorted(ids), list(range(SAMPLES)))

    def test_held_in_vain(self):
        """Other threads live but drop nothing: it is said after a while, not at once."""
        self.assertEqual(_loader._PATIENCE, 10)
        end, held = threading.Event(), []
        other = threading.Thread(target=end.wait)
        other.start()
        _loader._PATIENCE, before = 0.5, time.monotonic()
        try:
            with self.assertRaisesRegex(sluice.Error, "all 3 batches are held: .* two more than"):
                for batch in sluice.Loader(FILE, batch_size=10, batches=3):
                    held.append(batch)
            self.assertGreaterEqual(time.monotonic() - before, 0.5)
            held.clear()
            self.test_held_by_cycles()
        finally:
            _loader._PATIENCE = 10
            end.set()
            other.join()

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
        self.assertEqual(select.select([loader._handle.stopped], [], [], 0)[0], [],
                         "the child's close() has stopped the parent's")
        self.assertEqual(len(seen(loader)), 8)

    def test_closed_within_a_call(self):
        """Another thread may close the loader while a call is in the library."""
        def closes(*_):
            loader.close()
            gc.collect()
            self.assertIsNotNone(handle(), "freed while it was used")
            return -1
        for name, call in (("stats", sluice.Loader.stats), ("io", sluice.Loader.stats),
                           ("damage", sluice.Loader.damage)):
            loader = sluice.Loader(FILE, batch_size=BATCH)
            handle = weakref.ref(loader._handle)
            with unittest.mock.patch.object(_loader.lib, name, closes):
                try:
                    call(loader)
                except sluice.Error as e:
                    self.assertIn("the loader is closed", str(e))
            self.assertIsNone(loader._handle)

    def test_memory_of_mixed_batches(self):
        options = dict(batch_size=BATCH, batches=3, io="pread", threads=1)
        plain, mixed = (sluice.Loader(FILE, augment=chain, **options) for chain in
                        ("flip,normalize", "flip,normalize,mixup"))
        more = mixed.stats()["memory_bound"] - plain.stats()["memory_bound"]
        pixels = 3 * BATCH * 3072 * 4
        self.assertTrue(pixels <= more <= 1.1 * pixels, more)
        bound = mixed.stats()["memory_bound"]
        sluice.Loader(FILE, augment="flip,normalize,mixup", memory_limit=bound, **options).close()
        for limit in bound - 4096, pixels // 2:
            self.assertIn("(memory_limit), found a need of", message(
                "memory", sluice.Loader, FILE, augment="flip,normalize,mixup", memory_limit=limit, **options))

    def test_statistics_of_another_field(self):
        path = os.path.join(work.name, "two.sluice")
        for channels in 3, 8:
            subprocess.run([MAKE_TWO, path, str(channels)], check=True)
            with sluice.Loader(path) as first:
                self.assertEqual((first.shape, first.mean), ((4, 4, 1), (1.5,)))
            with sluice.Loader(path, image_field="b") as loader:
                self.assertEqual((loader.mean, loader.std), (None, None))
            if channels == 3:
                self.assertIn("the file does not say the mean", message(
                    "invalid", sluice.Loader, path, image_field="b", augment="normalize"))


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

    def test_interrupted_while_giving_back(self):
        """No line of Python is run, in which Ctrl-C would be told and forgotten."""
        loader, called = sluice.Loader(FILE, batch_size=10), []
        it = iter(loader)
        images, labels = next(it)
        batch = next(it)
        self.assertEqual(len(loader._handle.holders), 2)
        sys.setprofile(lambda frame, event, _: event == "call" and called.append(frame.f_code.co_name))
        try:
            del images, labels, batch
        finally:
            sys.setprofile(None)
        self.assertEqual(called, [])
        self.assertEqual(loader._handle.holders, {})
        self.assertEqual(sum(len(ids) for ids in (b.ids for b in it)), SAMPLES - 20)

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
    run()
