"""Draw a small dataset of shapes in MNIST's file format: a last resort with no network.

    python3 make_shapes.py DEST      DEST/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz

Ten classes: filled or hollow squares, discs, diamonds, crosses and bars, of random
place, size and brightness on noise. Standard library only; the same bytes every time.
"""
import gzip, os, random, struct, sys

SIDE = 28


def inside(kind, dx, dy, r):
    """Whether (dx, dy) from the centre belongs to shape `kind` of radius r."""
    ax, ay = abs(dx), abs(dy)
    thick = max(1.0, r / 3)
    return (
        max(ax, ay) <= r,
        r - thick <= max(ax, ay) <= r,
        dx * dx + dy * dy <= r * r,
        (r - thick) ** 2 <= dx * dx + dy * dy <= r * r,
        ax + ay <= r,
        r - thick <= ax + ay <= r,
        (ax <= thick or ay <= thick) and max(ax, ay) <= r,
        abs(ax - ay) <= thick and max(ax, ay) <= r,
        ay <= thick and ax <= r,
        ax <= thick and ay <= r,
    )[kind]


def draw(rng, kind):
    r = rng.uniform(5, 9)
    cx, cy = rng.uniform(r, SIDE - r), rng.uniform(r, SIDE - r)
    ink, noise = rng.randint(120, 255), rng.randbytes(SIDE * SIDE)
    return bytes(
        min(255, (noise[y * SIDE + x] >> 2) + (ink if inside(kind, x - cx, y - cy, r) else 0))
        for y in range(SIDE)
        for x in range(SIDE)
    )


def write(dest, name, count, rng):
    labels = bytes(rng.randrange(10) for _ in range(count))
    with gzip.GzipFile(os.path.join(dest, f"{name}-labels-idx1-ubyte.gz"), "wb", mtime=0) as f:
        f.write(struct.pack(">II", 2049, count) + labels)
    with gzip.GzipFile(os.path.join(dest, f"{name}-images-idx3-ubyte.gz"), "wb", 1, mtime=0) as f:
        f.write(struct.pack(">IIII", 2051, count, SIDE, SIDE))
        for kind in labels:
            f.write(draw(rng, kind))


def main(dest):
    rng = random.Random(1)
    os.makedirs(dest, exist_ok=True)
    write(dest, "train", 12000, rng)
    write(dest, "t10k", 2000, rng)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
