/* kernels_tiles.h -- max pooling in bf16 where windows neither overlap nor reach beyond
 * the map: thirty-two channels at a time, which are never made floats. */
#ifndef SLUICE_KERNELS_TILES_H
#define SLUICE_KERNELS_TILES_H

#include "pool.h"
#include "vector.h"
#ifdef __AVX512F__
#include "pool_order.h"
#endif

/* Is this a pass for these kernels? */
INLINE bool tiles_fit(const struct pool *p, bool bf16)
{
#ifdef __AVX512F__
    return bf16 && p->stride == p->kernel && p->pad == 0;
#else
    (void)p, (void)bf16;
    return false;
#endif
}

#ifdef __AVX512F__
enum {
    TILE_LANES = 32,
};

INLINE __mmask32 tile_mask(int c, int k)
{
    return c - k >= TILE_LANES ? ~(__mmask32)0 : (__mmask32)((1U << (c - k)) - 1);
}

/* The largest so far: its value, its rank among all, its place in the window. */
struct tile_best {
    __m512i value, order;
    __m256i place;
};

INLINE void tile_consider(struct tile_best *best, __m512i v, int place)
{
    const __m512i order = order_of(v);
    const __mmask32 more = _mm512_cmpgt_epi16_mask(order, best->order);
    best->value = _mm512_mask_mov_epi16(best->value, more, v);
    best->order = _mm512_max_epi16(best->order, order);
    best->place =
        _mm256_mask_mov_epi8(best->place, more, _mm256_set1_epi8((char)place));
}

INLINE struct tile_best tile_largest(const struct pool *p, int kernel,
                                     const uint16_t *x, __mmask32 m)
{
    const size_t right = (size_t)p->c, down = (size_t)p->w * right;
    const __m512i first = _mm512_maskz_loadu_epi16(m, x);
    struct tile_best best = { first, order_of(first), _mm256_setzero_si256() };
    if (kernel == 2) {
        tile_consider(&best, _mm512_maskz_loadu_epi16(m, x + right), 1);
        tile_consider(&best, _mm512_maskz_loadu_epi16(m, x + down), 2);
        tile_consider(&best, _mm512_maskz_loadu_epi16(m, x + down + right), 3);
        return best;
    }
    for (int i = 1; i < kernel * kernel; i++)
        tile_consider(&best,
                      _mm512_maskz_loadu_epi16(m, x + (size_t)(i / kernel) * down +
                                                      (size_t)(i % kernel) * right),
                      i);
    return best;
}

/* `kernel` is p->kernel, as a constant where that is worth it. */
INLINE void tiles_row(const struct pool *p, int kernel, const uint16_t *x, uint16_t *y,
                      uint8_t *index, int n, int oy)
{
    const size_t c = (size_t)p->c;
    x += pool_at(p, n, oy * kernel, 0);
    const size_t first = ((size_t)n * (size_t)p->oh + (size_t)oy) * (size_t)p->ow * c;
    for (size_t ox = 0; ox < (size_t)p->ow; ox++)
        for (int k = 0; k < p->c; k += TILE_LANES) {
            const __mmask32 m = tile_mask(p->c, k);
            const struct tile_best best =
                tile_largest(p, kernel, x + ox * (size_t)kernel * c + k, m);
            _mm512_mask_storeu_epi16(y + first + ox * c + k, m, best.value);
            _mm256_mask_storeu_epi8(index + first + ox * c + k, m, best.place);
        }
}

INLINE void tiles_forward(const struct pool *p, const void *x, void *y, uint8_t *index,
                          int n, int oy)
{
    if (p->kernel == 2)
        tiles_row(p, 2, x, y, index, n, oy);
    else
        tiles_row(p, p->kernel, x, y, index, n, oy);
}

/* `whole` channels are stored past the cache: a line of it that is written whole need
 * not be read before. See stores_done. */
INLINE void untile_store(uint16_t *dx, __mmask32 m, __m512i v, bool whole)
{
    if (whole)
        _mm512_stream_si512((void *)dx, v);
    else
        _mm512_mask_storeu_epi16(dx, m, v);
}

/* The pixels of row y in one window: each gets the gradient where the maximum was its
 * own. */
INLINE void untile_window(int kernel, int c, bool whole, const uint16_t *dy,
                          const uint8_t *index, int first, uint16_t *dx)
{
    for (int k = 0; k < c; k += TILE_LANES) {
        const __mmask32 m = tile_mask(c, k);
        const __m512i d = _mm512_maskz_loadu_epi16(m, dy + k);
        const __m256i place = _mm256_maskz_loadu_epi8(m, index + k);
        for (int i = 0; i < kernel; i++) {
            const __mmask32 own =
                _mm256_cmpeq_epi8_mask(place, _mm256_set1_epi8((char)(first + i)));
            untile_store(dx + (size_t)i * (size_t)c + k, m,
                         _mm512_maskz_mov_epi16(own, d), whole);
        }
    }
}

INLINE void untile_row(const struct pool *p, int kernel, bool whole, const uint16_t *dy,
                       const uint8_t *index, uint16_t *dx, int n, int y)
{
    const int oy = y / kernel;
    const size_t c = (size_t)p->c;
    const size_t out = ((size_t)n * (size_t)p->oh + (size_t)oy) * (size_t)p->ow * c;
    dx += pool_at(p, n, y, 0);
    const int windows = oy < p->oh ? p->ow : 0;
    for (int ox = 0; ox < windows; ox++)
        untile_window(kernel, p->c, whole, dy + out + (size_t)ox * c,
                      index + out + (size_t)ox * c, (y - oy * kernel) * kernel,
                      dx + (size_t)(ox * kernel) * c);
    memset(dx + (size_t)(windows * kernel) * c, 0,
           (size_t)(p->w - windows * kernel) * c * sizeof *dx);
}

INLINE void tiles_backward(const struct pool *p, const void *dy, const uint8_t *index,
                           void *dx, int n, int y)
{
    const bool whole =
        p->large && p->c % TILE_LANES == 0 && (uintptr_t)dx % sizeof(__m512i) == 0;
    if (p->kernel == 2 && whole)
        untile_row(p, 2, true, dy, index, dx, n, y);
    else if (p->kernel == 2)
        untile_row(p, 2, false, dy, index, dx, n, y);
    else
        untile_row(p, p->kernel, whole, dy, index, dx, n, y);
}
#else
INLINE void tiles_forward(const struct pool *p, const void *x, void *y, uint8_t *index,
                          int n, int oy)
{
    (void)p, (void)x, (void)y, (void)index, (void)n, (void)oy;
}

INLINE void tiles_backward(const struct pool *p, const void *dy, const uint8_t *index,
                           void *dx, int n, int y)
{
    (void)p, (void)dy, (void)index, (void)dx, (void)n, (void)y;
}
#endif

static void stores_done(void)
{
#ifdef __AVX512F__
    _mm_sfence();
#endif
}

#endif
