"""FFCV's .beton files, made and compared with the standard library alone.

    python3 make_betons.py make DEST TREE     one for each case; TREE has baseline JPEGs
    python3 make_betons.py check NAME FILE.sluice TREE [raw]
"""
import glob, json, os, random, struct, sys

sys.dont_write_bytecode = True
PAGE = 1 << 21
FLOAT, INT, IMAGE, BYTES, ARRAY, JSON, TENSOR = range(7)
# Bytes and alignment in a record.
LAYOUT = {FLOAT: (8, 8), INT: (8, 8), IMAGE: (13, 1), BYTES: (16, 1), ARRAY: (8, 8), JSON: (16, 1), TENSOR: (8, 8)}


def arguments(kind, shape=(), dtype=""):
    if kind not in (ARRAY, TENSOR):
        return b""
    text = json.dumps([["", dtype]]).encode()
    return struct.pack("<32Q", *shape, *[0] * (32 - len(shape))) + struct.pack("<Q", len(text)) + text


class Pages:
    """What the writer's processes share: page numbers are taken as pages are needed."""

    def __init__(self, first):
        self.first, self.pages, self.table = first, [], []

    def take(self):
        self.pages.append(bytearray())
        return len(self.pages) - 1


class Process:
    def __init__(self, shared):
        self.shared, self.page = shared, None

    def place(self, sample, payloads):
        """All of a sample in one page; what was begun in one that is too short stays as waste."""
        for attempt in range(2):
            if self.page is None or attempt:
                self.page = self.shared.take()
            page, entries = self.shared.pages[self.page], []
            for payload in payloads:
                if len(page) + len(payload) > PAGE:
                    break
                entries.append((sample, self.shared.first + self.page * PAGE + len(page), len(payload)))
                page += payload
            else:
                self.shared.table += entries
                return [e[1] for e in entries]
        raise MemoryError


def beton(fields, samples, processes=1):
    """fields: (name, kind, arguments); values: numbers, (width, height, jpeg, bytes), or bytes."""
    offsets, at, widest = [], 0, 1
    for _, kind, _ in fields:
        size, align = LAYOUT[kind]
        at = (at + align - 1) // align * align
        offsets.append(at)
        at, widest = at + size, max(widest, align)
    stride = (at + widest - 1) // widest * widest
    records_at = 24 + 1041 * len(fields)
    end = records_at + stride * len(samples)
    stored = any(kind not in (FLOAT, INT) for _, kind, _ in fields)
    first = (end + PAGE - 1) // PAGE * PAGE
    shared = Pages(first)
    workers = [Process(shared) for _ in range(processes)]
    records = bytearray(stride * len(samples))
    order = sorted(range(len(samples)), key=lambda i: (i % processes, -i if processes > 1 else i))
    for i in order:
        payloads = [v[3] if kind == IMAGE else v for (_, kind, _), v in zip(fields, samples[i]) if kind not in (FLOAT, INT)]
        pointers = iter(workers[i % processes].place(i, payloads) if stored else ())
        for (_, kind, _), v, offset in zip(fields, samples[i], offsets):
            if kind == FLOAT:
                value = struct.pack("<d", v)
            elif kind == INT:
                value = struct.pack("<q", v)
            elif kind == IMAGE:
                value = struct.pack("<BHHQ", 0 if v[2] else 1, v[0], v[1], next(pointers))
            elif kind in (BYTES, JSON):
                value = struct.pack("<QQ", next(pointers), len(v))
            else:
                value = struct.pack("<Q", next(pointers))
            records[i * stride + offset : i * stride + offset + len(value)] = value
    table_at = first + PAGE * len(shared.pages) if shared.pages else end
    out = struct.pack("<HHIQQ", 2, len(fields), PAGE, len(samples), table_at)
    for name, kind, args in fields:
        out += struct.pack("<B16s", kind, name.encode()) + args.ljust(1024, b"\0")
    out += records
    if shared.pages:
        out = out.ljust(first, b"\0") + b"".join(bytes(p).ljust(PAGE, b"\0") for p in shared.pages)
    return out + b"".join(struct.pack("<QQQ", *e) for e in shared.table)


def field(name, kind, shape=(), dtype=""):
    return name, kind, arguments(kind, shape, dtype)


def size_of(jpeg):
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
    height, width = struct.unpack_from(">HH", jpeg, at + 5)
    return width, height, jpeg[at + 9], jpeg[at + 1] == 0xC2


def cases(tree):
    rng = random.Random(3)
    jpegs = [open(p, "rb").read() for p in sorted(glob.glob(f"{tree}/**/*.jpg", recursive=True))]
    jpegs = [(*size_of(j)[:2], True, j) for j in jpegs if not size_of(j)[3]]
    pixels = lambda w, h: (w, h, False, rng.randbytes(w * h * 3))
    text = lambda v: json.dumps(v).encode() + b"\0"
    yield "all", 1, [field("image", IMAGE), field("weight", FLOAT), field("label", INT), field("raw", BYTES),
                     field("array", ARRAY, (2, 3), "<f4"), field("meta", JSON), field("tensor", TENSOR, (4,), "<i8")], [
        [jpegs[i] if i % 3 else pixels(5 + i, 7), i / 3, i - 4, rng.randbytes(i * 5 % 7),
         struct.pack("<6f", *(i + k / 2 for k in range(6))), text({"n": i, "s": "é\n", "l": [None, 1.5]}),
         struct.pack("<4q", i, -i, 1 << 62, -(1 << 63))] for i in range(20)]
    yield "usual", 1, [field("image", IMAGE), field("label", INT)], [[pixels(8, 6), i % 10] for i in range(50)]
    yield "workers", 3, [field("x", INT), field("picture", IMAGE), field("second", IMAGE)], [
        [i, pixels(9, 4), jpegs[i % 9]] for i in range(31)]
    yield "pages", 1, [field("image", IMAGE), field("rest", BYTES)], [
        [pixels(300, 300), rng.randbytes(500_000 + i)] for i in range(5)]
    yield "numbers", 1, [field("a", INT), field("b", FLOAT)], [[(-1) ** i << i, 1 / (i + 1)] for i in range(40)]
    yield "empty", 1, [field("a", BYTES), field("b", BYTES)], [[b"", b"xyz"], [b"abc", b""], [b"", b""]]
    yield "types", 1, [field("u2", ARRAY, (3,), "<u2"), field("u4", ARRAY, (2,), ">u4"), field("u8", ARRAY, (1,), "<u8"),
                       field("f4", ARRAY, (2, 1, 1, 2), ">f4"), field("b1", TENSOR, (2,), "|b1"), field("f2", ARRAY, (2,), "<f2"),
                       field("i1", ARRAY, (3,), "|i1"), field("i2", TENSOR, (1,), ">i2"), field("one", ARRAY, (), "<f8"),
                       field("sixteen_letters_", ARRAY, (2,), "|u1")], [
        [struct.pack("<3H", 0, i, 65535), struct.pack(">2I", i, 0xFFFFFFFF), struct.pack("<Q", i << 55),
         struct.pack(">4f", i, -1, 0.5, 2), bytes([i & 1, 1]), struct.pack("<2e", i, -0.25), struct.pack("3b", i, -1, -128),
         struct.pack(">h", -i), struct.pack("<d", i / 7), bytes([i, 255])] for i in range(4)]


def wanted(kind, args, v):
    """What reader.py should give; of images and bytes, as (bytes, codec, height, width, channels)."""
    if kind == IMAGE:
        return v[3], int(v[2]), v[1], v[0], size_of(v[3])[2] if v[2] else 3
    if kind == BYTES:
        return v, 0, 0, 0, 0
    if kind == JSON:
        return json.loads(v[:-1])
    if kind in (FLOAT, INT):
        return v
    n = struct.unpack_from("<Q", args, 256)[0]
    dtype, shape = json.loads(args[264 : 264 + n])[0][1], [s for s in struct.unpack_from("<32Q", args) if s]
    letter = {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "i1": "b", "i2": "h", "i8": "q", "f2": "e", "f4": "f", "f8": "d",
              "b1": "B"}[dtype[1:]]
    values = list(struct.unpack((">" if dtype[0] == ">" else "<") + f"{len(v) // int(dtype[2:])}{letter}", v))
    for size in reversed(shape[1:]):
        values = [values[k : k + size] for k in range(0, len(values), size)]
    return values if shape else values[0]


def check(name, path, tree, raw):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../format"))
    import reader

    _, _, fields, samples = next(c for c in cases(tree) if c[0] == name)
    got = reader.File(path)
    assert got.count == len(samples), f"{got.count} samples, expected {len(samples)}"
    assert [f.name for f in got.fields] == [f[0] for f in fields], got.fields
    for i, values in enumerate(samples):
        found = got.sample(i)
        for (field_name, kind, args), v in zip(fields, values):
            want, have = wanted(kind, args, v), found[field_name]
            if raw and kind == IMAGE and v[2]:
                want, have = (0, v[1], v[0], 3), tuple(have)[1:]
            have = tuple(have) if isinstance(have, reader.Payload) else have
            assert have == want, f"sample {i}, {field_name}: found {have!r:.200}, expected {want!r:.200}"


if __name__ == "__main__":
    if sys.argv[1] == "make":
        for name, processes, fields, samples in cases(sys.argv[3]):
            with open(f"{sys.argv[2]}/{name}.beton", "wb") as f:
                f.write(beton(fields, samples, processes))
    else:
        check(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:] == ["raw"])
