/* philox.c -- Philox4x32-10 against its published vectors (Random123 1.14,
 * kat_vectors), and the stream's layout. */
#include <string.h>

#include <sluice/rng.h>

#include "check.h"

static void vector(const uint32_t counter[4], const uint32_t key[2],
                   const uint32_t want[4])
{
    uint32_t got[4];
    sluice_philox(counter, key, got);
    for (int i = 0; i < 4; i++)
        CHECK(got[i] == want[i], "word %d: %08x, not %08x", i, got[i], want[i]);
}

int main(void)
{
    vector((uint32_t[]){ 0, 0, 0, 0 }, (uint32_t[]){ 0, 0 },
           (uint32_t[]){ 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 });
    vector((uint32_t[]){ ~0u, ~0u, ~0u, ~0u }, (uint32_t[]){ ~0u, ~0u },
           (uint32_t[]){ 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd });
    vector((uint32_t[]){ 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
           (uint32_t[]){ 0xa4093822, 0x299f31d0 },
           (uint32_t[]){ 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 });

    /* Word i of the stream is word i % 4 of block i / 4; the counter carries over. */
    struct sluice_rng r =
        sluice_rng_at(0x299f31d0a4093822u, 0x0370734413198a2eu, 0xffffffffu);
    uint32_t block[4];
    for (uint32_t i = 0; i < 8; i++) {
        const uint64_t position = 0xffffffffu + (uint64_t)(i / 4);
        const uint32_t counter[4] = { (uint32_t)position, (uint32_t)(position >> 32),
                                      0x13198a2e, 0x03707344 };
        sluice_philox(counter, (uint32_t[]){ 0xa4093822, 0x299f31d0 }, block);
        const uint32_t got = sluice_rng_u32(&r);
        CHECK(got == block[i % 4], "word %u of the stream", i);
    }
    /* An image's stream begins at epoch << 32 | operation << 16 of its subsequence. */
    struct sluice_rng a = sluice_rng_open(9, 3, 77, 5);
    struct sluice_rng b = sluice_rng_at(9, 77, 3ull << 32 | 5u << 16);
    CHECK(memcmp(&a, &b, sizeof(a)) == 0, "place of an image's stream");
    for (int i = 0; i < 1000; i++) {
        const float u = sluice_rng_unit(&a);
        const int n = sluice_rng_range(&a, -2, 2);
        CHECK(u >= 0 && u < 1 && n >= -2 && n <= 2, "%g %d", (double)u, n);
    }
    return check_done();
}
