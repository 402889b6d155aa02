"""oracle_geometry.py -- geometry:mode=fused as one matrix and one bilinear map, for
oracle.py."""
import math

import numpy as np

from oracle_draws import H, W, Stream, chance, colour, f32
from oracle_ops import OPS, corners, homography, side, two


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
