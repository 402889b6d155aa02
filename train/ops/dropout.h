/* dropout.h -- which elements are dropped: a pure function of (seed, step, operator,
 * element), the same on every device and drawn again in backward instead of kept.
 *
 * Philox4x32-10 with key = seed, counter[0:1] = element / 4, counter[2:3] = 1 << 63 |
 * operator << 48 | step; word element % 4 of the block decides. The top bit keeps
 * these streams apart from those of images, whose counter[2:3] is a sample number.
 * With one draw a channel, image n's channel c has that of element n * channels + c. */
#ifndef SLUICE_DROPOUT_H
#define SLUICE_DROPOUT_H

#include <sluice/rng.h>

/* An element stays if its word is at least this. */
SLUICE_HD static inline uint32_t dropout_threshold(float p)
{
    return (uint32_t)((double)p * 4294967296.0);
}

/* counter[2:3] */
SLUICE_HD static inline uint64_t dropout_stream(uint64_t step, int number)
{
    return (uint64_t)1 << 63 | (uint64_t)(number & 0x7fff) << 48 |
           (step & 0xffffffffffffULL);
}

/* The words of elements 4 * block ... 4 * block + 3. */
SLUICE_HD static inline void dropout_words(uint64_t seed, uint64_t step, int number,
                                           uint64_t block, uint32_t words[4])
{
    const uint64_t stream = dropout_stream(step, number);
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    const uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32),
                                  (uint32_t)stream, (uint32_t)(stream >> 32) };
    sluice_philox(counter, key, words);
}

/* The words of `count` elements from `first` on. */
SLUICE_HD static inline void dropout_words_from(uint64_t seed, uint64_t step,
                                                int number, uint64_t first, int count,
                                                uint32_t *words)
{
    uint32_t block[4];
    for (int i = 0; i < count; i++) {
        const uint64_t element = first + (uint64_t)i;
        if (i == 0 || element % 4 == 0)
            dropout_words(seed, step, number, element / 4, block);
        words[i] = block[element % 4];
    }
}

#endif
