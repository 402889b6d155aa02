/* conv_wino_f32_weigh.c -- gradients of weights by F(4x4, 3x3); see conv_wino_f32.h. */
#include <string.h>

#include "conv_wino_f32_parts.h"

size_t wino_f32_weigh_bytes(const struct wino_map *m)
{
    const size_t tiles =
        wino_panel(m->unit, m->sc).place + wino_panel(m->unit, m->dc).place;
    return WINO_PLACES * sizeof(float) * (wino_f32_weights(m) + tiles);
}

struct weigh {
    const struct wino_map *map;
    const struct kernels *kernels;
    const float *source, *grads;
    float *left, *right; /* the unit's tiles: of the source, of gradients */
    struct wino_panel left_panel, right_panel;
    float *sums; /* (place, dc / 32, sc, 32) */
    float *dweight;
    int begin, count; /* tiles of the unit */
};

static void transform(void *arg, size_t begin, size_t end)
{
    const struct weigh *w = arg;
    for (size_t t = begin; t < end; t++) {
        const int tile = w->begin + (int)t;
        w->kernels->wino_spread(w->map, w->source, tile, w->left_panel,
                                w->left + t * WINO_BLOCK);
        w->kernels->wino_unfold(w->map, w->grads, tile, w->right_panel,
                                w->right + t * WINO_BLOCK);
    }
}

/* For a place and 32 channels of gradients each. */
static void add_unit(void *arg, size_t begin, size_t end)
{
    const struct weigh *w = arg;
    const struct wino_map *m = w->map;
    const size_t blocks = (size_t)(m->dc / WINO_BLOCK);
    for (size_t i = begin; i < end; i++) {
        const size_t place = i / blocks, block = i % blocks;
        const float *right =
            w->right + place * w->right_panel.place + block * w->right_panel.block;
        float *sums =
            w->sums + place * wino_f32_weights(m) + block * (size_t)m->sc * WINO_BLOCK;
        for (int s = 0; s < m->sc; s += WINO_BLOCK, sums += WINO_BLOCK * WINO_BLOCK)
            if (split_within(m->from[place], s))
                w->kernels->wino_add(w->left + place * w->left_panel.place +
                                         (size_t)(s / WINO_BLOCK) * w->left_panel.block,
                                     right, w->count, w->begin == 0, sums);
            else if (w->begin == 0)
                memset(sums, 0, WINO_BLOCK * WINO_BLOCK * sizeof *sums);
    }
}

/* Of one channel of the source and 32 of the gradients. */
static void write_filters(const struct weigh *w, int s, int block)
{
    const struct wino_map *m = w->map;
    const int in = wino_channels(m->sc, m->sstep);
    const size_t size = (size_t)m->split->kernel * (size_t)m->split->kernel;
    float filters[SPLIT_TAPS][WINO_BLOCK];
    int tap[SPLIT_TAPS];
    split_taps(m->split, split_phase(m->split, s, in, m->sstep), tap);
    w->kernels->wino_narrow(w->sums + ((size_t)block * (size_t)m->sc + (size_t)s) *
                                          WINO_BLOCK,
                            wino_f32_weights(m), filters);
    for (int d = 0; d < WINO_BLOCK; d++) {
        const size_t result = (size_t)block * WINO_BLOCK + (size_t)d;
        float *to = w->dweight + (result * (size_t)in + (size_t)(s % in)) * size;
        for (int k = 0; k < SPLIT_TAPS; k++)
            if (tap[k] >= 0)
                to[tap[k]] = filters[k][d];
    }
}

static void write_all(void *arg, size_t begin, size_t end)
{
    const struct weigh *w = arg;
    for (int i = (int)begin; i < (int)end; i++)
        write_filters(w, i % w->map->sc, i / w->map->sc);
}

void conv_wino_f32_backward_weight(const struct conv_wino_f32 *conv, struct device *dev,
                                   const float *x, const float *dy, float *dweight)
{
    const struct wino_map *m = &conv->weigh;
    const size_t c = (size_t)m->sc, k = (size_t)m->dc;
    struct weigh w = { .map = m,
                       .kernels = cpu_kernels(dev),
                       .source = x,
                       .grads = dy,
                       .left_panel = wino_panel(m->unit, m->sc),
                       .right_panel = wino_panel(m->unit, m->dc),
                       .sums = cpu_of(dev)->sums,
                       .dweight = dweight };
    w.left = w.sums + WINO_PLACES * wino_f32_weights(m);
    w.right = w.left + WINO_PLACES * w.left_panel.place;
    for (int unit = 0; unit < m->units; unit++) {
        w.begin = wino_first(m, unit);
        w.count = wino_end(m, unit) - w.begin;
        threads_for(dev, (size_t)w.count, WINO_PLACES * (c + k), transform, &w);
        threads_for(dev, WINO_PLACES * k / WINO_BLOCK, (size_t)w.count * c * WINO_BLOCK,
                    add_unit, &w);
    }
    threads_for(dev, c * (k / WINO_BLOCK), (size_t)WINO_PLACES * WINO_BLOCK, write_all,
                &w);
}
