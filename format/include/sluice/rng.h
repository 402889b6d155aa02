/* sluice/rng.h -- Philox4x32-10, the counter-based generator behind every random
 * draw, the same on CPU and GPU.
 *
 * Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (SC'11).
 * A draw is a pure function of (key, counter): no state is kept, so the numbers do
 * not depend on threads, order or resuming. The words are laid out so that cuRAND's
 * curand_init(seed, subsequence, offset, &state) for curandStatePhilox4_32_10_t gives
 * the same stream:
 *
 *     key          = seed                      (curand's seed)
 *     counter[2:3] = subsequence, 64 bits      (for images: the sample number)
 *     counter[0:1] = position, 64 bits         (curand's offset / 4)
 *
 * For images position = epoch << 32 | operation << 16 | block, see sluice_rng_open. */
#ifndef SLUICE_RNG_H
#define SLUICE_RNG_H

#include <stdint.h>

#ifdef __CUDACC__
#define SLUICE_HD __host__ __device__
#else
#define SLUICE_HD
#endif

/* One block: counter[4] and key[2] in, 128 random bits out. */
SLUICE_HD static inline void sluice_philox(const uint32_t counter[4],
                                           const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* A reader of one stream of draws. A value on the stack, never shared. */
struct sluice_rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t words[4];
    int used; /* of words; 4: compute the next block */
};

/* The stream at (seed, subsequence), from block `position` on. */
SLUICE_HD static inline struct sluice_rng
sluice_rng_at(uint64_t seed, uint64_t subsequence, uint64_t position)
{
    struct sluice_rng r;
    r.key[0] = (uint32_t)seed;
    r.key[1] = (uint32_t)(seed >> 32);
    r.counter[0] = (uint32_t)position;
    r.counter[1] = (uint32_t)(position >> 32);
    r.counter[2] = (uint32_t)subsequence;
    r.counter[3] = (uint32_t)(subsequence >> 32);
    r.words[0] = r.words[1] = r.words[2] = r.words[3] = 0;
    r.used = 4;
    return r;
}

/* The stream of one operation on one sample in one epoch: 65,536 blocks long. */
SLUICE_HD static inline struct sluice_rng
sluice_rng_open(uint64_t seed, uint32_t epoch, uint64_t sample, uint16_t operation)
{
    return sluice_rng_at(seed, sample,
                         (uint64_t)epoch << 32 | (uint32_t)operation << 16);
}

/* 32 uniform bits. */
SLUICE_HD static inline uint32_t sluice_rng_u32(struct sluice_rng *r)
{
    if (r->used == 4) {
        sluice_philox(r->counter, r->key, r->words);
        r->used = 0;
        if (++r->counter[0] == 0)
            ++r->counter[1];
    }
    return r->words[r->used++];
}

/* Uniform in [0, n), n >= 1, by multiply-shift: the bias is below n / 2^32. */
SLUICE_HD static inline uint32_t sluice_rng_below(struct sluice_rng *r, uint32_t n)
{
    return (uint32_t)(((uint64_t)sluice_rng_u32(r) * n) >> 32);
}

/* Uniform integer in [low, high]. */
SLUICE_HD static inline int sluice_rng_range(struct sluice_rng *r, int low, int high)
{
    return low + (int)sluice_rng_below(r, (uint32_t)(high - low) + 1u);
}

/* Uniform in [0, 1): 24 bits, exact in float on every device. */
SLUICE_HD static inline float sluice_rng_unit(struct sluice_rng *r)
{
    return (float)(sluice_rng_u32(r) >> 8) * (1.0f / 16777216);
}

#endif
