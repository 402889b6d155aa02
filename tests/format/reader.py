"""A reader of .sluice files written from FORMAT.md alone, with the standard library alone.

    python3 reader.py FILE        check everything, print each sample as a line of JSON

As a module: File(path) has .fields, .classes, .mean, .std, .provenance, .count, and
.sample(i): a dict from field names to values. Payloads are Payload tuples.
"""
import collections
import json
import struct
import sys

Field = collections.namedtuple("Field", "name kind dtype shape")
Payload = collections.namedtuple("Payload", "bytes codec height width channels")

SCALAR, IMAGE, BYTES, TENSOR, JSON = 1, 2, 3, 4, 5
COLUMN, FIXED, INDEXED = 1, 2, 3
BLOCK = 4096
# Element types: letter of struct; bf16 is read as the upper half of an f32.
LETTERS = {1: "B", 2: "b", 3: "h", 4: "i", 5: "q", 6: "e", 7: "f", 8: "d", 9: "H"}
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 2, 7: 4, 8: 8, 9: 2}

CRC = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ 0x82F63B78 if byte & 1 else byte >> 1
    CRC.append(byte)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def demand(good, what):
    if not good:
        raise ValueError(what)


def elements(dtype, data):
    values = struct.unpack(f"<{len(data) // SIZES[dtype]}{LETTERS[dtype]}", data)
    if dtype == 9:
        values = [struct.unpack("<f", struct.pack("<I", v << 16))[0] for v in values]
    return list(values)


def nested(values, shape):
    """A flat list as lists within lists, row-major."""
    if len(shape) < 2:
        return values if shape else values[0]
    step = len(values) // shape[0]
    return [nested(values[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


class Store:
    """One field of one segment."""

    def __init__(self, file, field, samples, entry):
        self.file, self.field = file, field
        self.type, self.codec, self.data, self.size, self.stride, table, crc = struct.unpack("<IIQQQQI4x", entry)
        demand(self.data + self.size <= file.length, f"{field.name}: data outside the file")
        if self.type == COLUMN:
            body = file.at(self.data, self.size)
        else:
            body = file.at(table, samples * (4 if self.type == FIXED else 32))
        demand(crc32c(body) == crc, f"{field.name}: table checksum")
        self.table = body

    def value(self, i):
        if self.type == COLUMN:
            return elements(self.field.dtype, self.table[i * self.stride : (i + 1) * self.stride])[0]
        if self.type == FIXED:
            (crc,) = struct.unpack_from("<I", self.table, 4 * i)
            size = [0, 0, 0]
            if self.field.kind == IMAGE:
                size = self.field.shape[:3]
            payload = Payload(self.file.at(self.data + i * self.stride, self.stride), self.codec, *size)
        else:
            at, n, crc, height, width, channels, codec = struct.unpack_from("<QIIIIHH", self.table, 32 * i)
            demand(self.data <= at and at + n <= self.data + self.size, f"{self.field.name}: sample {i} outside")
            payload = Payload(self.file.at(at, n), codec, height, width, channels)
        demand(crc32c(payload.bytes) == crc, f"{self.field.name}: sample {i} of its segment: checksum")
        if self.field.kind == TENSOR:
            return nested(elements(self.field.dtype, payload.bytes), self.field.shape)
        if self.field.kind == JSON:
            return json.loads(payload.bytes)
        return payload


class File:
    def __init__(self, path):
        self.bytes = open(path, "rb").read()
        head = self.bytes[:BLOCK]
        demand(head[:8] == b"\x89SLC\r\n\x1a\n" and self.sealed(head), "superblock")
        major, _, block, _, incompatible = struct.unpack_from("<HHIQQ", head, 8)
        demand((major, block, incompatible) == (1, BLOCK, 0), "version or features")
        slots = [self.bytes[BLOCK * k : BLOCK * (k + 1)] for k in (1, 2)]
        slots = [s for s in slots if s[:8] == b"SLCOMMIT" and self.sealed(s)]
        demand(slots, "no commit")
        slot = max(slots, key=lambda s: struct.unpack_from("<Q", s, 8))
        self.commit, at, size, crc, self.length, self.count = struct.unpack_from("<QQQI4xQQ", slot, 8)
        demand(self.length <= len(self.bytes), "truncated")
        directory = self.at(at, size)
        demand(crc32c(directory) == crc, "directory checksum")
        self.fields, self.segments = [], []
        self.class_field, self.classes, self.mean, self.std, self.provenance = None, [], [], [], {}
        for tag, body in self.records(directory):
            self.record(tag, body)
        demand(sum(samples for samples, _ in self.segments) == self.count, "samples of the segments")

    @staticmethod
    def sealed(block):
        return struct.unpack_from("<I", block, 4092)[0] == crc32c(block[:4092])

    def at(self, offset, size):
        demand(offset + size <= self.length, f"{size} bytes at {offset}: outside")
        return self.bytes[offset : offset + size]

    @staticmethod
    def records(directory):
        at = 0
        while at < len(directory):
            tag, _, size = struct.unpack_from("<IIQ", directory, at)
            demand(at + 16 + size <= len(directory), "record outside the directory")
            yield tag, directory[at + 16 : at + 16 + size]
            at += 16 + (size + 7) // 8 * 8

    def record(self, tag, body):
        if tag == 0x40000001:
            for at in range(0, len(body), 64):
                name, kind, dtype, rank, *shape = struct.unpack_from("<32sBBBx4I", body, at)
                axes = 3 if kind == IMAGE else rank
                self.fields.append(Field(name.split(b"\0")[0].decode(), kind, dtype, shape[:axes]))
        elif tag == 0x40000002:
            samples, stores = struct.unpack_from("<QI", body)
            demand(stores == len(self.fields), "stores of a segment")
            entries = [body[16 + 48 * k : 64 + 48 * k] for k in range(stores)]
            self.segments.append((samples, [Store(self, f, samples, e) for f, e in zip(self.fields, entries)]))
        elif tag == 3:
            field, count = struct.unpack_from("<II", body)
            self.class_field = self.fields[field].name
            self.classes = [name.decode() for name in body[8:].split(b"\0")[:count]]
        elif tag == 4:
            values = struct.unpack(f"<{len(body) // 8}d", body)
            self.mean, self.std = values[: len(values) // 2], values[len(values) // 2 :]
        elif tag == 5:
            self.provenance = json.loads(body)
        else:
            demand(not tag & 1 << 30, f"record {tag:#x} must be known")

    def sample(self, i):
        for samples, stores in self.segments:
            if i < samples:
                return {f.name: s.value(i) for f, s in zip(self.fields, stores)}
            i -= samples
        raise IndexError(i)


def plain(value):
    return value._replace(bytes=value.bytes.hex())._asdict() if isinstance(value, Payload) else value


if __name__ == "__main__":
    opened = File(sys.argv[1])
    for number in range(opened.count):
        print(json.dumps({name: plain(v) for name, v in opened.sample(number).items()}))
