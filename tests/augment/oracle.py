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
import struct
import sys

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import autoaugment as policies
from torchvision.transforms import functional as F

H, W, C, SAMPLES, SEED = 11, 13, 3, 8, 0x5EED
f32 = np.float32


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF,
             (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


class Stream:
    """Words of (seed, epoch, sample, operation), from a block on."""

    def __init__(self, epoch, sample, operation, block=0, seed=SEED):
        self.seed = seed
        self.position = epoch << 32 | operation << 16 | block
        self.epoch, self.operation = epoch, operation
        self.sample, self.words = sample, []

    def u32(self):
        if not self.words:
            self.words = philox(
                [self.position & 0xFFFFFFFF, self.position >> 32,
                 self.sample & 0xFFFFFFFF, self.sample >> 32],
                [self.seed & 0xFFFFFFFF, self.seed >> 32])
            self.position += 1
        return self.words.pop(0)

    def unit(self):
        return (self.u32() >> 8) * 2.0 ** -24

    def range(self, low, high):
        return low + (self.u32() * (high - low + 1) >> 32)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def crc_entry(crc):
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


CRC_TABLE = [crc_entry(i) for i in range(256)]


def colour(text):
    v = [0] if text == "zero" else [int(x) for x in text.split("/")]
    return tuple(v * C if len(v) == 1 else v)


def chance(o, r, usual):
    return r.unit() < float(f32(o.get("p", usual)))


def flip(a, o, r, epoch, sample, number, axis=1):
    on = chance(o, Stream(0, sample, number) if "mode" in o else r, "0.5")
    if "mode" in o:
        on ^= bool(epoch & 1)
    return np.flip(a, axis) if on else a


def translate(a, o, r):
    pad, fill = int(o["pad"]), o.get("fill", "zero")
    around = ((pad, pad), (pad, pad), (0, 0))
    if fill in ("reflect", "edge"):
        big = np.pad(a, around, mode=fill)
    else:
        big = np.pad(a, around)
        outside = np.pad(np.zeros((H, W), bool), around[:2], constant_values=True)
        big[outside] = colour(fill)
    y, x = r.range(0, 2 * pad), r.range(0, 2 * pad)
    return big[y:y + H, x:x + W]


def cutout(a, o, r):
    n = int(o["size"])
    y, x = r.range(0, H - n), r.range(0, W - n)
    a = a.copy()
    a[y:y + n, x:x + n] = colour(o["fill"])
    return a


def erase(a, o, r):
    if not chance(o, r, "0.5"):
        return a
    low, high = map(float, o.get("scale", "0.02/0.33").split("/"))
    flat, tall = map(math.log, map(float, o.get("ratio", "0.3/3.3").split("/")))
    for _ in range(10):
        area = H * W * (low + (high - low) * r.unit())
        ratio = math.exp(flat + (tall - flat) * r.unit())
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if h < H and w < W:
            y, x = r.range(0, H - h), r.range(0, W - w)
            a = a.copy()
            if o.get("fill") == "random":
                for i in range(y, y + h):
                    for j in range(x, x + w):
                        a[i, j] = noise_of(r, i * W + j, a.dtype)
            else:
                a[y:y + h, x:x + w] = colour(o.get("fill", "zero"))
            break
    return a


def noise_of(r, pixel, dtype):
    """Bytes; of numbers, the normal distribution by Box and Muller's method."""
    seed = SEED ^ ((r.operation + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1)
    w = Stream(r.epoch, r.sample, 0, pixel, seed)
    words = [w.u32() for _ in range(4)]
    if dtype == np.uint8:
        return [v >> 24 for v in words[:C]]
    pairs = []
    for u, v in (words[:2], words[2:]):
        radius = math.sqrt(-2 * math.log(((u >> 8) + 0.5) * 2.0 ** -24))
        turn = math.radians((v >> 8) * 2.0 ** -24 * 360)
        pairs += [radius * math.cos(turn), radius * math.sin(turn)]
    return pairs[:C]


def pillow(change):
    return lambda a, *rest: np.asarray(change(Image.fromarray(np.ascontiguousarray(a)),
                                              *rest))


def rotate(im, o, r):
    angle = float(f32(o["degrees"])) * (2 * r.unit() - 1)
    return im.rotate(angle, Image.Resampling.NEAREST, fillcolor=colour(o["fill"]))


def side(r, reach):
    return (2 * r.unit() - 1) * reach


def two(text):
    v = [float(f32(x)) for x in text.split("/")]
    return v * 2 if len(v) == 1 else v


def affine(im, o, r):
    angle = side(r, float(f32(o["degrees"])))
    (across, down), (a, b) = two(o.get("translate", "0")), two(o.get("shear", "0"))
    shift = [round(side(r, across * W)), round(side(r, down * H))]
    low, high = (o.get("scale", "1").split("/") * 2)[:2]
    scale = float(low) + (float(high) - float(low)) * r.unit()
    return F.affine(im, angle, shift, scale, [side(r, a), side(r, b)],
                    fill=colour(o.get("fill", "zero")))


def slide(im, o, r, shears, down):
    on, far = chance(o, r, "0.5"), side(r, float(f32(o["reach"])))
    move = math.degrees(math.atan(far)) if shears else round(far * (H if down else W))
    pair, none = [0, move] if down else [move, 0], [0, 0]
    if not on:
        return im
    return F.affine(im, 0, none if shears else pair, 1, pair if shears else none,
                    fill=colour(o.get("fill", "zero")), center=none)


def gaussian_blur(im, o, r):
    low, high = (o.get("sigma", "0.1/2").split("/") * 2)[:2]
    sigma = float(low) + (float(high) - float(low)) * r.unit()
    return F.gaussian_blur(im, int(o["kernel"]), sigma)


def solarize_add(im, o):
    a = np.asarray(im).astype(int)
    low = a < int(o.get("threshold", "128"))
    return Image.fromarray(np.where(low, np.clip(a + int(o["addition"]), 0, 255),
                                    a).astype(np.uint8))


def adjust_hue(im, shift):
    h, s, v = im.convert("HSV").split()
    turned = (np.asarray(h).astype(np.int32) + shift).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(turned), s, v)).convert("RGB")


def jitter(im, o, r):
    reach = [f32(o.get(k, "0")) for k in ("brightness", "contrast", "saturation", "hue")]
    order = [0, 1, 2, 3]
    for i in (3, 2, 1):
        k = r.range(0, i)
        order[k], order[i] = order[i], order[k]
    factor = []
    for a in reach[:3]:
        low = f32(1) - a if a < 1 else f32(0)
        width = f32(f32(1) + a) - low
        factor.append(float(low + width * f32(r.unit())))
    turn = f32(2) * f32(r.unit()) - f32(1)
    hue = int(turn * reach[3] * f32(255))
    for what in order:
        if reach[what] <= 0:
            continue
        if what == 3:
            im = adjust_hue(im, hue)
        else:
            im = (ImageEnhance.Brightness, ImageEnhance.Contrast,
                  ImageEnhance.Color)[what](im).enhance(factor[what])
    return im


def homography(ends):
    """Solved in closed form: pixels that fall exactly on an edge hang on the last bit,
    so the order of the arithmetic is part of the meaning; numpy's solver, which works
    otherwise, must agree but for that."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = [(float(x), float(y)) for x, y in ends]
    sx, sy = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    i = (x1 - x2) * (y3 - y2) - (x3 - x2) * (y1 - y2)
    g = sx * (y3 - y2) - (x3 - x2) * sy
    h = (x1 - x2) * sy - sx * (y1 - y2)
    a, b, c = (x1 - x0) * i + g * x1, (x3 - x0) * i + h * x3, x0 * i
    d, e, f = (y1 - y0) * i + g * y1, (y3 - y0) * i + h * y3, y0 * i
    one = a * e - b * d
    rows = ((e * i - f * h, c * h - b * i, b * f - c * e),
            (f * g - d * i, a * i - c * g, c * d - a * f))
    m = [v * side / one for row, side in zip(rows, (W - 1, H - 1)) for v in row]
    m += [(d * h - e * g) / one, (b * g - a * h) / one]
    starts = ((0, 0), (W - 1, 0), (W - 1, H - 1), (0, H - 1))
    equations = []
    for (x, y), (u, v) in zip(ends, starts):
        equations.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        equations.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solved = np.linalg.solve(np.array(equations, float), np.array(starts, float).ravel())
    assert np.allclose(m, solved, rtol=1e-9, atol=1e-9)
    return m


def corners(o, r):
    d = float(o.get("distortion", "0.5"))
    dy, dx = int(d * (H // 2)), int(d * (W // 2))
    ends = []
    for right, down in ((0, 0), (1, 0), (1, 1), (0, 1)):
        x = r.range(W - 1 - dx, W - 1) if right else r.range(0, dx)
        y = r.range(H - 1 - dy, H - 1) if down else r.range(0, dy)
        ends.append((x, y))
    return ends


def perspective(im, o, r):
    on = chance(o, r, "0.5")
    solved = homography(corners(o, r))
    if not on:
        return im
    return im.transform(im.size, Image.Transform.PERSPECTIVE, solved,
                        Image.Resampling.BILINEAR, fillcolor=colour(o["fill"]))


AUTO = policies.AutoAugment(policies.AutoAugmentPolicy.CIFAR10)
RAND, WIDE = policies.RandAugment(), policies.TrivialAugmentWide()


def apply_level(im, space, kind, level, negative, fill=None):
    magnitudes, signed = space[kind]
    magnitude = float(magnitudes[level]) if magnitudes.ndim > 0 else 0.0
    return policies._apply_op(im, kind, -magnitude if signed and negative else magnitude,
                              policies.InterpolationMode.NEAREST, fill)


def policy(name, a, o, n, number):
    (h, w), bins = a.shape[:2], int(o.get("bins", "31"))
    im, fill = Image.fromarray(np.ascontiguousarray(a)), colour(o.get("fill", "zero"))
    block = lambda i: Stream(n, n, number, i)
    if name == "autoaugment":
        pair = AUTO.policies[block(0).range(0, len(AUTO.policies) - 1)]
        for turn, (kind, p, level) in enumerate(pair):
            r = block(1 + turn)
            if r.unit() < p:
                im = apply_level(im, AUTO._augmentation_space(10, (h, w)), kind, level,
                                 r.range(0, 1), fill)
    elif name == "randaugment":
        for turn in range(int(o.get("num_ops", "2"))):
            r, space = block(turn), RAND._augmentation_space(bins, (h, w))
            kind = list(space)[r.range(0, len(space) - 1)]
            im = apply_level(im, space, kind, int(o.get("magnitude", "9")),
                             r.range(0, 1), fill)
    else:
        r, space = block(0), WIDE._augmentation_space(bins)
        kind = list(space)[r.range(0, len(space) - 1)]
        level = r.range(0, bins - 1)
        im = apply_level(im, space, kind, level, r.range(0, 1), fill)
    return np.asarray(im)


def levels(name, kind):
    """A policy's operation at all its levels, as policies.c does it."""
    h, w = 24, 40
    im = Image.fromarray(test_image(h, w))
    bins = 10 if name == "autoaugment" else 31
    space = (AUTO._augmentation_space(bins, (h, w)) if name == "autoaugment" else
             RAND._augmentation_space(bins, (h, w)) if name == "randaugment" else
             WIDE._augmentation_space(bins))
    kind = next(k for k in space if k.lower() == kind.replace("_", "").lower())
    return b"".join(apply_level(im, space, kind, level, negative).tobytes()
                    for level in range(bins) for negative in (False, True))


def test_image(h, w):
    i = np.arange(h * w * C)
    return ((i * 7 + i * i // 5) % 256).astype(np.uint8).reshape(h, w, C)


def sometimes(change, usual="0.5"):
    return lambda im, o, r: change(im, o) if chance(o, r, usual) else im


def enhance(change):
    return sometimes(lambda im, o: change(im, float(f32(o["factor"]))))


OPS = {
    "translate": translate,
    "cutout": cutout,
    "erase": erase,
    "rotate": pillow(rotate),
    "affine": pillow(affine),
    "shear_x": pillow(lambda im, o, r: slide(im, o, r, True, False)),
    "shear_y": pillow(lambda im, o, r: slide(im, o, r, True, True)),
    "translate_x": pillow(lambda im, o, r: slide(im, o, r, False, False)),
    "translate_y": pillow(lambda im, o, r: slide(im, o, r, False, True)),
    "center_crop": pillow(lambda im, o, r: F.center_crop(im, int(o["size"]))),
    "gaussian_blur": pillow(gaussian_blur),
    "identity": lambda a, o, r: a,
    "solarize_add": pillow(sometimes(solarize_add)),
    "brightness": pillow(enhance(F.adjust_brightness)),
    "color": pillow(enhance(F.adjust_saturation)),
    "contrast": pillow(enhance(F.adjust_contrast)),
    "jitter": pillow(jitter),
    "perspective": pillow(perspective),
    "grayscale": pillow(sometimes(
        lambda im, o: Image.merge("RGB", (im.convert("L"),) * 3), "0.1")),
    "posterize": pillow(sometimes(lambda im, o: ImageOps.posterize(im, int(o["bits"])))),
    "solarize": pillow(sometimes(
        lambda im, o: ImageOps.solarize(im, int(o["threshold"])))),
    "invert": pillow(sometimes(lambda im, o: ImageOps.invert(im))),
    "autocontrast": pillow(sometimes(lambda im, o: ImageOps.autocontrast(im))),
    "equalize": pillow(sometimes(lambda im, o: ImageOps.equalize(im))),
    "sharpness": pillow(sometimes(
        lambda im, o: ImageEnhance.Sharpness(im).enhance(float(f32(o["factor"]))))),
}


def affine_matrix(degrees, shift, scale, shear):
    """Output to input, about the centre: the inverse of torchvision's product."""
    cx, cy, rot = W / 2, H / 2, math.radians(degrees)
    sx, sy = math.radians(shear[0]), math.radians(shear[1])
    at = lambda x, y: np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], float)
    turn = np.array([[math.cos(rot), -math.sin(rot), 0], [math.sin(rot), math.cos(rot), 0],
                     [0, 0, 1]])
    across = np.array([[1, -math.tan(sx), 0], [0, 1, 0], [0, 0, 1]])
    down = np.array([[1, 0, 0], [-math.tan(sy), 1, 0], [0, 0, 1]])
    size = np.diag([scale, scale, 1])
    return np.linalg.inv(at(*shift) @ at(cx, cy) @ turn @ down @ across @ size @ at(-cx, -cy))


def member_matrix(name, o, r):
    m = np.eye(3)
    if name == "flip" and chance(o, r, "0.5"):
        m[0] = -1, 0, W
    elif name == "vertical_flip" and chance(o, r, "0.5"):
        m[1] = 0, -1, H
    elif name == "translate":
        m[1, 2] = r.range(0, 2 * int(o["pad"])) - int(o["pad"])
        m[0, 2] = r.range(0, 2 * int(o["pad"])) - int(o["pad"])
    elif name == "rotate":
        m = affine_matrix(-float(f32(o["degrees"])) * (2 * r.unit() - 1), (0, 0), 1, (0, 0))
    elif name == "affine":
        angle = side(r, float(f32(o["degrees"])))
        (across, down), (a, b) = two(o.get("translate", "0")), two(o.get("shear", "0"))
        shift = [round(side(r, across * W)), round(side(r, down * H))]
        low, high = (o.get("scale", "1").split("/") * 2)[:2]
        scale = float(low) + (float(high) - float(low)) * r.unit()
        m = affine_matrix(angle, shift, scale, [side(r, a), side(r, b)])
    elif name == "perspective":
        on, ends = chance(o, r, "0.5"), corners(o, r)
        m = np.array(homography(ends) + [1]).reshape(3, 3) if on else m
    return m


def fused(a, parts, n):
    """Geometry as one bilinear map, in the order written, then everything else."""
    m, fill, rest = np.eye(3), None, []
    for number, (name, o) in enumerate(parts):
        r = Stream(n, n, number)
        if name in ("flip", "vertical_flip", "translate", "rotate", "affine", "perspective"):
            m = m @ member_matrix(name, o, r)
            fill = o.get("fill", fill)
        else:
            rest.append((name, o, r))
    out = np.empty_like(a)
    for y in range(H):
        for x in range(W):
            u, v, w = m @ (x + 0.5, y + 0.5, 1)
            u, v = u / w, v / w
            if w > 0 and 0 <= u < W and 0 <= v < H:
                i, j = math.floor(v - 0.5), math.floor(u - 0.5)
                fy, fx = v - 0.5 - i, u - 0.5 - j
                i0, i1, j0, j1 = max(i, 0), min(i + 1, H - 1), max(j, 0), min(j + 1, W - 1)
                top = a[i0, j0] * (1 - fx) + a[i0, j1] * fx
                low = a[i1, j0] * (1 - fx) + a[i1, j1] * fx
                out[y, x] = np.floor(top * (1 - fy) + low * fy + 0.5)
            else:
                out[y, x] = colour(fill or "zero")
    for name, o, r in rest:
        out = OPS[name](out, o, r)
    return out


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
