"""oracle_draws.py -- the random words of sluice/rng.h, and checksums, for oracle.py."""
import numpy as np

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
