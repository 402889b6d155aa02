/* conv_wino_f32_gather.c -- results of convolutions by F(4x4, 3x3); see
 * conv_wino_f32.h. */
#include <string.h>

#include "conv_wino_f32_parts.h"

size_t wino_f32_gather_bytes(const struct wino_map *m)
{
    return WINO_PLACES * sizeof(float) *
           (wino_panel(m->unit, m->sc).place + wino_panel(m->unit, WINO_BLOCK).place);
}

/* Weights */

struct pack {
    const struct wino_map *map;
    const struct kernels *kernels;
    const float *weight;
    bool backward; /* turned about, and channels exchanged */
    float *to;     /* (place, dc / 32, sc, 32) */
};

/* From one channel of the source to 32 of the result. */
static void pack_filters(const struct pack *p, int s, int block)
{
    const struct wino_map *m = p->map;
    const int d = block * WINO_BLOCK, step = m->split->stride;
    const int in = wino_channels(p->backward ? m->dc : m->sc, step);
    const size_t size = (size_t)m->split->kernel * (size_t)m->split->kernel;
    float filters[SPLIT_TAPS][WINO_BLOCK] = { 0 };
    int tap[SPLIT_TAPS];
    split_taps(m->split, split_phase(m->split, p->backward ? d : s, in, step), tap);
    for (int i = 0; i < WINO_BLOCK; i++) {
        const size_t result = (size_t)(p->backward ? s : d + i);
        const size_t source = (size_t)((p->backward ? d + i : s) % in);
        const float *w = p->weight + (result * (size_t)in + source) * size;
        for (int k = 0; k < SPLIT_TAPS; k++)
            if (tap[k] >= 0)
                filters[p->backward ? SPLIT_TAPS - 1 - k : k][i] = w[tap[k]];
    }
    p->kernels->wino_widen(filters, wino_f32_weights(m),
                           p->to + ((size_t)block * (size_t)m->sc + (size_t)s) *
                                       WINO_BLOCK);
}

static void pack_all(void *arg, size_t begin, size_t end)
{
    const struct pack *p = arg;
    for (int i = (int)begin; i < (int)end; i++)
        pack_filters(p, i % p->map->sc, i / p->map->sc);
}

/* Tiles */

struct gather {
    const struct wino_map *map;
    const struct device *dev;
    const struct kernels *kernels;
    const float *source, *weight, *bias;
    float *dest;
};

/* A place's sums of the unit's tiles. */
static void multiply_place(const struct gather *g, const float *tiles, int count,
                           int block, int place, float *sums)
{
    const struct wino_map *m = g->map;
    const struct wino_panel left = wino_panel(m->unit, m->sc);
    const struct split_span from = m->from[place];
    const float *weight =
        g->weight + (size_t)place * wino_f32_weights(m) +
        ((size_t)block * (size_t)m->sc + (size_t)from.begin) * WINO_BLOCK;
    if (!split_within(m->to[place], block * WINO_BLOCK))
        memset(sums, 0, (size_t)count * WINO_BLOCK * sizeof *sums);
    else
        g->kernels->wino_multiply(tiles + (size_t)place * left.place +
                                      (size_t)(from.begin / WINO_BLOCK) * left.block,
                                  left.block, split_count(from) / WINO_BLOCK, weight,
                                  count, sums);
}

static void gather_units(void *arg, size_t first, size_t last)
{
    const struct gather *g = arg;
    const struct wino_map *m = g->map;
    const struct wino_panel left = wino_panel(m->unit, m->sc);
    const size_t place = wino_panel(m->unit, WINO_BLOCK).place;
    float *tiles = (float *)cpu_scratch(g->dev, threads_self());
    float *sums = tiles + WINO_PLACES * left.place;
    for (int unit = (int)first; unit < (int)last; unit++) {
        const int begin = wino_first(m, unit), count = wino_end(m, unit) - begin;
        for (int t = 0; t < count; t++)
            g->kernels->wino_spread(m, g->source, begin + t, left,
                                    tiles + t * WINO_BLOCK);
        for (int block = 0; block < m->dc / WINO_BLOCK; block++) {
            for (int i = 0; i < WINO_PLACES; i++)
                multiply_place(g, tiles, count, block, i, sums + (size_t)i * place);
            for (int t = 0; t < count; t++)
                g->kernels->wino_fold(m, sums + t * WINO_BLOCK, place, begin + t, block,
                                      g->bias, g->dest);
        }
    }
}

/* bias NULL: none; weights turned about and with their channels exchanged: `backward`
 */
static void gather(const struct wino_map *m, struct device *dev, const float *source,
                   const float *weight, const float *bias, bool backward, float *dest)
{
    float *packed = cpu_of(dev)->sums;
    const size_t filters = (size_t)m->sc * (size_t)(m->dc / WINO_BLOCK);
    struct pack pack = { m, cpu_kernels(dev), weight, backward, packed };
    struct gather g = { .map = m,
                        .dev = dev,
                        .kernels = cpu_kernels(dev),
                        .source = source,
                        .weight = packed,
                        .bias = bias ? bias : m->zeros,
                        .dest = dest };
    threads_for(dev, filters, (size_t)WINO_PLACES * WINO_BLOCK, pack_all, &pack);
    threads_for(dev, (size_t)m->units, (size_t)m->unit * (size_t)m->sc * (size_t)m->dc,
                gather_units, &g);
}

void conv_wino_f32_forward(const struct conv_wino_f32 *w, struct device *dev,
                           const float *x, const float *weight, const float *bias,
                           float *y)
{
    gather(&w->forward, dev, x, weight, bias, false, y);
}

void conv_wino_f32_backward_data(const struct conv_wino_f32 *w, struct device *dev,
                                 const float *dy, const float *weight, float *dx)
{
    gather(&w->backward, dev, dy, weight, NULL, true, dx);
}
