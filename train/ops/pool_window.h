/* pool_window.h -- windows of 2 x 2 that convolutions pool their results by. Needs
 * AVX-512BW.
 *
 * Of each window of an image and 32 channels two words are kept, with a bit for each
 * channel: is its maximum in the right column, is it in the lower row? */
#ifndef SLUICE_POOL_WINDOW_H
#define SLUICE_POOL_WINDOW_H

#include "pool_order.h"

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

#endif
