#!/usr/bin/env python3
"""Read TensorBoard event files with nothing but the standard library: check every
length and checksum, print each scalar as `step tag value`."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.dont_write_bytecode = True
from formats import crc32c, fields


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


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
