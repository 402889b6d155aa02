/* conv_wino_bf16_gather.c -- results of 3x3 convolutions; see conv_wino_bf16.h. */
#include "conv_wino_bf16_tile.h"

struct gather {
    const struct wino_map *map;
    struct device *dev;
    const uint16_t *source, *weight;
    uint16_t *dest;
};

/* Elements of a place's tiles, before the product and behind it. */
static size_t left_stride(const struct wino_map *m)
{
    return (size_t)m->unit * (size_t)m->sc + SPARE;
}

static size_t sums_stride(const struct wino_map *m)
{
    return (size_t)m->unit * WINO_BLOCK + SPARE;
}

size_t wino_bf16_gather_scratch(const struct wino_map *m)
{
    return WINO_PLACES *
           (left_stride(m) * sizeof(uint16_t) + sums_stride(m) * sizeof(float));
}

size_t wino_bf16_gather_bytes(const struct wino_map *m)
{
    return WINO_PLACES * (size_t)m->sc * (size_t)m->dc * sizeof(uint16_t);
}

/* The channels of a tile's pixels, to each of the places, while those of the next come
 * near. */
INLINE void transform_pixels(const struct wino_map *m,
                             const struct wino_pixel pixel[WINO_PLACES],
                             const struct wino_pixel next[WINO_PLACES], bool owned,
                             bool filled, uint16_t *left)
{
    const size_t place = left_stride(m);
    uint32_t only[WINO_PLACES];
    for (int c = 0; c < wino_channels(m->sc, m->sstep); c += CHANNELS) {
        vf half[WINO_PLACES];
        if (c % WINO_BLOCK == 0)
            wino_prefetch(next, c);
        if ((owned || filled) && c % WINO_BLOCK == 0)
            for (int i = 0; i < WINO_PLACES; i++)
                only[i] = owned ? wino_owners(&pixel[i], c / WINO_BLOCK)
                                : wino_present(m->swidth, c);
        wino_spread_columns(pixel, c, owned || filled ? only : NULL, half);
        uint16_t *to = left + c;
        for (int y = 0; y < WINO_SIDE; y++) {
            vf row[WINO_SIDE];
            wino_spread_row(half, y, row);
#pragma GCC unroll 6
            for (int x = 0; x < WINO_SIDE; x++, to += place)
                _mm256_storeu_si256((__m256i *)to, wino_narrow(row[x]));
        }
    }
}

/* (place, tile, channel); `filled`: the source has fewer channels. */
INLINE void transform_tiles(const struct gather *g, int begin, int end,
                            const struct wino_windows *unpools, bool filled,
                            uint16_t *left)
{
    const struct wino_map *m = g->map;
    const int channels = wino_channels(m->sc, m->sstep), phases = m->sc / channels;
    struct wino_pixel pixel[2][WINO_PLACES];
    wino_pixels(m, g->source, begin, 0, unpools, pixel[0]);
    for (int i = 0, last = (end - begin) * phases - 1; i <= last;
         i++, left += channels) {
        const int ahead = i < last ? i + 1 : i;
        wino_pixels(m, g->source, begin + ahead / phases, ahead % phases * channels,
                    unpools, pixel[ahead % 2]);
        transform_pixels(m, pixel[i % 2], pixel[ahead % 2], unpools, filled, left);
    }
}

static void transform_unit(const struct gather *g, int begin, int end, uint16_t *left)
{
    const struct wino_map *m = g->map;
    if (m->unpools)
        transform_tiles(g, begin, end, m->unpools, false, left);
    else if (m->swidth % WINO_BLOCK)
        transform_tiles(g, begin, end, NULL, true, left);
    else
        transform_tiles(g, begin, end, NULL, false, left);
}

INLINE __m512bh pairs(const uint16_t *p)
{
    return (__m512bh)_mm512_loadu_si512(p);
}

INLINE __m512bh pair_of(const char *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

INLINE void add_rows(__m512 s[3][2], const char *p, size_t row, __m512bh low,
                     __m512bh high)
{
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        const __m512bh x = pair_of(p + (size_t)i * row);
        s[i][0] = _mm512_dpbf16_ps(s[i][0], x, low);
        s[i][1] = _mm512_dpbf16_ps(s[i][1], x, high);
    }
}

/* sums (12, 32) = left (12, count) times right (count / 2, 32, 2); left's rows lie
 * `stride` apart. The next left rows follow: they are on their way from level 2
 * meanwhile. */
static void multiply(const uint16_t *left, const uint16_t *right, int count, int stride,
                     float *sums)
{
    const size_t row = (size_t)stride * sizeof *left;
    const char *a = (const char *)left, *b = a + 3 * row, *c = a + 6 * row,
               *d = a + 9 * row, *next = a + WINO_STEP * row;
    __m512 s[WINO_STEP][2]; /* in registers, where loops over it are unrolled */
#pragma GCC unroll 12
    for (int i = 0; i < WINO_STEP; i++)
        s[i][0] = s[i][1] = _mm512_setzero_ps();
    for (int i = 0; i < count; i += 2, right += 2 * WINO_BLOCK) {
        const __m512bh low = pairs(right), high = pairs(right + WINO_BLOCK);
        _mm_prefetch(next, _MM_HINT_T0);
        next += WINO_STEP * 2 * sizeof *left;
        add_rows(s, a, row, low, high);
        add_rows(s + 3, b, row, low, high);
        add_rows(s + 6, c, row, low, high);
        add_rows(s + 9, d, row, low, high);
        a += 4, b += 4, c += 4, d += 4;
    }
#pragma GCC unroll 12
    for (int i = 0; i < WINO_STEP; i++) {
        _mm512_storeu_ps(sums + i * WINO_BLOCK, s[i][0]);
        _mm512_storeu_ps(sums + i * WINO_BLOCK + CHANNELS, s[i][1]);
    }
}

/* A' m A */
INLINE void transform_back(const float *sums, size_t place, vf y[PIXELS])
{
    vf half[WINO_RESULTS * WINO_SIDE];
    for (int x = 0; x < WINO_SIDE; x++) {
        vf column[WINO_SIDE];
#pragma GCC unroll 6
        for (int i = 0; i < WINO_SIDE; i++)
            column[i] = (vf)_mm512_loadu_ps(sums + (size_t)(i * WINO_SIDE + x) * place);
        fold_side(column, 1, half + x, WINO_SIDE);
    }
    for (int i = 0; i < WINO_RESULTS; i++)
        fold_side(half + WINO_SIDE * i, 1, y + WINO_RESULTS * i, 1);
}

/* 32 channels of a tile's results, rounded. */
INLINE void round_tile(const struct wino_map *m, const float *sums, __m512i v[PIXELS])
{
    vf low[PIXELS], high[PIXELS];
    transform_back(sums, sums_stride(m), low);
    transform_back(sums + CHANNELS, sums_stride(m), high);
    for (int i = 0; i < PIXELS; i++)
        v[i] = (__m512i)_mm512_cvtne2ps_pbh((__m512)high[i], (__m512)low[i]);
}

/* 32 channels of the maximum of a window, whose first pixel is v[0]. */
INLINE void keep_window(const struct wino_windows *p, size_t at, const __m512i *v,
                        uint16_t *dest)
{
    struct window_best best = { v[0], order_of(v[0]), 0, 0 };
    for (int i = 1; i < 4; i++)
        window_consider(&best, v[i / 2 * WINO_RESULTS + i % 2], i);
    p->places[2 * at] = best.right;
    p->places[2 * at + 1] = best.lower;
    _mm512_storeu_si512(dest + at * WINO_BLOCK, best.value);
}

/* 32 channels of the maxima of the tiles' windows. */
static void pool_block(const struct gather *g, int begin, int end, int block,
                       const float *sums)
{
    const struct wino_map *m = g->map;
    const struct wino_windows *p = m->pools;
    for (int t = begin; t < end; t++, sums += WINO_BLOCK) {
        const struct wino_tile tile = wino_tile(m, t);
        __m512i v[PIXELS];
        round_tile(m, sums, v);
        for (int i = 0; i < 4; i++) {
            const int y = tile.y / 2 + i / 2, x = tile.x / 2 + i % 2;
            const size_t at =
                ((size_t)tile.n * (size_t)p->h + (size_t)y) * (size_t)p->w + (size_t)x;
            if (y < p->h && x < p->w)
                keep_window(p, at * (size_t)p->blocks + (size_t)block,
                            v + i / 2 * 2 * WINO_RESULTS + i % 2 * 2, g->dest);
        }
    }
}

/* 32 channels of the results of the unit's tiles; the last row or column of tiles may
 * reach beyond the map. */
static void write_block(const struct gather *g, int begin, int end, int block,
                        const float *sums)
{
    const struct wino_map *m = g->map;
    const int c = block * WINO_BLOCK, channels = wino_channels(m->dc, m->dstep);
    const struct split_phase phase = split_phase(m->split, c, channels, m->dstep);
    const uint32_t present = wino_present(m->dwidth, c % channels);
    for (int t = begin; t < end; t++, sums += WINO_BLOCK) {
        const struct wino_tile at = wino_tile(m, t);
        __m512i v[PIXELS];
        round_tile(m, sums, v);
        for (int i = 0; i < PIXELS; i++) {
            const int y = (at.y + i / WINO_RESULTS) * m->dstep + phase.row;
            const int x = (at.x + i % WINO_RESULTS) * m->dstep + phase.column;
            if (y >= m->dh || x >= m->dw)
                continue;
            const size_t pixel =
                ((size_t)at.n * (size_t)m->dh + (size_t)y) * (size_t)m->dw + (size_t)x;
            uint16_t *to = g->dest + pixel * (size_t)m->dwidth + c % channels;
            if (present == UINT32_MAX)
                _mm512_storeu_si512(to, v[i]);
            else
                _mm512_mask_storeu_epi16(to, present, v[i]);
        }
    }
}

/* A place's sums of the unit's tiles. */
static void multiply_unit(const struct gather *g, int tiles, int block, int place,
                          const uint16_t *left, float *sums)
{
    const struct wino_map *m = g->map;
    const struct split_span from = m->from[place];
    const uint16_t *right =
        g->weight + (((size_t)block * WINO_PLACES + (size_t)place) * (size_t)m->sc +
                     (size_t)from.begin) *
                        WINO_BLOCK;
    left += (size_t)place * left_stride(m) + from.begin;
    sums += (size_t)place * sums_stride(m);
    for (int t = 0; t < tiles; t += WINO_STEP)
        if (split_within(m->to[place], block * WINO_BLOCK))
            multiply(left + t * m->sc, right, split_count(from), m->sc,
                     sums + t * WINO_BLOCK);
        else
            memset(sums + t * WINO_BLOCK, 0, WINO_STEP * WINO_BLOCK * sizeof *sums);
}

static void units(void *arg, size_t first, size_t last)
{
    const struct gather *g = arg;
    const struct wino_map *m = g->map;
    uint16_t *left = (uint16_t *)cpu_scratch(g->dev, threads_self());
    float *sums = (float *)(left + WINO_PLACES * left_stride(m));
    for (int unit = (int)first; unit < (int)last; unit++) {
        const int begin = wino_first(m, unit), end = wino_end(m, unit);
        transform_unit(g, begin, end, left);
        for (int block = 0; block < m->dc / WINO_BLOCK; block++) {
            for (int i = 0; i < WINO_PLACES; i++)
                multiply_unit(g, end - begin, block, i, left, sums);
            if (m->pools)
                pool_block(g, begin, end, block, sums);
            else
                write_block(g, begin, end, block, sums);
        }
    }
}

/* Weights */

struct pack {
    const struct wino_map *map;
    const float *weight;
    bool backward;
    uint16_t *to; /* (dc / 32, place, sc / 2, 32, 2) */
};

/* The filters between one channel of the source and 16 of the result, as vectors; of
 * channels that are not in memory zeros. */
INLINE void load_filters(const struct pack *p, int s, int d, vf g[SPLIT_TAPS])
{
    const struct wino_map *m = p->map;
    const int step = m->split->stride, size = m->split->kernel * m->split->kernel;
    const int all = wino_channels(p->backward ? m->dc : m->sc, step);
    const int in = p->backward ? m->dwidth : m->swidth;
    int tap[SPLIT_TAPS];
    float lane[SPLIT_TAPS][CHANNELS] = { 0 };
    split_taps(m->split, split_phase(m->split, p->backward ? d : s, all, step), tap);
    for (int i = 0; i < CHANNELS; i++) {
        const int result = p->backward ? s : d + i;
        const int source = (p->backward ? d + i : s) % all;
        if (source >= in)
            continue;
        const float *w =
            p->weight + ((size_t)result * (size_t)in + (size_t)source) * (size_t)size;
        for (int k = 0; k < SPLIT_TAPS; k++)
            if (tap[k] >= 0)
                lane[p->backward ? SPLIT_TAPS - 1 - k : k][i] = w[tap[k]];
    }
    memcpy(g, lane, sizeof lane);
}

INLINE void widen(const struct pack *p, int s, int d, vf u[WINO_PLACES])
{
    vf g[SPLIT_TAPS], half[3 * WINO_SIDE];
    load_filters(p, s, d, g);
    for (int i = 0; i < 3; i++)
        widen_side(g + i, 3, half + i, 3);
    for (int i = 0; i < WINO_SIDE; i++)
        widen_side(half + 3 * i, 1, u + WINO_SIDE * i, 1);
}

/* Those of two channels of the source and 16 of the result: (place, source pair,
 * result, 2) */
static void pack_pair(const struct pack *p, int s, int d)
{
    const struct wino_map *m = p->map;
    uint16_t *to =
        p->to +
        ((size_t)(d / WINO_BLOCK) * WINO_PLACES * (size_t)m->sc + (size_t)s) *
            WINO_BLOCK +
        2 * (size_t)(d % WINO_BLOCK);
    vf even[WINO_PLACES], odd[WINO_PLACES];
    widen(p, s, d, even);
    widen(p, s + 1, d, odd);
    for (int i = 0; i < WINO_PLACES; i++, to += (size_t)m->sc * WINO_BLOCK)
        if (split_within(m->from[i], s) && split_within(m->to[i], d))
            wino_store_pairs(to, even[i], odd[i]); /* nothing multiplies the others */
}

/* 16 channels of the source and 32 of the result. */
static void pack_block(const struct pack *p, int s, int block)
{
    for (int i = 0; i < CHANNELS; i += 2)
        for (int d = 0; d < WINO_BLOCK; d += CHANNELS)
            pack_pair(p, s + i, block * WINO_BLOCK + d);
}

static void pack_blocks(void *arg, size_t begin, size_t end)
{
    const struct pack *p = arg;
    const int parts = p->map->sc / CHANNELS;
    for (int i = (int)begin; i < (int)end; i++)
        pack_block(p, i % parts * CHANNELS, i / parts);
}

void wino_bf16_gather(const struct wino_map *m, struct device *dev,
                      const uint16_t *source, const float *weight, bool backward,
                      uint16_t *dest)
{
    uint16_t *packed = (uint16_t *)cpu_of(dev)->sums;
    struct pack p = { m, weight, backward, packed };
    struct gather g = { m, dev, source, packed, dest };
    threads_for(dev, (size_t)(m->sc / CHANNELS) * (size_t)(m->dc / WINO_BLOCK),
                (size_t)CHANNELS * WINO_BLOCK * WINO_PLACES, pack_blocks, &p);
    threads_for(dev, (size_t)m->units, (size_t)m->unit * (size_t)m->sc * (size_t)m->dc,
                units, &g);
}
