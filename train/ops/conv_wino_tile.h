/* conv_wino_tile.h -- a tile's transforms, sixteen channels at a time: for the files
 * that are compiled for AVX512-BF16. */
#ifndef SLUICE_CONV_WINO_TILE_H
#define SLUICE_CONV_WINO_TILE_H

#include <immintrin.h>

#include "conv_wino_parts.h"
#include "pool_window.h"
#include "vector.h"

/* A pixel of a map; where the map is unpooled, one of its window's. */
struct wino_pixel {
    const uint16_t *values;
    const uint32_t *places; /* its window's */
    int y, x;               /* odd: in the window's lower row, right column */
};

/* Pixel y, x of image n of a map of h x w pixels, which lies unpooled in `from` if
 * `unpools` is not NULL. Beside the map it is zero. */
INLINE struct wino_pixel wino_pixel(const uint16_t *from, int n, int y, int x, int h,
                                    int w, int channels,
                                    const struct wino_windows *unpools,
                                    const uint16_t *zeros)
{
    const bool beside = y < 0 || x < 0 || y >= h || x >= w;
    struct wino_pixel p = { zeros, unpools ? unpools->places : NULL, y, x };
    if (beside)
        return p;
    if (unpools) {
        const size_t at =
            ((size_t)n * (size_t)unpools->h + (size_t)(y / 2)) * (size_t)unpools->w +
            (size_t)(x / 2);
        p.values = from + at * (size_t)channels;
        p.places += at * (size_t)unpools->blocks * 2;
    } else {
        p.values =
            from + (((size_t)n * (size_t)h + (size_t)y) * (size_t)w + (size_t)x) *
                       (size_t)channels;
    }
    return p;
}

/* Of a block's 32 channels those whose maximum the pixel was. */
INLINE uint32_t wino_owners(const struct wino_pixel *p, int block)
{
    return window_owners(p->places + 2 * (size_t)block, p->y, p->x);
}

/* Channels c to c + 15; where `owners` is not NULL, only its. */
INLINE vf wino_load(const struct wino_pixel *p, int c, const uint32_t *owners)
{
    const __m256i *from = (const __m256i *)(p->values + c);
    const __m256i v =
        owners ? _mm256_maskz_loadu_epi16((__mmask16)(*owners >> c % WINO_BLOCK), from)
               : _mm256_loadu_si256(from);
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16);
}

INLINE __m256i wino_narrow(vf v)
{
    return (__m256i)_mm512_cvtneps_pbh((__m512)v);
}

/* The pixels of a tile of the source. */
INLINE void wino_pixels(const struct wino_map *m, const uint16_t *source, int tile,
                        const struct wino_windows *unpools,
                        struct wino_pixel pixel[WINO_PLACES])
{
    const struct wino_tile t = wino_tile(m, tile);
    for (int i = 0; i < WINO_PLACES; i++)
        pixel[i] = wino_pixel(source, t.n, t.y - m->pad + i / WINO_SIDE,
                              t.x - m->pad + i % WINO_SIDE, m->sh, m->sw, m->sc,
                              unpools, m->zeros);
}

/* One side of B' x B: rows of B' are (1 0 -1 0), (0 1 1 0), (0 -1 1 0), (0 1 0 -1). */
INLINE void wino_spread(vf *a, vf *b, vf *c, vf *d)
{
    const vf first = *a - *c, second = *b + *c, third = *c - *b, last = *b - *d;
    *a = first;
    *b = second;
    *c = third;
    *d = last;
}

/* B' x B of channels c to c + 15; `owners` is NULL or the pixels'. */
INLINE void wino_transform(const struct wino_pixel pixel[WINO_PLACES], int c,
                           const uint32_t *owners, vf v[WINO_PLACES])
{
    for (int i = 0; i < WINO_PLACES; i++)
        v[i] = wino_load(&pixel[i], c, owners ? &owners[i] : NULL);
    for (int i = 0; i < WINO_SIDE; i++)
        wino_spread(&v[4 * i], &v[4 * i + 1], &v[4 * i + 2], &v[4 * i + 3]);
    for (int i = 0; i < WINO_SIDE; i++)
        wino_spread(&v[i], &v[4 + i], &v[8 + i], &v[12 + i]);
}

#endif
