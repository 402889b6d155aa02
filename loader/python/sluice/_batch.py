"""A batch, and how long its memory lives.

Arrays point into the loader's memory: array -> ctypes array -> lease -> handle. The batch
goes back when its lease is collected, the loader's memory when its handle is."""

import ctypes
import functools
import weakref

try:
    import numpy
except ImportError:
    numpy = None

from ._library import lib


class Lease:
    """Gives back the batch that `out` comes to name; made before, so that no exception,
    such as Ctrl-C, comes between. Its end calls nothing that is written in Python: there
    Ctrl-C would be told and forgotten."""

    ends = {}  # key of a lease: the references that watch over it

    def __init__(self, handle, out):
        self.key = key = object()
        out.handle = handle  # for as long as lib.release may be called
        calls = (functools.partial(lib.release, handle.pointer, out),
                 functools.partial(handle.holders.pop, key),
                 functools.partial(self.ends.pop, key))
        self.ends[key] = [weakref.ref(self, call) for call in calls]


def _memory(address, size, lease):
    memory = (ctypes.c_ubyte * size).from_address(address)
    memory.lease = lease
    return memory


_FORMATS = {"u8": "B", "f16": "H", "bf16": "H", "f32": "f", "i64": "q"}  # memoryview's
_NUMPY = {"u8": "u1", "f16": "f2", "bf16": "u2", "f32": "f4", "i64": "i8"}
_TORCH = {"u8": "uint8", "f16": "float16", "bf16": "bfloat16", "f32": "float32",
          "i64": "int64"}
_SIZES = {"u8": 1, "f16": 2, "bf16": 2, "f32": 4, "i64": 8}


class _Array:
    """Memory of a batch, as whatever the user wants to see."""

    def __init__(self, address, dtype, shape, lease):
        size = _SIZES[dtype]
        for n in shape:
            size *= n
        self.memory, self.dtype, self.shape = _memory(address, size, lease), dtype, shape

    def view(self):
        if numpy is not None:
            return numpy.frombuffer(self.memory, _NUMPY[self.dtype]).reshape(self.shape)
        return memoryview(self.memory).cast("B").cast(_FORMATS[self.dtype], self.shape)

    def torch(self, torch):
        dtype = getattr(torch, _TORCH[self.dtype])
        return torch.frombuffer(self.memory, dtype=dtype).view(self.shape)


class Batch:
    """Images and what belongs to them. Unpacks into (images, labels), and where the
    pipeline mixes (cutmix, mixup) into (images, labels, partners, shares): the loss of
    image i is shares[i] * loss(labels[i]) + (1 - shares[i]) * loss(labels[partners[i]]).

    images    (n, height, width, channels), or (n, channels, height, width); bf16, which
              numpy lacks, is uint16 (torch() gives bfloat16)
    labels    (n) int64: the column of the loader's `label`; None: the file has none
    columns   (n, len(loader.labels)) int64: all integer fields
    ids       (n) int64: sample numbers in the file
    partners  (n) int64, shares (n) float32: None where nothing mixes
    epoch, number
    """

    __module__ = "sluice"  # where users find it

    def __init__(self, facts, lease, n, out):
        self.epoch, self.number, self._n = out[1], out[2], n
        self._label = facts["label"]
        self._images = _Array(out[3], facts["dtype"], (n, *facts["shape"]), lease)
        self._columns = None
        if self._label >= 0:
            self._columns = _Array(out[4], "i64", (n, facts["columns"]), lease)
        self._ids = _Array(out[5], "i64", (n,), lease)
        self._partners = _Array(out[6], "i64", (n,), lease) if out[6] else None
        self._shares = _Array(out[7], "f32", (n,), lease) if out[7] else None

    def __len__(self):
        return self._n

    def __repr__(self):
        return (f"<sluice.Batch {self.number} of epoch {self.epoch}: {self._images.dtype} "
                f"{self._images.shape}>")

    def __reduce__(self):
        raise TypeError("sluice.Batch: is memory of its loader, and cannot be pickled: "
                        "copy its arrays (images.copy(), images.clone())")

    def __iter__(self):
        yield self.images
        yield self.labels
        if self._partners:
            yield self.partners
            yield self.shares

    @property
    def images(self):
        return self._images.view()

    @property
    def columns(self):
        return self._columns and self._columns.view()

    @property
    def labels(self):
        if self._columns is None:
            return None
        if numpy is not None:
            return self._columns.view()[:, self._label]
        flat = memoryview(self._columns.memory).cast("B").cast("q")
        return flat[self._label :: self._columns.shape[1]]

    @property
    def ids(self):
        return self._ids.view()

    @property
    def partners(self):
        return self._partners and self._partners.view()

    @property
    def shares(self):
        return self._shares and self._shares.view()

    def torch(self):
        """The same, in the same order, as tensors that share the memory."""
        import torch

        labels = self._columns and self._columns.torch(torch)[:, self._label]
        mixes = (self._partners, self._shares) if self._partners else ()
        return (self._images.torch(torch), labels, *(m.torch(torch) for m in mixes))
