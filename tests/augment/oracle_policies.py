"""oracle_policies.py -- torchvision's policies with this project's draws, for oracle.py."""
import numpy as np
from PIL import Image
from torchvision.transforms import autoaugment as policies

from oracle_draws import C, Stream, colour

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
