#!/usr/bin/env python3
"""oracle.py -- the checksums of golden.c, policies.c and mixing.c,
made without this project's code.

    oracle.py [tests/augment]

Draws are those of Philox4x32-10 as sluice/rng.h describes them; pixels are changed by
torchvision on 8-bit PIL images, by Pillow and numpy (`pip install torchvision`). Prints
each case with the checksum found here, and fails on a difference. Not run
by the tests, which need nothing from outside. Seen to agree with torchvision 0.29,
Pillow 13.0 and numpy 2.4."""
import math
import re
import sys

import numpy as np

from oracle_draws import C, H, SAMPLES, W, Stream, chance, crc32c, f32
from oracle_geometry import fused
from oracle_ops import OPS, flip
from oracle_policies import levels, policy, test_image


def normalize(a, o):
    mean = [float(x) for x in o["mean"].split("/")]
    std = [float(x) for x in o["std"].split("/")]
    gain = np.array([1 / s for s in std], f32)
    bias = np.array([-m / s for m, s in zip(mean * (len(std) // len(mean)), std)], f32)
    return (a.astype(f32) * gain).astype(f32) + bias


def run(pipeline, source, n):
    a = source
    if pipeline.startswith("geometry:mode=fused,"):
        texts = [text.split(":") for text in pipeline.split(",")[1:]]
        return fused(a, [(t[0], dict(x.split("=") for x in t[1:])) for t in texts], n)
    for number, text in enumerate(p for p in pipeline.split(",") if p):
        name, *args = text.split(":")
        o = dict(arg.split("=") for arg in args)
        r = Stream(n, n, number)
        if name == "flip_alternating":
            name, o["mode"] = "flip", "alternating"
        if name in ("flip", "vertical_flip"):
            a = flip(a, o, r, n, n, number, 0 if name == "vertical_flip" else 1)
        elif name in ("autoaugment", "randaugment", "trivialaugment_wide"):
            a = policy(name, a, o, n, number)
        elif name == "normalize":
            a = normalize(a, o)
        else:
            a = OPS[name](a, o, r)
    return a


def to_bytes(a, dtype, layout):
    if layout == "NCHW":
        a = a.transpose(2, 0, 1)
    a = np.ascontiguousarray(a)
    if dtype == "BF16":
        u = a.astype(f32).view(np.uint32).astype(np.uint64)
        return ((u + 0x7FFF + (u >> 16 & 1)) >> 16).astype("<u2").tobytes()
    with np.errstate(over="ignore"):
        return a.astype({"U8": "u1", "F32": "<f4", "F16": "<f2"}[dtype]).tobytes()


def golden(text):
    source = test_image(H, W)
    case = re.compile(r'\{((?:\s*"[^"]*")+),\s*SLUICE_(\w+),\s*SLUICE_(\w+),\s*(\w+)\s*\}')
    for strings, dtype, layout, want in case.findall(text):
        pipeline = "".join(re.findall(r'"([^"]*)"', strings))
        yield f"{dtype} {layout} {pipeline}", want, b"".join(
            to_bytes(run(pipeline, source, n), dtype, layout) for n in range(SAMPLES))


def all_levels(text):
    for name, kind, want in re.findall(r'\{ "(\w+)", CHANGE_(\w+), (\w+) \}', text):
        yield f"{name} {kind}", want, levels(name, kind)
    source, samples = test_image(24, 40), int(re.search(r"SAMPLES = (\d+)", text)[1])
    for name, want in re.findall(r'\{ "(\w+)", (\w+) \}', text):
        yield f"{name} images", want, b"".join(
            policy(name, source, {}, n, 0).tobytes() for n in range(samples))


def noise(size, seed):
    out = bytearray()
    for _ in range(size):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(seed >> 24)
    return np.frombuffer(bytes(out), np.uint8)


def cut_box(h, w, share, r):
    """rand_bbox of the authors' code."""
    cut_h, cut_w = int(h * math.sqrt(1 - share)), int(w * math.sqrt(1 - share))
    x, y = r.range(0, w - 1), r.range(0, h - 1)
    edges = np.clip([y - cut_h // 2, y + cut_h // 2], 0, h), np.clip(
        [x - cut_w // 2, x + cut_w // 2], 0, w)
    return slice(*edges[0]), slice(*edges[1])


def mixed_batches(name, o, dtype):
    """With alpha = 1, so that shares are uniform, as mixing.c does it."""
    ids = [5, 900, 31, 7, 8, 1 << 40, 2]
    images = [noise(12 * 12 * C, 2 + n).reshape(12, 12, C) for n in range(len(ids))]
    for number in range(20):
        for n, a in enumerate(images):
            r = Stream(4, ids[n] if o.get("per") == "sample" else number, 0, 0, 9)
            if chance(o, r, "1"):
                b = images[(n + r.range(1, len(ids) - 1)) % len(ids)]
                share = ((r.u32() >> 8) + 0.5) * 2.0 ** -24
                if name == "cutmix":
                    box = cut_box(12, 12, share, r)
                    a = a.copy()
                    a[box] = b[box]
                else:
                    s = f32(share)
                    a = a.astype(f32) * s + b.astype(f32) * (f32(1) - s)
                    a = np.rint(a) if dtype == "U8" else a
            yield to_bytes(np.asarray(a), dtype, "NHWC")


def mixes(text):
    for text, dtype, want in re.findall(r'\{ "([\w:=.]+)", SLUICE_(\w+), (\w+) \}', text):
        name, *args = text.split(":")
        o = dict(arg.split("=") for arg in args)
        yield f"{dtype} {text}", want, b"".join(mixed_batches(name, o, dtype))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "tests/augment"
    wrong = 0
    for file, cases in (("golden.c", golden), ("policies.c", all_levels),
                        ("mixing.c", mixes)):
        for what, want, data in cases(open(f"{folder}/{file}").read()):
            crc = crc32c(data)
            good = crc == int(want, 16)
            wrong += not good
            print(f"{'same' if good else 'OTHER'} 0x{crc:08x} {what}")
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
