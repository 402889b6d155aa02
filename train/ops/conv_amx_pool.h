/* conv_amx_pool.h -- max pooling behind a convolution, by windows of 2 x 2: what gather
 * does with the results of a window's pixels, and what both walks of backward take for
 * the gradients of these. */
#ifndef SLUICE_CONV_AMX_POOL_H
#define SLUICE_CONV_AMX_POOL_H

#include "amx.h"
#include "conv_amx.h"
#include "pool_window.h"

/* The words of image 0 of a group of 16; those of the next one follow. */
static inline uint32_t *window_places(const struct windows *p, int group, int y, int x,
                                      int block)
{
    const size_t at =
        (((size_t)group * (size_t)p->h + (size_t)y) * (size_t)p->w + (size_t)x) *
            (size_t)p->blocks +
        (size_t)block;
    return p->places + at * 2 * AMX_SIDE;
}

/* Of 32 channels: the first three pixels' values lie a tile apart. */
static inline __m512i window_largest(const uint16_t *kept, __m512i last,
                                     uint32_t *places)
{
    const __m512i first = _mm512_load_si512(kept);
    struct window_best best = { first, order_of(first), 0, 0 };
    window_consider(&best, _mm512_load_si512(kept + AMX_TILE), 1);
    window_consider(&best, _mm512_load_si512(kept + 2 * (size_t)AMX_TILE), 2);
    window_consider(&best, last, 3);
    places[0] = best.right;
    places[1] = best.lower;
    return best.value;
}

#endif
