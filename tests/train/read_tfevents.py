#!/usr/bin/env python3
"""Read TensorBoard event files with nothing but the standard library: check every
length and checksum, print each scalar as `step tag value`."""
import struct
import sys


def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = crc32c_table()


def masked(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of each field of a protocol buffer message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = data[at:at + 8], at + 8
        elif wire == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
            assert len(value) == size, "a field runs past its message"
        elif wire == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise AssertionError(f"wire type {wire}")
        yield key >> 3, value


def records(data):
    at = 0
    while at < len(data):
        head = data[at:at + 8]
        size, = struct.unpack("<Q", head)
        crc, = struct.unpack("<I", data[at + 8:at + 12])
        assert crc == masked(head), f"checksum of the length at {at}"
        body = data[at + 12:at + 12 + size]
        assert len(body) == size, f"record at {at} is torn"
        crc, = struct.unpack("<I", data[at + 12 + size:at + 16 + size])
        assert crc == masked(body), f"checksum of the record at {at}"
        yield body
        at += size + 16


def main():
    assert masked(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    for i, body in enumerate(records(data)):
        event = dict(fields(body))
        assert struct.unpack("<d", event[1])[0] > 1e9, "wall time"
        if i == 0:
            assert event[3] == b"brain.Event:2", "the first record is the version"
            continue
        for number, value in fields(event[5]):
            assert number == 1
            scalar = dict(fields(value))
            print(event.get(2, 0), scalar[1].decode(),
                  "%.6g" % struct.unpack("<f", scalar[2])[0])


main()
