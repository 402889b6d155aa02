/* blocks.c -- QUASI_RANDOM: an order that keeps a bounded number of blocks open at a
 * time, so that a cold file is read in pieces of a block and not of a sample.
 *
 * The samples in use are cut into blocks of `block` neighbours. A keyed permutation
 * (order.c) shuffles the blocks; every `open` of them in a row make a window, and
 * within it a keyed permutation of its own shuffles the samples. So position p of the
 * epoch lies in window p / (block * open), and its sample in one of that window's
 * blocks: nothing depends on earlier positions, so that ranks and resuming cost what
 * they cost in a full shuffle.
 *
 * The last block may be short. The positions are therefore counted as if it were full
 * ("places"), and those that it lacks are passed over: `missing` places from `hole` on.
 *
 * Quality: places are uniform, neighbours in the epoch correlate only by sharing a
 * window. With the samples sorted by something, the correlation of neighbours is about
 * 1 / open, and a batch sees at most `open` blocks' worth of it, or twice that where it
 * lies across two windows. */
#include <assert.h>

#include "order.h"

/* Samples before place `place`. */
static uint64_t samples_before(const struct sluice_epoch_order *o, uint64_t place)
{
    return place <= o->hole               ? place
           : place < o->hole + o->missing ? o->hole
                                          : place - o->missing;
}

void sluice_blocks_init(struct sluice_epoch_order *o)
{
    const uint64_t blocks = (o->count - 1) / o->block + 1;
    sluice_permutation_init(&o->permutation, blocks, o->seed, o->epoch);
    o->missing = blocks * o->block - o->count;
    o->hole = (sluice_permutation_find(&o->permutation, blocks - 1) + 1) * o->block -
              o->missing;
}

uint64_t sluice_blocks_window(const struct sluice_epoch_order *o, uint64_t position)
{
    const uint64_t place = position + (position >= o->hole ? o->missing : 0);
    return place / (o->block * o->open);
}

bool sluice_blocks_in_window(const struct sluice_epoch_order *o, uint64_t window,
                             uint64_t i, uint64_t *block)
{
    const uint64_t place = window * o->open + i;
    if (i >= o->open || place >= o->permutation.count)
        return false;
    *block = sluice_permutation_at(&o->permutation, place);
    return true;
}

static void open_window(const struct sluice_epoch_order *o, struct sluice_window *w,
                        uint64_t number)
{
    const uint64_t size = o->block * o->open, places = o->count + o->missing;
    const uint64_t end = (number + 1) * size;
    w->first = samples_before(o, number * size);
    w->end = samples_before(o, end < places ? end : places);
    w->open = true;
    sluice_permutation_init_window(&w->permutation, w->end - w->first, o->seed,
                                   o->epoch, number);
}

uint64_t sluice_blocks_at(const struct sluice_epoch_order *o, struct sluice_window *w,
                          uint64_t position)
{
    assert(position < o->count);
    if (!w->open || position < w->first || position >= w->end)
        open_window(o, w, sluice_blocks_window(o, position));
    uint64_t place =
        w->first + sluice_permutation_at(&w->permutation, position - w->first);
    place += place >= o->hole ? o->missing : 0;
    return sluice_permutation_at(&o->permutation, place / o->block) * o->block +
           place % o->block;
}
