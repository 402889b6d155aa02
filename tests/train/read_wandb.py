#!/usr/bin/env python3
"""Read Weights & Biases' offline files with nothing but the standard library: check
every checksum, length and number; print the records, a line for each value."""
import json
import os
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.dont_write_bytecode = True
from formats import fields

BLOCK = 32768


def records(data):
    assert data[:7] == b":W&B" + struct.pack("<HB", 0xBEE1, 0), "the beginning"
    at, parts = 7, []
    while at < len(data):
        left = BLOCK - at % BLOCK
        if left < 7:
            assert not any(data[at:at + left]), f"zeros at {at}"
            at += left
            continue
        crc, size, kind = struct.unpack("<IHB", data[at:at + 7])
        body = data[at + 7:at + 7 + size]
        assert len(body) == size and size <= left - 7, f"the fragment at {at} is torn"
        assert crc == zlib.crc32(body, zlib.crc32(bytes([kind]))), f"checksum at {at}"
        assert kind in ((3, 4) if parts else (1, 2)), f"type {kind} at {at}"
        parts.append(body)
        at += 7 + size
        if kind in (1, 4):
            yield b"".join(parts)
            parts = []
    assert not parts, "the last record has no end"


def items(message, field, key_field):
    for number, value in fields(message):
        if number == field:
            item = dict(fields(value))
            yield item[key_field].decode(), json.loads(item[16])


def print_run(message):
    names = {1: "id", 3: "project", 8: "name", 9: "notes", 10: "tag", 13: "host"}
    for number, value in fields(message):
        if number in names:
            print("run", names[number], value.decode())
        elif number == 17:
            assert dict(fields(value))[1] > 1e9, "start time"
        elif number == 4:
            for key, config in items(value, 1, 1):
                print("config", key, json.dumps(config, sort_keys=True))
        else:
            raise AssertionError(f"RunRecord {number}")


def print_values(what, message):
    step = [dict(fields(v))[1] for n, v in fields(message) if n == 2 and what == "history"]
    values = dict(items(message, 1, 2))
    assert what == "summary" or step == [values["_step"]], "the step stands twice"
    step = values.pop("_step", "-")
    if "_timestamp" in values:
        assert values.pop("_timestamp") > 1e9 and values.pop("_runtime") >= 0
    for key, value in values.items():
        print(what, step, key, "%.6g" % value)


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    for count, record in enumerate(records(data), 1):
        (one, number), (kind, body) = fields(record)
        assert one == 1 and number == count, f"record {count} has the number {number}"
        if kind == 21:
            print("header", dict(fields(dict(fields(body))[1]))[1].decode().split()[0])
        elif kind == 17:
            print_run(body)
        elif kind in (2, 3):
            print_values({2: "history", 3: "summary"}[kind], body)
        elif kind == 18:
            print("exit", dict(fields(body)).get(1, 0))
        else:
            raise AssertionError(f"record of kind {kind}")


main()
