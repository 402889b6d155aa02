/* conv_wino_tile.h -- a tile's transforms, sixteen channels at a time: for the files
 * that are compiled for AVX512-BF16. */
#ifndef SLUICE_CONV_WINO_TILE_H
#define SLUICE_CONV_WINO_TILE_H

#include <immintrin.h>

#include "conv_wino_parts.h"
#include "vector.h"

INLINE vf wino_load(const uint16_t *p)
{
    return (vf)_mm512_slli_epi32(
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16);
}

INLINE __m256i wino_narrow(vf v)
{
    return (__m256i)_mm512_cvtneps_pbh((__m512)v);
}

/* The pixels of a tile of the source; beside the map they are zero. */
INLINE void wino_pixels(const struct wino_map *m, const uint16_t *source, int tile,
                        const uint16_t *pixel[WINO_PLACES])
{
    const struct wino_tile t = wino_tile(m, tile);
    for (int i = 0; i < WINO_PLACES; i++) {
        const int y = t.y - m->pad + i / WINO_SIDE, x = t.x - m->pad + i % WINO_SIDE;
        const size_t at = ((size_t)t.n * (size_t)m->sh + (size_t)y) * (size_t)m->sw;
        pixel[i] = y < 0 || x < 0 || y >= m->sh || x >= m->sw
                       ? m->zeros
                       : source + (at + (size_t)x) * (size_t)m->sc;
    }
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

/* B' x B of the channels from c on. */
INLINE void wino_transform(const uint16_t *const pixel[WINO_PLACES], int c,
                           vf v[WINO_PLACES])
{
    for (int i = 0; i < WINO_PLACES; i++)
        v[i] = wino_load(pixel[i] + c);
    for (int i = 0; i < WINO_SIDE; i++)
        wino_spread(&v[4 * i], &v[4 * i + 1], &v[4 * i + 2], &v[4 * i + 3]);
    for (int i = 0; i < WINO_SIDE; i++)
        wino_spread(&v[i], &v[4 + i], &v[8 + i], &v[12 + i]);
}

#endif
