"""The loader: epochs, waiting for batches, where it stands."""

import ctypes
import gc
import json
import operator
import os
import select
import threading
import time
import warnings
import weakref

from ._batch import Batch, Lease
from ._library import (FACTS, MESSAGE, REASON, STATE, Error, check, code, lib,
                       option_text, options)

_LOOK_AGAIN = 200  # milliseconds: a thread that holds batches may end meanwhile
_PATIENCE = 10  # seconds in which other threads drop a batch, or never do


class Handle:
    """What the library opened, until the loader is closed and no array is left."""

    def __init__(self, path, given):
        names = [name.encode() for name in given]
        values = [option_text(*option) for option in given.items()]
        for value in (os.fsencode(path), *values):
            if value is not None and b"\0" in value:
                raise ValueError("embedded null byte")
        pointer, message = ctypes.c_void_p(), ctypes.create_string_buffer(MESSAGE)
        array = ctypes.c_char_p * len(names)
        check(lib.open(pointer, os.fsencode(path), array(*names), array(*values),
                       len(names), message), message)
        self.pointer = pointer
        self.pid = os.getpid()
        self.lock = threading.Lock()  # of next, and of where the loader stands
        # Weak references: batches that are attributes of their thread are collected too.
        self.holders = {}  # key of a lease: the thread that took it
        self.waiting = set()  # identities of threads
        self.cycles = True  # the last collection of garbage gave a batch back
        # At the end of the process arrays may still be read: nothing is freed then.
        weakref.finalize(self, lib.close, pointer).atexit = False
        fds = (ctypes.c_int * 2)()
        check(lib.fds(pointer, fds, message), message)
        self.ready, self.stopped = fds

    def waits(self, holder):
        """A thread that has ended does not drop its arrays either."""
        thread = holder()
        return thread is None or not thread.is_alive() or thread.ident in self.waiting

    def stuck(self, batches):
        holders = list(self.holders.copy().values())
        return len(holders) == batches and all(map(self.waits, holders))

    def others(self):
        """Threads that may drop a batch that another took: it may lie in a queue."""
        return any(t.is_alive() and t.ident not in self.waiting for t in threading.enumerate())


class _Watch:
    """How long a thread has waited with the same batches held."""

    def __init__(self):
        self._held, self._since, self._collected = None, 0.0, False

    def look(self, handle):
        held = list(handle.holders.copy())
        if held != self._held:
            self._held, self._since, self._collected = held, time.monotonic(), False

    def over(self, handle):
        """Whether to give up. Cycles may keep batches: they are collected before, and
        once meanwhile; late if that was of no use, as it costs time at every batch where
        a queue is merely full."""
        waited = time.monotonic() - self._since
        over = waited >= _PATIENCE or not handle.others()
        if over or (not self._collected and waited >= (0 if handle.cycles else 1)):
            self._collected, held = True, len(handle.holders)
            gc.collect()
            handle.cycles = len(handle.holders) < held
        return over


class _Epoch:
    """One pass over the loader: any number of threads may take batches of it."""

    def __init__(self, loader, turn):
        self._loader, self._turn, self._done = loader, turn, False

    def __iter__(self):
        return self

    def __next__(self):
        batch = self._loader._next(self)
        if batch is None:
            raise StopIteration
        return batch


def _whole(name, value):
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected a whole number, found {value!r}") from None


class Loader:
    """Batches of a .sluice file, read ahead of need by threads that hold no GIL.

    Every `for` over the loader is the next epoch; after seek and restore it begins
    there. A batch is a function of (file, options, seed, epoch, number) alone. Options
    are listed below; most have the names that `sluice bench` has.

    A batch's arrays point into the loader's memory. They keep their batch, which goes
    back to the loader when the last of them is collected, so at most `batches` (4) are
    held at a time: keep copies, not arrays. Arrays outlive close().

    samples   of an epoch (of this rank); len(loader): batches; batch_size
    shape     of an image; dtype: "f32", "f16", "bf16" or "u8"; layout: "nhwc", "nchw"
    label     name of the class's column (None: there is none) of those in `labels`
    classes   names of the classes, [] if the file has none
    mean, std of each channel on the scale 0..255; None if the file has none
    pipeline  the augmentation with every value spelled out; None: there is none
    epoch     that the next batch is of
    """

    __module__ = "sluice"  # where users find it

    def __init__(self, path, **options):
        self.path = os.fspath(path)
        self._handle = handle = Handle(path, options)
        self._turn = None  # that of the _Epoch which may take batches
        self._fresh = True  # no batch of this epoch was taken by a `for`
        self._epoch, self._waited = 0, 0.0
        self._describe(handle.pointer)

    def _describe(self, pointer):
        facts = self._facts(lib.facts)
        if facts["damaged_slot"] >= 0:
            warnings.warn(f"{self.path}: commit slot {facts['damaged_slot']} is damaged: "
                          "the last append may be lost", RuntimeWarning, stacklevel=3)
        height, width, channels = facts["height"], facts["width"], facts["channels"]
        self.shape = (height, width, channels)
        if facts["nchw"]:
            self.shape = (channels, height, width)
        self.layout = "nchw" if facts["nchw"] else "nhwc"
        self.dtype = lib.dtype(pointer).decode()
        self.samples, self._length = facts["samples"], facts["length"]
        pipeline = lib.pipeline(pointer)
        self.pipeline = None if pipeline is None else pipeline.decode()
        self.labels = [lib.column(pointer, i).decode() for i in range(facts["columns"])]
        self.label = self.labels[facts["label"]] if facts["label"] >= 0 else None
        self.classes = [lib.class_name(pointer, i).decode(errors="replace")
                        for i in range(facts["classes"])]
        channels = facts["source_channels"]
        mean, std = lib.mean(pointer), lib.std(pointer)
        self.mean = tuple(mean[:channels]) if mean else None
        self.std = tuple(std[:channels]) if std else None
        self.batch_size, self._batches = facts["batch_size"], facts["batches"]
        self._batch_facts = {"shape": self.shape, "dtype": self.dtype,
                             "label": facts["label"], "columns": facts["columns"]}

    def _facts(self, call):
        names, values = (ctypes.c_char_p * FACTS)(), (ctypes.c_double * FACTS)()
        handle = self._open()  # held: another thread may close the loader meanwhile
        n = call(handle.pointer, names, values)
        return {names[i].decode(): int(v) if (v := values[i]).is_integer() else v
                for i in range(n)}

    def __reduce__(self):
        raise TypeError("sluice.Loader: cannot be pickled or copied: open the file again "
                        "where it is used, with rank= and world= if processes share it")

    def _open(self):
        handle = self._handle
        if handle is None:
            raise Error(f"{self.path}: the loader is closed", "invalid")
        if handle.pid != os.getpid():
            raise Error(f"{self.path}: this process was forked after the loader was "
                        "opened; open it again here", "invalid")
        return handle

    def __repr__(self):
        closed = ", closed" if self._handle is None else ""
        return (f"<sluice.Loader {self.path!r}: {self.samples} samples, "
                f"batch_size={self.batch_size}{closed}>")

    def __len__(self):
        return self._length

    def __enter__(self):
        self._open()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stop; threads that wait for a batch get an Error. Arrays stay valid, and the
        loader's threads and memory go when the last of them does."""
        handle, self._handle = self._handle, None
        # In a forked child it would wake the parent's threads.
        if handle is not None and handle.pid == os.getpid():
            lib.stop(handle.pointer)

    # ---- batches ----

    def __iter__(self):
        handle = self._open()
        with handle.lock:
            if not self._fresh:
                self._go(handle, self._epoch + 1)
            self._turn = object()
            return _Epoch(self, self._turn)

    def _go(self, handle, epoch, batch=0):
        """With the lock held. The epoch behind the last, 2**32 - 1, is 0."""
        epoch %= 1 << 32
        message = ctypes.create_string_buffer(MESSAGE)
        check(lib.seek(handle.pointer, epoch, batch, message), message)
        self._epoch, self._fresh, self._turn = epoch, True, None

    def _take(self, handle, epoch):
        """A batch, None at the end, or False: not yet. With the lock held."""
        if epoch._done:
            return None
        if epoch._turn is not self._turn:
            raise Error(f"{self.path}: this pass has ended: a later one, seek or restore "
                        "has begun", "invalid")
        out, message = (ctypes.c_uint64 * 8)(), ctypes.create_string_buffer(MESSAGE)
        lease = Lease(handle, out)
        n = lib.next(handle.pointer, out, message)
        if n < 0 and code(n) == "again":
            return False
        if check(n, message) == 0:
            self._go(handle, self._epoch + 1)
            epoch._done = True
            return None
        handle.holders[lease.key] = weakref.ref(threading.current_thread())
        self._fresh = False
        return Batch(self._batch_facts, lease, n, out)

    def _next(self, epoch):
        watch = _Watch()
        while True:
            handle = self._open()
            with handle.lock:
                batch = self._take(handle, epoch)
            if batch is not False:
                return batch
            watch.look(handle)
            self._wait(handle, watch)

    def _wait(self, handle, watch):
        """Until a batch may be there; Ctrl-C ends it."""
        me, before = threading.get_ident(), time.monotonic()
        handle.waiting.add(me)
        try:
            if handle.stuck(self._batches) and watch.over(handle):
                with handle.lock:  # so that one thread is told, and the others go on
                    if handle.stuck(self._batches):
                        handle.waiting.discard(me)
                        raise Error(
                            f"{self.path}: all {self._batches} batches are held: copy "
                            "what is kept, drop the arrays, or ask for more with "
                            "batches= (a queue between threads: two more than it has "
                            "places)", "invalid")
            poll = select.poll()
            poll.register(handle.ready, select.POLLIN)
            poll.register(handle.stopped, select.POLLIN)
            poll.poll(_LOOK_AGAIN)
        finally:
            handle.waiting.discard(me)
            self._waited += time.monotonic() - before

    # ---- where it stands ----

    @property
    def epoch(self):
        return self._epoch

    def seek(self, epoch, batch=0):
        """The next `for` begins with batch `batch` of epoch `epoch`."""
        handle = self._open()
        epoch, batch = _whole("epoch", epoch), _whole("batch", batch)
        if not (0 <= epoch < 1 << 32 and 0 <= batch < 1 << 63):
            raise Error(f"{self.path}: epoch {epoch}, batch {batch}: expected numbers "
                        "from 0", "invalid")
        with handle.lock:
            self._go(handle, epoch, batch)

    def state(self):
        """Where the loader stands, as JSON for checkpoints: behind the batches that it
        handed out."""
        handle = self._open()
        text = ctypes.create_string_buffer(STATE)
        message = ctypes.create_string_buffer(MESSAGE)
        check(lib.state(handle.pointer, text, message), message)
        return text.value.decode()

    def restore(self, state):
        """The next `for` goes on where state() was taken, with any batch size and
        world; file, seed, order and samples in use must be the same."""
        handle = self._open()
        if not isinstance(state, str):
            raise TypeError(f"state: expected the text of state(), found {type(state)}")
        message = ctypes.create_string_buffer(MESSAGE)
        with handle.lock:
            check(lib.restore(handle.pointer, state.encode(), message), message)
            self._epoch = json.loads(self.state())["epoch"]
            self._fresh, self._turn = True, None

    # ---- how it went ----

    def stats(self):
        """What was chosen and how it went, since opening; times are summed over the
        threads, wait_seconds is how long `for` waited."""
        stats = self._facts(lib.stats)
        name, reason = (ctypes.create_string_buffer(REASON) for _ in range(2))
        handle = self._open()
        lib.io(handle.pointer, name, reason)
        stats.update(io=name.value.decode(), io_reason=reason.value.decode(),
                     wait_seconds=self._waited)
        return stats

    def damage(self):
        """The damaged samples that were skipped or replaced: {number: why}."""
        found, message = {}, ctypes.create_string_buffer(MESSAGE)
        handle, i = self._open(), 0
        while (sample := lib.damage(handle.pointer, i, message)) >= 0:
            found[sample] = message.value.decode(errors="replace")
            i += 1
        return found


if Loader.__doc__:  # none under python -OO
    Loader.__doc__ += "\n    Options, each with its default:\n\n" + "".join(
        f"    {name:<15} {about}\n" for name, about in options().items())
