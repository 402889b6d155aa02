/* philox.c -- the generator gives the published numbers, and its streams are where
 * rng.h says.
 *
 * The known answers are those of Random123's kat_vectors for philox4x32-10. */
#include <string.h>

#include <sluice/rng.h>

#include "check.h"

static void known_answers(void)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } cases[] = {
        { { 0, 0, 0, 0 },
          { 0, 0 },
          { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (int i = 0; i < 3; i++) {
        uint32_t got[4];
        sluice_philox(cases[i].counter, cases[i].key, got);
        CHECK(memcmp(got, cases[i].want, sizeof(got)) == 0,
              "case %d: %08x %08x %08x %08x", i, got[0], got[1], got[2], got[3]);
    }
}

/* The same place by cuRAND's steps: curand_init() starts at zero, adds the subsequence
 * to the upper half of the counter and a quarter of the offset to all of it; a state
 * hands out the block's words from offset % 4 on. */
static uint32_t curand_word(uint64_t seed, uint64_t subsequence, uint64_t offset)
{
    const uint64_t block = offset / 4;
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    const uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32),
                                  (uint32_t)subsequence,
                                  (uint32_t)(subsequence >> 32) };
    uint32_t out[4];
    sluice_philox(counter, key, out);
    return out[offset % 4];
}

static void mapping(void)
{
    static const uint64_t seeds[] = { 0, 1, 0xfedcba9876543210 };
    static const uint64_t samples[] = { 0, 49999, 0x123456789abcdef0 };
    static const uint32_t epochs[] = { 0, 7,
                                       0x3fffffff }; /* cuRAND's offset: 64 bits */
    for (int i = 0; i < 27; i++) {
        const uint64_t seed = seeds[i % 3], sample = samples[i / 3 % 3];
        const uint32_t epoch = epochs[i / 9];
        const uint16_t op = (uint16_t)(i * 2521);
        struct sluice_rng r = sluice_rng_open(seed, epoch, sample, op);
        const uint64_t offset = ((uint64_t)epoch << 32 | (uint32_t)op << 16) * 4;
        for (uint64_t n = 0; n < 11; n++) {
            const uint32_t got = sluice_rng_u32(&r);
            const uint32_t want = curand_word(seed, sample, offset + n);
            CHECK(got == want, "case %d, word %d: %08x, not %08x", i, (int)n, got,
                  want);
        }
    }
}

static void ranges(void)
{
    struct sluice_rng r = sluice_rng_at(3, 0, 0);
    int low = 0, high = 0;
    for (int i = 0; i < 10000; i++) {
        const float u = sluice_rng_unit(&r);
        const int v = sluice_rng_range(&r, -3, 2);
        CHECK(u >= 0 && u < 1, "unit %g", (double)u);
        CHECK(v >= -3 && v <= 2, "range %d", v);
        low += v == -3;
        high += v == 2;
    }
    CHECK(low > 1500 && high > 1500, "ends of the range: %d and %d", low, high);
    r = sluice_rng_at(3, 0, 0);
    CHECK(sluice_rng_below(&r, 1) == 0, "below 1");
    /* Past the last block of the low word, the carry goes up. */
    r = sluice_rng_at(5, 9, 0xffffffff);
    struct sluice_rng next = sluice_rng_at(5, 9, 0x100000000);
    for (int i = 0; i < 4; i++)
        sluice_rng_u32(&r);
    CHECK(sluice_rng_u32(&r) == sluice_rng_u32(&next), "carry into the high word");
}

int main(void)
{
    known_answers();
    mapping();
    ranges();
    return check_done();
}
