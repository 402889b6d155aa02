"""Pickle small CIFAR sets as their publisher and as Python 3 do, out of the binary ones,
with the standard library alone.  python3 make_pickles.py DEST

DEST/py2/... are the opcodes that Python 2's cPickle wrote with protocol 2, DEST/pN/...
what Python 3 writes with protocol N; DEST/odd/ are other arrangements, DEST/bad/ what is
to be refused. Beside them lie the sources: cifar-10-batches-bin, cifar-100-binary."""
import pickle, os, struct, sys, types

os.chdir(sys.argv[1])


# numpy's arrays without numpy: classes and functions of the same names and states.
def module(name, **what):
    m = sys.modules[name] = types.ModuleType(name)
    for key, value in what.items():
        value.__module__, value.__name__, value.__qualname__ = name, key, key
        setattr(m, key, value)
    return m


class dtype:
    def __init__(self, text="u1", *_):
        self.text = text

    def __reduce__(self):
        order = self.text[0] if self.text[0] in "<>" else "|"
        return dtype, (self.text.lstrip("<>"), False, True), (3, order, None, None, None, -1, -1, 0)

    def __setstate__(self, state):
        pass


class ndarray:
    def __init__(self, data, *shape, type="u1", fortran=False):
        self.data, self.shape, self.type, self.fortran = data, shape, type, fortran

    def __reduce_ex__(self, protocol):
        if protocol == 5 and len(self.shape) > 1:
            return _frombuffer, (pickle.PickleBuffer(bytearray(self.data)), dtype(self.type), self.shape, "C")
        return _reconstruct, (ndarray, (0,), b"b"), (1, self.shape, dtype(self.type), self.fortran, self.data)

    def __setstate__(self, state):
        pass


def _reconstruct(*_):
    return ndarray(b"", 0)


def _frombuffer(*_):
    return ndarray(b"", 0)


module("numpy", ndarray=ndarray, dtype=dtype)
module("numpy.core")
module("numpy.core.multiarray", _reconstruct=_reconstruct)
module("numpy.core.numeric", _frombuffer=_frombuffer)


class Python2:
    """The opcodes of cPickle with protocol 2: byte strings, everything put into the memo."""

    def __init__(self):
        self.memo = 0

    def put(self):
        self.memo += 1
        return b"q" + bytes([self.memo]) if self.memo < 256 else b"r" + struct.pack("<I", self.memo)

    def call(self, name, arguments, state):
        return b"c" + name + b"\n" + self.put() + arguments + b"R" + self.put() + state + b"b"

    def save(self, v):
        if isinstance(v, dict):
            start = b"}" + self.put() + b"("
            return start + b"".join(self.save(k) + self.save(x) for k, x in v.items()) + b"u"
        if isinstance(v, list):
            start, rest = b"]" + self.put(), b""
            for at in range(0, len(v), 1000):
                part = v[at : at + 1000]
                rest += self.save(part[0]) + b"a" if len(part) == 1 else \
                    b"(" + b"".join(map(self.save, part)) + b"e"
            return start + rest
        if isinstance(v, str):
            v = v.encode()
        if isinstance(v, bytes):
            head = b"U" + bytes([len(v)]) if len(v) < 256 else b"T" + struct.pack("<i", len(v))
            return head + v + self.put()
        if isinstance(v, int):
            if v < 0 or v > 65535:
                return b"J" + struct.pack("<i", v)
            return b"K" + bytes([v]) if v < 256 else b"M" + struct.pack("<H", v)
        if isinstance(v, tuple):
            return b"".join(map(self.save, v)) + [b")", b"\x85", b"\x86", b"\x87"][len(v)] + self.put()
        if isinstance(v, ndarray):
            empty = b"cnumpy\nndarray\n" + self.put() + b"K\x00\x85U\x01b\x87"
            type_ = self.call(b"numpy\ndtype", b"U\x02u1K\x00K\x01\x87",
                              b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t")
            state = b"(K\x01" + self.save(v.shape) + type_ + b"\x89" + self.save(v.data) + b"t"
            return self.call(b"numpy.core.multiarray\n_reconstruct", empty, state)
        raise TypeError(v)


def store(path, v, protocol):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = b"\x80\x02" + Python2().save(v) + b"." if protocol == "py2" else pickle.dumps(v, protocol)
    with open(path, "wb") as f:
        f.write(data)
    return data


def records(path, labels):
    data = open(path, "rb").read()
    rows = [data[at : at + labels + 3072] for at in range(0, len(data), labels + 3072)]
    return [list(r[:labels]) for r in rows], [r[labels:] for r in rows]


def batch(path, protocol):
    """As the publisher has them: CIFAR-10's keys in one order, CIFAR-100's in another."""
    labels = 1 if "cifar-10-" in path else 2
    marks, rows = records(path, labels)
    images = ndarray(b"".join(rows), len(rows), 3072)
    names = [f"picture_{i}.png" for i in range(len(rows))]
    if labels == 1:
        return {"batch_label": "batch 1 of 5", "labels": [m[0] for m in marks], "data": images, "filenames": names}
    return {"filenames": names, "batch_label": "one", "fine_labels": [m[1] for m in marks],
            "coarse_labels": [m[0] for m in marks], "data": images}


def lines(path):
    return open(path).read().split()


def sets(protocol):
    root = protocol if protocol == "py2" else f"p{protocol}"
    folder = f"{root}/cifar-10-batches-py/"
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        store(folder + name, batch(f"cifar-10-batches-bin/{name}.bin", protocol), protocol)
    store(folder + "batches.meta", {"num_cases_per_batch": 10000, "num_vis": 3072,
                                    "label_names": lines("cifar-10-batches-bin/batches.meta.txt")}, protocol)
    folder = f"{root}/cifar-100-python/"
    for name in ("train", "test"):
        store(folder + name, batch(f"cifar-100-binary/{name}.bin", protocol), protocol)
    store(folder + "meta", {k: lines(f"cifar-100-binary/{k}.txt") for k in ("fine_label_names", "coarse_label_names")},
          protocol)


for protocol in ("py2", 2, 3, 4, 5):
    sets(protocol)

# Other arrangements of the test batch: pixels together, labels in an array, byte keys.
marks, rows = records("cifar-10-batches-bin/test_batch.bin", 1)
n = len(rows)
pixels = b"".join(bytes(v for rgb in zip(r[:1024], r[1024:2048], r[2048:]) for v in rgb) for r in rows)
wide = ndarray(struct.pack(f">{n}q", *(m[0] for m in marks)), n, type=">i8")
store("odd/hwc.pkl", {b"labels": wide, b"data": ndarray(pixels, n, 32, 32, 3)}, 4)
store("odd/chw.pkl", {"labels": tuple(m[0] for m in marks), "images": ndarray(b"".join(rows), n, 3, 32, 32)}, 3)
store("odd/nolabel.pkl", {b"images_of_the_test": ndarray(pixels, n, 32, 32, 3), b"ids": list(range(n))}, 4)

good = batch("cifar-10-batches-bin/test_batch.bin", 2)
plain = good["data"]
bad = {
    "call": dict(good, x=os.system),
    "short": dict(good, labels=good["labels"][1:]),
    "label": dict(good, labels=[10] + good["labels"][1:]),
    "text": dict(good, labels=["cat"] * n),
    "float": dict(good, data=ndarray(b"".join(rows) * 4, n, 3072, type="<f4")),
    "columns": dict(good, data=ndarray(plain.data, n, 3072, fortran=True)),
    "shape": dict(good, data=ndarray(plain.data, n * 3072)),
    "cut_array": dict(good, data=ndarray(plain.data[1:], n, 3072)),
    "none": dict(good, data=ndarray(b"", 0, 3072)),
    "no_images": {"labels": []},
}
for name, v in bad.items():
    store(f"bad/{name}.pkl", v, 2)
for name, data in (("cut", store("bad/whole", good, 2)[:-9]), ("memo", b"\x80\x02h\x05."),
                   ("mark", b"\x80\x02]e."), ("stack", b"\x80\x02a."), ("taken", b"\x80\x02](a."),
                   ("call_list", b"\x80\x02]K\x01\x85R."),
                   ("opcode", b"\x80\x02P0\n."), ("protocol", b"\x80\x01N."),
                   ("long", b"\x80\x02\x8a\x09" + bytes(9) + b"."),
                   ("many", b"\x80\x02(" + b"N" * (1 << 20) + b"t.")):
    with open(f"bad/{name}.pkl", "wb") as f:
        f.write(data)
os.remove("bad/whole")
# One batch without labels among four that have them.
for i in range(1, 6):
    b = batch(f"cifar-10-batches-bin/data_batch_{i}.bin", 2)
    if i == 3:
        del b["labels"]
    store(f"bad/mixed/data_batch_{i}", b, 2)
half = batch("cifar-100-binary/test.bin", 2)
del half["coarse_labels"]
store("bad/half.pkl", half, 2)
