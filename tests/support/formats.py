"""formats.py -- files as the tests read them, without any of Sluice's code: CRC-32C,
safetensors, the fields of protocol buffers. Only the standard library."""
import json


def _crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc32c_table()


def crc32c(data, crc=0):
    """Of data behind what has the checksum `crc`."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def safetensors(path):
    """The whole file, its header as a dictionary, and what stands behind that."""
    with open(path, "rb") as file:
        raw = file.read()
    size = int.from_bytes(raw[:8], "little")
    return raw, json.loads(raw[8:8 + size].decode("utf-8")), raw[8 + size:]


def tensors(path):
    """{name: (shape, bytes)}."""
    _, header, data = safetensors(path)
    header.pop("__metadata__")
    return {name: (entry["shape"], data[slice(*entry["data_offsets"])])
            for name, entry in header.items()}


def varint(data, at):
    """The number at this place, and the place behind it."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def fields(data):
    """(number, value) of each field of a protocol buffer message: a number, or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = varint(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}[wire]
        value, at = data[at:at + size], at + size
        assert len(value) == size, "a field runs past its message"
        yield key >> 3, value
