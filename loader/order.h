/* order.h -- in which order an epoch visits the samples, and which of them belong to
 * which batch of which rank. Pure arithmetic: no tables, no state, O(1) anywhere. */
#ifndef SLUICE_LOADER_ORDER_H
#define SLUICE_LOADER_ORDER_H

#include <stdbool.h>
#include <stdint.h>

enum { SLUICE_ORDER_ROUNDS_MAX = 32 };

/* A keyed bijection of 0 .. count-1. */
struct sluice_permutation {
    uint64_t count;
    uint64_t rows, columns; /* rows * columns >= count, both near its square root */
    int rounds;             /* even */
    uint64_t key[SLUICE_ORDER_ROUNDS_MAX];
};

/* The permutation of (count, seed, epoch); 0 < count < 2^63. */
void sluice_permutation_init(struct sluice_permutation *p, uint64_t count,
                             uint64_t seed, uint32_t epoch);
/* Where `index` < count goes. */
uint64_t sluice_permutation_at(const struct sluice_permutation *p, uint64_t index);

/* Which part of an epoch of `count` samples one rank reads. The batches of `world`
 * ranks are those of a single one dealt out in turn: batch k of rank r is batch
 * k * world + r. Every rank has the same number of batches: in the last round, what
 * is left is split evenly (sizes differ by one at most), or left out by drop_last.
 * Only where fewer samples than ranks are left, the ranks that would get nothing
 * repeat one sample each from the beginning of the epoch. */
struct sluice_share {
    uint64_t count;
    uint64_t batch_size;
    uint64_t rank, world;
    bool drop_last;
};

uint64_t sluice_share_batches(const struct sluice_share *s);
/* Positions of batch `batch` within the epoch's order: returns how many, and the
 * first of them. */
uint64_t sluice_share_batch(const struct sluice_share *s, uint64_t batch,
                            uint64_t *first);
/* Samples in all of this rank's batches. */
uint64_t sluice_share_samples(const struct sluice_share *s);

#endif
