/* conv_wino_bf16_weigh.c -- gradients of 3x3 weights; see conv_wino_bf16.h. */
#include "conv_wino_bf16_tile.h"

enum { ROWS = 8 }; /* source channels that the product takes at a time */

/* Sums are (place, dc / 32, channels of the place's span, 32); left and right (place,
 * channels / 32, tile pair, 32, 2), of the unit's tiles. */
struct weigh {
    const struct wino_map *map;
    const uint16_t *source, *grads;
    float *sums[WINO_PLACES], *dweight;
    uint16_t *left, *right;
    int begin, end; /* tiles of the unit */
};

/* Of one place. */
static size_t sums_count(const struct wino_map *m, int place)
{
    return (size_t)split_count(m->from[place]) * (size_t)m->dc;
}

static size_t all_sums(const struct wino_map *m)
{
    size_t count = 0;
    for (int i = 0; i < WINO_PLACES; i++)
        count += sums_count(m, i);
    return count;
}

/* Elements of a block's tiles, and of a place's. */
static size_t block_stride(const struct wino_map *m)
{
    return (size_t)(m->unit + 1) / 2 * 2 * WINO_BLOCK;
}

static size_t stride(const struct wino_map *m, int channels)
{
    return block_stride(m) * (size_t)(channels / WINO_BLOCK) + SPARE;
}

size_t wino_bf16_weigh_bytes(const struct wino_map *m)
{
    return all_sums(m) * sizeof(float) +
           WINO_PLACES * (stride(m, m->sc) + stride(m, m->dc)) * sizeof(uint16_t);
}

/* Where the channels from c on of the unit's pair begin. */
INLINE uint16_t *pair_at(const struct wino_map *m, uint16_t *to, int pair, int c)
{
    return to + (size_t)(c / WINO_BLOCK) * block_stride(m) +
           2 * ((size_t)pair * WINO_BLOCK + (size_t)(c % WINO_BLOCK));
}

/* `filled`: the source has fewer channels. */
INLINE void transform_source(const struct weigh *g, int pair, bool filled)
{
    const struct wino_map *m = g->map;
    const int t = g->begin + 2 * pair, channels = wino_channels(m->sc, m->sstep);
    const size_t place = stride(m, m->sc);
    for (int phase = 0; phase < m->sc; phase += channels) {
        struct wino_pixel even[WINO_PLACES], odd[WINO_PLACES];
        wino_pixels(m, g->source, t, phase, NULL, even);
        wino_pixels(m, g->source, t + 1 < g->end ? t + 1 : t, phase, NULL, odd);
        for (int c = 0; c < channels; c += CHANNELS) {
            uint16_t *to = pair_at(m, g->left, pair, phase + c);
            uint32_t only[WINO_PLACES];
            vf a[WINO_PLACES], b[WINO_PLACES];
            for (int i = 0; i < WINO_PLACES && filled; i++)
                only[i] = wino_present(m->swidth, c / WINO_BLOCK * WINO_BLOCK);
            wino_spread_columns(even, c, filled ? only : NULL, a);
            wino_spread_columns(odd, c, filled ? only : NULL, b);
            for (int y = 0; y < WINO_SIDE; y++) {
                vf low[WINO_SIDE], high[WINO_SIDE];
                wino_spread_row(a, y, low);
                wino_spread_row(b, y, high);
#pragma GCC unroll 6
                for (int x = 0; x < WINO_SIDE; x++, to += place)
                    wino_store_pairs(to, low[x], high[x]);
            }
        }
    }
}

/* Gradients of a tile's results; beside the map, and of the tile that fills up a pair,
 * they are zero. */
INLINE void grad_pixels(const struct weigh *g, int tile,
                        const struct wino_windows *unpools,
                        struct wino_pixel pixel[PIXELS])
{
    const struct wino_map *m = g->map;
    const int rows = tile < g->end ? m->dh : 0;
    const struct wino_maps maps = { g->grads, rows, m->dw, m->dc, unpools, m->zeros };
    const struct wino_tile t = wino_tile(m, tile);
    for (int i = 0; i < PIXELS; i++)
        pixel[i] =
            wino_pixel(&maps, t.n, t.y + i / WINO_RESULTS, t.x + i % WINO_RESULTS);
}

/* Every column of A dy, of channels c to c + 15. */
INLINE void unfold_columns(const struct wino_pixel pixel[PIXELS], int c, bool owned,
                           vf half[WINO_SIDE * WINO_RESULTS])
{
    for (int x = 0; x < WINO_RESULTS; x++) {
        vf column[WINO_RESULTS];
#pragma GCC unroll 4
        for (int y = 0; y < WINO_RESULTS; y++) {
            const struct wino_pixel *p = &pixel[y * WINO_RESULTS + x];
            const uint32_t owners = owned ? wino_owners(p, c / WINO_BLOCK) : 0;
            column[y] = wino_load(p, c, owned ? &owners : NULL);
        }
        unfold_side(column, 1, half + x, WINO_RESULTS);
    }
}

INLINE void transform_dest(const struct weigh *g, int pair,
                           const struct wino_windows *unpools)
{
    const struct wino_map *m = g->map;
    const int t = g->begin + 2 * pair;
    const size_t place = stride(m, m->dc);
    struct wino_pixel even[PIXELS], odd[PIXELS];
    grad_pixels(g, t, unpools, even);
    grad_pixels(g, t + 1, unpools, odd);
    for (int c = 0; c < m->dc; c += CHANNELS) {
        uint16_t *to = pair_at(m, g->right, pair, c);
        vf a[WINO_SIDE * WINO_RESULTS], b[WINO_SIDE * WINO_RESULTS];
        unfold_columns(even, c, unpools, a);
        unfold_columns(odd, c, unpools, b);
        for (int y = 0; y < WINO_SIDE; y++) {
            vf low[WINO_SIDE], high[WINO_SIDE];
            unfold_side(a + WINO_RESULTS * y, 1, low, 1);
            unfold_side(b + WINO_RESULTS * y, 1, high, 1);
#pragma GCC unroll 6
            for (int x = 0; x < WINO_SIDE; x++, to += place)
                wino_store_pairs(to, low[x], high[x]);
        }
    }
}

static void transform(void *arg, size_t begin, size_t end)
{
    const struct weigh *g = arg;
    for (int pair = (int)begin; pair < (int)end; pair++) {
        if (g->map->swidth % WINO_BLOCK)
            transform_source(g, pair, true);
        else
            transform_source(g, pair, false);
        if (g->map->unpools)
            transform_dest(g, pair, g->map->unpools);
        else
            transform_dest(g, pair, NULL);
    }
}

/* sums (8, 32), or zero if they are the first, plus left (pairs, 32, 2)' times right
 * (pairs, 32, 2), of 8 of the left's channels. The next sums follow: they are on their
 * way from level 3 meanwhile. */
static void multiply(const uint16_t *left, const uint16_t *right, int count, bool first,
                     float *sums)
{
    __m512 s[ROWS][2];
    for (int i = 0; i < ROWS * WINO_BLOCK && !first; i += CHANNELS)
        _mm_prefetch((const char *)(sums + ROWS * WINO_BLOCK + i), _MM_HINT_T0);
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) {
        s[i][0] = first ? _mm512_setzero_ps() : _mm512_loadu_ps(sums + i * WINO_BLOCK);
        s[i][1] = first ? _mm512_setzero_ps()
                        : _mm512_loadu_ps(sums + i * WINO_BLOCK + CHANNELS);
    }
    for (int t = 0; t < count; t++, left += 2 * WINO_BLOCK, right += 2 * WINO_BLOCK) {
        const __m512bh low = (__m512bh)_mm512_loadu_si512(right);
        const __m512bh high = (__m512bh)_mm512_loadu_si512(right + WINO_BLOCK);
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; i++) {
            int32_t pair;
            memcpy(&pair, left + 2 * i, sizeof pair);
            const __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
            s[i][0] = _mm512_dpbf16_ps(s[i][0], x, low);
            s[i][1] = _mm512_dpbf16_ps(s[i][1], x, high);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) {
        _mm512_storeu_ps(sums + i * WINO_BLOCK, s[i][0]);
        _mm512_storeu_ps(sums + i * WINO_BLOCK + CHANNELS, s[i][1]);
    }
}

/* Products of a unit, for a place and 32 channels of gradients each. */
static void add_products(void *arg, size_t first, size_t last)
{
    const struct weigh *g = arg;
    const struct wino_map *m = g->map;
    const size_t blocks = (size_t)(m->dc / WINO_BLOCK);
    for (size_t i = first; i < last; i++) {
        const size_t place = i / blocks, block = i % blocks;
        const struct split_span from = m->from[place];
        const uint16_t *left = g->left + place * stride(m, m->sc);
        const uint16_t *right =
            g->right + place * stride(m, m->dc) + block * block_stride(m);
        float *sums = g->sums[place] + block * (size_t)split_count(from) * WINO_BLOCK;
        for (int s = from.begin; s < from.end; s += ROWS, sums += ROWS * WINO_BLOCK)
            multiply(left + (size_t)(s / WINO_BLOCK) * block_stride(m) +
                         2 * (s % WINO_BLOCK),
                     right, (g->end - g->begin + 1) / 2, g->begin == 0, sums);
    }
}

/* A place's sums of one source channel and 16 of the result's. */
INLINE vf sums_of(const struct weigh *g, int place, int s, int d)
{
    const struct split_span from = g->map->from[place];
    if (!split_within(from, s))
        return (vf)_mm512_setzero_ps();
    const size_t at =
        (size_t)(d / WINO_BLOCK * split_count(from) + s - from.begin) * WINO_BLOCK;
    return (vf)_mm512_loadu_ps(g->sums[place] + at + d % WINO_BLOCK);
}

/* The sums of one source channel and 16 of the result's, in the weight's order (dc,
 * channels, kernel, kernel). */
static void write_filters(const struct weigh *g, int s, int d,
                          const int tap[SPLIT_TAPS])
{
    const struct wino_map *m = g->map;
    const int channels = m->swidth;
    const size_t kernel = (size_t)m->split->kernel, size = kernel * kernel;
    vf sum[WINO_PLACES], half[3 * WINO_SIDE], filter[SPLIT_TAPS];
    for (int i = 0; i < WINO_PLACES; i++)
        sum[i] = sums_of(g, i, s, d);
    for (int i = 0; i < WINO_SIDE; i++)
        narrow_side(sum + i, WINO_SIDE, half + i, WINO_SIDE);
    for (int i = 0; i < 3; i++)
        narrow_side(half + WINO_SIDE * i, 1, filter + 3 * i, 1);
    for (int i = 0; i < CHANNELS; i++) {
        float *to =
            g->dweight +
            ((size_t)(d + i) * (size_t)channels + (size_t)(s % channels)) * size;
        for (int k = 0; k < SPLIT_TAPS; k++)
            if (tap[k] >= 0)
                to[tap[k]] = filter[k][i];
    }
}

static void write_all(void *arg, size_t begin, size_t end)
{
    const struct weigh *g = arg;
    const struct wino_map *m = g->map;
    const int channels = wino_channels(m->sc, m->sstep);
    int tap[SPLIT_TAPS];
    for (int d = (int)begin; d < (int)end; d++)
        for (int s = 0; s < m->sc; s++) {
            if (s % channels == 0)
                split_taps(m->split, split_phase(m->split, s, channels, m->sstep), tap);
            if (s % channels < m->swidth)
                write_filters(g, s, d * CHANNELS, tap);
        }
}

void wino_bf16_weigh(const struct wino_map *m, struct device *dev,
                     const uint16_t *source, const uint16_t *grads, float *dweight)
{
    const size_t c = (size_t)m->sc, k = (size_t)m->dc;
    struct weigh g = { .map = m, .source = source, .grads = grads, .dweight = dweight };
    float *sums = cpu_of(dev)->sums;
    for (int i = 0; i < WINO_PLACES; sums += sums_count(m, i++))
        g.sums[i] = sums;
    g.left = (uint16_t *)sums;
    g.right = g.left + WINO_PLACES * stride(m, m->sc);
    for (int unit = 0; unit < m->units; unit++) {
        g.begin = wino_first(m, unit);
        g.end = wino_end(m, unit);
        const size_t pairs = (size_t)(g.end - g.begin + 1) / 2;
        threads_for(dev, pairs, 2 * WINO_PLACES * (c + k), transform, &g);
        threads_for(dev, WINO_PLACES * k / WINO_BLOCK, pairs * c * WINO_BLOCK,
                    add_products, &g);
    }
    threads_for(dev, k / CHANNELS, WINO_PLACES * CHANNELS * c, write_all, &g);
}
