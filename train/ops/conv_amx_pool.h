/* conv_amx_pool.h -- max pooling behind a convolution, by windows of 2 x 2: what gather
 * does with the results of a window's pixels, and what both walks of backward take for
 * the gradients of these.
 *
 * Of each window of an image and 32 channels two words are kept, with a bit for each
 * channel: is its maximum in the right column, is it in the lower row? */
#ifndef SLUICE_CONV_AMX_POOL_H
#define SLUICE_CONV_AMX_POOL_H

#include "amx.h"
#include "conv_amx.h"
#include "pool_order.h"

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

/* The channels whose maximum is pixel (y & 1, x & 1) of their window. */
static inline __mmask32 window_owners(const uint32_t *places, int y, int x)
{
    const uint32_t right = x & 1 ? places[0] : ~places[0];
    const uint32_t lower = y & 1 ? places[1] : ~places[1];
    return right & lower;
}

/* The largest so far, and whether it is in the right column, in the lower row. */
struct window_best {
    __m512i value, order;
    __mmask32 right, lower;
};

static inline void window_consider(struct window_best *best, __m512i v, int corner)
{
    const __m512i order = order_of(v);
    const __mmask32 more = _mm512_cmpgt_epi16_mask(order, best->order);
    best->value = _mm512_mask_mov_epi16(best->value, more, v);
    best->order = _mm512_max_epi16(best->order, order);
    best->right = corner & 1 ? best->right | more : best->right & ~more;
    best->lower = corner & 2 ? best->lower | more : best->lower & ~more;
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
