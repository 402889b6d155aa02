/* spot.h -- where in a launch a thread stands. A kernel's body is a function of its
 * arguments and its spot, called once for each phase, with a barrier of the block after
 * it. The same bodies run on the GPU (launch.cu) and, in tests, in loops over blocks,
 * phases and threads. */
#ifndef SLUICE_SPOT_H
#define SLUICE_SPOT_H

#include "number.h"

struct spot {
    int block, blocks, thread, threads, phase;
    void *shared; /* of the block; undefined at phase 0 */
};

enum {
    BLOCK = 256,        /* threads */
    MOST_BLOCKS = 2112, /* 16 for each of an H200's processors; loops do the rest */
};

SLUICE_HD static inline size_t spot_first(const struct spot *at)
{
    return (size_t)at->block * (size_t)at->threads + (size_t)at->thread;
}

SLUICE_HD static inline size_t spot_step(const struct spot *at)
{
    return (size_t)at->blocks * (size_t)at->threads;
}

/* i over [0, count), shared out over all threads of all blocks. */
#define EACH(i, count, at)                                                             \
    for (size_t i = spot_first(at), i##_step = spot_step(at); i < (count);             \
         i += i##_step)

/* Elements of run `i` of `count`. */
SLUICE_HD static inline int run_length(size_t i, size_t count)
{
    const size_t left = count - i * RUN;
    return left < RUN ? (int)left : RUN;
}

/* Runs that hold `count` elements. */
SLUICE_HD static inline size_t runs_of(size_t count)
{
    return (count + RUN - 1) / RUN;
}

#endif
