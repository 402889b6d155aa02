"""oracle_ops.py -- single operations by torchvision, Pillow and numpy, for oracle.py."""
import math

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import functional as F

from oracle_draws import C, H, SEED, W, Stream, chance, colour, f32


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
