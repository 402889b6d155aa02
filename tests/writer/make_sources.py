"""Make small datasets in their publishers' formats.  python3 make_sources.py DEST"""
import gzip, io, os, random, struct, sys, tarfile, zlib

os.chdir(sys.argv[1])
rng = random.Random(7)


def records(n, labels):
    return b"".join(bytes(rng.randrange(c) for c in labels) + rng.randbytes(3072) for _ in range(n))


def archive(folder, order):
    """As the publisher packs it: not in the order of the names."""
    with tarfile.open(folder.split("-batches")[0].removesuffix("-binary") + "-binary.tar.gz", "w:gz") as tar:
        for name in order:
            tar.add(os.path.join(folder, name))


os.makedirs("cifar-10-batches-bin")
for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
    with open(f"cifar-10-batches-bin/{name}", "wb") as f:
        f.write(records(9, [10]))
with open("cifar-10-batches-bin/batches.meta.txt", "w") as f:
    f.write("airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n")
archive("cifar-10-batches-bin", ["data_batch_1.bin", "batches.meta.txt", "data_batch_3.bin", "test_batch.bin",
                                 "data_batch_5.bin", "data_batch_4.bin", "data_batch_2.bin"])

os.makedirs("cifar-100-binary")
for name, n in (("train.bin", 20), ("test.bin", 4)):
    with open(f"cifar-100-binary/{name}", "wb") as f:
        f.write(records(n, [20, 100]))
for name, n in (("fine_label_names.txt", 100), ("coarse_label_names.txt", 20)):
    with open(f"cifar-100-binary/{name}", "w") as f:
        f.write("".join(f"class{i}\n" for i in range(n)))
archive("cifar-100-binary", ["test.bin", "fine_label_names.txt", "coarse_label_names.txt", "train.bin"])

os.makedirs("mnist")
for name, n in (("train", 30), ("t10k", 11)):
    with gzip.open(f"mnist/{name}-images-idx3-ubyte.gz", "wb") as f:
        f.write(struct.pack(">IIII", 2051, n, 28, 27) + rng.randbytes(n * 28 * 27))
    with gzip.open(f"mnist/{name}-labels-idx1-ubyte.gz", "wb") as f:
        f.write(struct.pack(">II", 2049, n) + bytes(rng.randrange(10) for _ in range(n)))


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(name, kind, dims, element_type, data):
    """A MATLAB matrix of class `kind` (9: u8, 6: double)."""
    return element(14, element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(dims)}i", *dims)) +
                   element(1, name.encode()) + element(element_type, data))


def compressed(data):
    packed = zlib.compress(data)
    return struct.pack("<II", 15, len(packed)) + packed


os.makedirs("svhn")
for name, n, wrap in (("train", 23, compressed), ("test", 5, bytes)):
    labels = [1 + rng.randrange(10) for _ in range(n)]
    x = matrix("X", 9, (32, 32, 3, n), 2, rng.randbytes(3072 * n))
    y = matrix("y", 9, (n, 1), 2, bytes(labels)) if name == "train" else \
        matrix("y", 6, (n, 1), 9, struct.pack(f"<{n}d", *labels))
    with open(f"svhn/{name}_32x32.mat", "wb") as f:
        f.write(b"MATLAB 5.0 MAT-file, made for a test".ljust(116) + bytes(8) + struct.pack("<H", 0x0100) + b"IM")
        f.write(wrap(x) + wrap(y))
