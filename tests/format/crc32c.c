/* crc32c.c -- the checksum against its definition, bit by bit: every length around the
 * stripes of the fast path, every alignment, in one piece and in two. */
#include <stdint.h>

#include <sluice/crc32c.h>
#include <sluice/rng.h>

#include "check.h"

enum { LONGEST = 3 * 4096 + 3 * 1024 + 3 * 128 + 40 };

static uint32_t bit_by_bit(uint32_t crc, const uint8_t *p, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    }
    return ~crc;
}

int main(void)
{
    static uint8_t bytes[LONGEST + 8];
    uint32_t want = 0;
    struct sluice_rng rng = sluice_rng_at(1, 0, 0);
    CHECK(sluice_crc32c(0, "123456789", 9) == 0xe3069283, "the nine digits: %08x",
          sluice_crc32c(0, "123456789", 9));
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)sluice_rng_u32(&rng);
    for (size_t size = 0; size <= LONGEST; size++) {
        const size_t cut = size ? sluice_rng_u32(&rng) % size : 0;
        const uint32_t whole = sluice_crc32c(0, bytes, size);
        const uint32_t parts =
            sluice_crc32c(sluice_crc32c(0, bytes, cut), bytes + cut, size - cut);
        CHECK(whole == want, "%zu bytes: expected %08x, found %08x", size, want, whole);
        CHECK(parts == want, "%zu bytes cut at %zu: %08x", size, cut, parts);
        want = bit_by_bit(want, bytes + size, 1);
    }
    for (size_t at = 0; at < 8; at++)
        CHECK(sluice_crc32c(7, bytes + at, LONGEST) ==
                  bit_by_bit(7, bytes + at, LONGEST),
              "at %zu", at);
    return check_done();
}
