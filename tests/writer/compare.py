"""Compare a .sluice file with the publisher's files it was made from.

    python3 compare.py cifar10|cifar100|mnist|svhn train|test FOLDER FILE.sluice

Reads both with the standard library alone; the .sluice file as FORMAT.md describes it.
"""
import gzip, os, struct, sys, zlib


def cifar(folder, split, labels):
    if labels == 1:
        files = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
    else:
        files = [f"{split}.bin"]
    for name in files:
        data = open(os.path.join(folder, name), "rb").read()
        for at in range(0, len(data), labels + 3072):
            record = data[at : at + labels + 3072]
            red, green, blue = (record[labels + 1024 * k : labels + 1024 * (k + 1)] for k in range(3))
            yield bytes(v for pixel in zip(red, green, blue) for v in pixel), list(record[:labels][::-1])


def mnist(folder, split):
    stem = os.path.join(folder, "train" if split == "train" else "t10k")
    images = gzip.open(stem + "-images-idx3-ubyte.gz").read()
    labels = gzip.open(stem + "-labels-idx1-ubyte.gz").read()
    count, rows, columns = struct.unpack(">III", images[4:16])
    for i in range(count):
        yield images[16 + i * rows * columns : 16 + (i + 1) * rows * columns], [labels[8 + i]]


def mat_elements(data):
    """(type, bytes) of a MAT v5 file's elements (MathWorks, "MAT-File Format", 1)."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind >> 16:  # small: four bytes within the tag
            yield kind & 0xFFFF, data[at + 4 : at + 4 + (kind >> 16)]
            at += 8
        else:
            yield kind, data[at + 8 : at + 8 + size]
            at += 8 + (size if kind == 15 else (size + 7) // 8 * 8)


def mat_variables(data):
    for kind, body in mat_elements(data):
        if kind == 15:
            yield from mat_variables(zlib.decompress(body))
        elif kind == 14:
            _, _, (_, name), (_, values) = list(mat_elements(body))[:4]
            yield name.decode(), values


def svhn(folder, split):
    found = dict(mat_variables(open(os.path.join(folder, f"{split}_32x32.mat"), "rb").read()[128:]))
    planes, labels = found["X"], found["y"]
    if len(labels) == 8 * (len(planes) // 3072):
        labels = [int(v) for v in struct.unpack(f"<{len(labels) // 8}d", labels)]
    for i, label in enumerate(labels):
        x = planes[3072 * i : 3072 * (i + 1)]
        yield bytes(x[r + 32 * (k + 32 * c)] for r in range(32) for k in range(32) for c in range(3)), [label % 10]


def sluice(path):
    """Fixed-size images and u8 labels of every segment."""
    data = open(path, "rb").read()
    slots = [data[4096 * k : 4096 * (k + 1)] for k in (1, 2)]
    slot = max((s for s in slots if s[:8] == b"SLCOMMIT"), key=lambda s: struct.unpack_from("<Q", s, 8))
    at, size = struct.unpack_from("<QQ", slot, 16)
    end = at + size
    while at < end:
        tag, _, n = struct.unpack_from("<IIQ", data, at)
        if tag & 0xFFFF == 2:
            (samples,) = struct.unpack_from("<Q", data, at + 16)
            (stores,) = struct.unpack_from("<I", data, at + 24)
            store = [struct.unpack_from("<IIQQQ", data, at + 32 + 48 * k) for k in range(stores)]
            for i in range(samples):
                parts = [data[s[2] + i * s[4] : s[2] + (i + 1) * s[4]] for s in store]
                yield parts[0], [p[0] for p in parts[1:]]
        at += 16 + (n + 7) // 8 * 8


def main(kind, split, folder, path):
    if kind in ("mnist", "svhn"):
        want = (mnist if kind == "mnist" else svhn)(folder, split)
    else:
        want = cifar(folder, split, 2 if kind == "cifar100" else 1)
    want, got = list(want), list(sluice(path))
    if not want or len(want) != len(got):
        sys.exit(f"{path}: {len(got)} samples, expected {len(want)}")
    for i, (a, b) in enumerate(zip(want, got)):
        if a != b:
            sys.exit(f"{path}: sample {i} differs")
    print(f"{path}: {len(got)} samples equal")


if __name__ == "__main__":
    main(*sys.argv[1:])
