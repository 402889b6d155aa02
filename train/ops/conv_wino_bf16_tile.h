/* conv_wino_bf16_tile.h -- a tile's transforms, sixteen channels at a time: for the
 * files that are compiled for AVX512-BF16. */
#ifndef SLUICE_CONV_WINO_BF16_TILE_H
#define SLUICE_CONV_WINO_BF16_TILE_H

#include <immintrin.h>

#include "conv_wino_bf16_parts.h"
#include "pool_window.h"
#include "vector.h"
#include "wino_sides.h"

enum {
    CHANNELS = 16, /* of a vector */
    PIXELS = WINO_RESULTS * WINO_RESULTS,
    SPARE = 32, /* elements between places, so that they meet different cache sets */
};

/* Maps of some images. If `unpools` is not NULL, what lies in memory are the windows'
 * values, each of which belongs to one of its window's pixels. */
struct wino_maps {
    const uint16_t *values;
    int h, w, channels; /* pixels */
    const struct wino_windows *unpools;
    const uint16_t *zeros; /* what pixels beside a map are */
};

struct wino_pixel {
    const uint16_t *values; /* its own or its window's */
    const uint32_t *places; /* its window's */
    int y, x;               /* odd: in the window's lower row, right column */
};

INLINE struct wino_pixel wino_pixel(const struct wino_maps *m, int n, int y, int x)
{
    const struct wino_windows *p = m->unpools;
    struct wino_pixel pixel = { m->zeros, p ? p->places : NULL, y, x };
    if (y < 0 || x < 0 || y >= m->h || x >= m->w)
        return pixel;
    const size_t h = (size_t)(p ? p->h : m->h), w = (size_t)(p ? p->w : m->w);
    const size_t row = (size_t)(p ? y / 2 : y), column = (size_t)(p ? x / 2 : x);
    const size_t at = ((size_t)n * h + row) * w + column;
    pixel.values = m->values + at * (size_t)m->channels;
    if (p)
        pixel.places += at * (size_t)p->blocks * 2;
    return pixel;
}

/* Of a block's 32 channels, from c on, those that are in memory. */
INLINE uint32_t wino_present(int width, int c)
{
    return width - c < WINO_BLOCK ? (1U << (width - c)) - 1 : UINT32_MAX;
}

/* Of a block's 32 channels those whose maximum the pixel was. */
INLINE uint32_t wino_owners(const struct wino_pixel *p, int block)
{
    return window_owners(p->places + 2 * (size_t)block, p->y, p->x);
}

/* Channels c to c + 15; where `only` is not NULL, those of its 32, and zeros. */
INLINE vf wino_load(const struct wino_pixel *p, int c, const uint32_t *only)
{
    const __m256i *from = (const __m256i *)(p->values + c);
    const __m256i v =
        only ? _mm256_maskz_loadu_epi16((__mmask16)(*only >> c % WINO_BLOCK), from)
             : _mm256_loadu_si256(from);
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16);
}

INLINE __m256i wino_narrow(vf v)
{
    return (__m256i)_mm512_cvtneps_pbh((__m512)v);
}

/* Sixteen values each, rounded, as pairs. */
INLINE void wino_store_pairs(uint16_t *to, vf even, vf odd)
{
    const __m512i low = _mm512_cvtepu16_epi32(wino_narrow(even));
    const __m512i high = _mm512_cvtepu16_epi32(wino_narrow(odd));
    _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

/* The pixels of a tile of the source, in the phase of channels c and up. */
INLINE void wino_pixels(const struct wino_map *m, const uint16_t *source, int tile,
                        int c, const struct wino_windows *unpools,
                        struct wino_pixel pixel[WINO_PLACES])
{
    const int channels = wino_channels(m->sc, m->sstep);
    const struct wino_maps maps = {
        source, m->sh, m->sw, m->swidth, unpools, m->zeros
    };
    const struct wino_tile t = wino_tile(m, tile);
    const struct split_phase phase = split_phase(m->split, c, channels, m->sstep);
    for (int i = 0; i < WINO_PLACES; i++)
        pixel[i] = wino_pixel(&maps, t.n,
                              (t.y - m->pad + i / WINO_SIDE) * m->sstep + phase.row,
                              (t.x - m->pad + i % WINO_SIDE) * m->sstep + phase.column);
}

/* Every column of B' x, of channels c to c + 15; `only` is NULL or the pixels'. */
INLINE void wino_spread_columns(const struct wino_pixel pixel[WINO_PLACES], int c,
                                const uint32_t *only, vf half[WINO_PLACES])
{
    for (int x = 0; x < WINO_SIDE; x++) {
        vf column[WINO_SIDE];
#pragma GCC unroll 6
        for (int y = 0; y < WINO_SIDE; y++) {
            const int i = y * WINO_SIDE + x;
            column[y] = wino_load(&pixel[i], c, only ? &only[i] : NULL);
        }
        spread_side(column, 1, half + x, WINO_SIDE);
    }
}

/* Row y of B' x B. */
INLINE void wino_spread_row(const vf half[WINO_PLACES], int y, vf row[WINO_SIDE])
{
    spread_side(half + WINO_SIDE * y, 1, row, 1);
}

/* The lines of channels c to c + 31 on their way to level 1; a tile's first columns are
 * the last ones of the tile before it. */
INLINE void wino_prefetch(const struct wino_pixel pixel[WINO_PLACES], int c)
{
#pragma GCC unroll 6
    for (int y = 0; y < WINO_SIDE; y++)
#pragma GCC unroll 4
        for (int x = WINO_SIDE - WINO_RESULTS; x < WINO_SIDE; x++)
            _mm_prefetch((const char *)(pixel[y * WINO_SIDE + x].values + c),
                         _MM_HINT_T0);
}

#endif
