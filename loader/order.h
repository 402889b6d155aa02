/* order.h -- in which order an epoch visits the samples, and which of them belong to
 * which batch of which rank. Pure arithmetic: no tables, no state, O(1) anywhere. */
#ifndef SLUICE_LOADER_ORDER_H
#define SLUICE_LOADER_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/loader.h>

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
/* Where `place` < count comes from: the inverse. */
uint64_t sluice_permutation_find(const struct sluice_permutation *p, uint64_t place);
/* One more family of them, for window number `window` of an epoch. */
void sluice_permutation_init_window(struct sluice_permutation *p, uint64_t count,
                                    uint64_t seed, uint32_t epoch, uint64_t window);

/* The order of one epoch: which of `count` things stands at each position. */
struct sluice_draws;
struct sluice_epoch_order {
    enum sluice_order kind;
    uint64_t count, seed;
    uint32_t epoch;
    struct sluice_permutation permutation; /* RANDOM: of all; QUASI_RANDOM: of blocks */
    uint64_t block, open;                  /* QUASI_RANDOM: see blocks.c */
    uint64_t hole, missing;
    const struct sluice_draws *draws; /* NULL: each of the `count` once */
};

/* QUASI_RANDOM: the window that was looked at last; zero at first. The caller's, and
 * for one epoch: most positions asked for lie in the same window. */
struct sluice_window {
    bool open;
    uint64_t first, end; /* positions */
    struct sluice_permutation permutation;
};

/* `o` has kind, count > 0, seed, epoch, and for QUASI_RANDOM block and open > 0. */
void sluice_epoch_order_init(struct sluice_epoch_order *o);
uint64_t sluice_epoch_order_at(const struct sluice_epoch_order *o,
                               struct sluice_window *w, uint64_t position);

void sluice_blocks_init(struct sluice_epoch_order *o); /* blocks.c */
/* Which window a position lies in; the window's `i`-th block, false: it has no such. */
uint64_t sluice_blocks_window(const struct sluice_epoch_order *o, uint64_t position);
bool sluice_blocks_in_window(const struct sluice_epoch_order *o, uint64_t window,
                             uint64_t i, uint64_t *block);
uint64_t sluice_blocks_at(const struct sluice_epoch_order *o, struct sluice_window *w,
                          uint64_t position);

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
    uint64_t shift; /* below batch_size * world: place of the first round. An epoch that
                       others began is dealt out anew from where they stopped: rounds
                       then begin there, and the batches before it are theirs */
};

uint64_t sluice_share_batches(const struct sluice_share *s);
/* Positions of batch `batch` within the epoch's order: returns how many, and the
 * first of them. */
uint64_t sluice_share_batch(const struct sluice_share *s, uint64_t batch,
                            uint64_t *first);
/* Samples in all of this rank's batches. */
uint64_t sluice_share_samples(const struct sluice_share *s);

#endif
