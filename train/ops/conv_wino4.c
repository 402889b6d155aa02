/* conv_wino4.c -- see conv_wino4.h. */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conv_wino4.h"

enum {
    TILES_LEAST = 64,
    UNIT_BYTES = 768 << 10, /* of transformed tiles: in level 2 beside the weights */
    UNIT_LEAST = 48,        /* tiles: weights are read once for so many */
    UNIT_MOST = 192,
    STEP = 12,            /* tiles: what gather multiplies at a time */
    WEIGH_MUCH = 4 << 20, /* bytes of transformed tiles */
    WEIGH_LEAST = 96,
    WEIGH_MOST = 512,
    SPARE = 16, /* elements between places, so that they meet different cache sets */
};

struct conv_wino4 {
    struct wino4_map forward, backward;
    int weigh_unit; /* tiles */
    float *zeros;
};

/* Rows or columns of one phase. */
static int each(int size, int step)
{
    return (size + step - 1) / step;
}

static struct wino4_map map_of(const struct onednn_shape *s, bool forward)
{
    struct wino4_map m = { .n = s->n, .sstep = 1, .dstep = 1 };
    const int phases = s->stride * s->stride, pad = s->stride > 1 ? 1 : s->pad;
    m.split = conv_split_of(s->kernel, s->stride);
    *(forward ? &m.sstep : &m.dstep) = s->stride;
    m.sh = forward ? s->h : s->oh;
    m.sw = forward ? s->w : s->ow;
    m.sc = forward ? s->c * phases : s->k;
    m.dh = forward ? s->oh : s->h;
    m.dw = forward ? s->ow : s->w;
    m.dc = forward ? s->k : s->c * phases;
    m.pad = forward ? pad : 2 - pad;
    m.across = each(each(m.dw, m.dstep), WINO4_RESULTS);
    m.tiles_each = each(each(m.dh, m.dstep), WINO4_RESULTS) * m.across;
    m.tiles = m.n * m.tiles_each;
    for (int i = 0; i < WINO4_PLACES; i++) {
        m.from[i] = (struct split_span){ 0, m.sc };
        m.to[i] = (struct split_span){ 0, m.dc };
        *(forward ? &m.from[i] : &m.to[i]) = split_span(
            m.split, !forward, i / WINO4_SIDE, i % WINO4_SIDE, WINO4_SIDE, s->c);
    }
    return m;
}

/* At least half of the products, what tiles compute beside the map counted; less, as of
 * 3x3 with stride 2, is lost on the transforms. */
static bool saves_half(const struct onednn_shape *s, const struct wino4_map *m)
{
    int64_t products = 0;
    for (int i = 0; i < WINO4_PLACES; i++)
        products += split_count(m->from[i]);
    return 2 * products * m->tiles_each <=
           (int64_t)s->kernel * s->kernel * s->c * s->oh * s->ow;
}

/* Padded so that the phases' filters are 3x3 with a pixel of padding. */
static bool splits_up(const struct onednn_shape *s)
{
    return conv_split_of(s->kernel, s->stride) &&
           (s->stride == 1 ? s->pad <= 1 : s->pad == s->kernel / 2);
}

bool conv_wino4_fits(const struct device *dev, const struct onednn_shape *s)
{
    if (s->dtype != SLUICE_F32 || !splits_up(s) || !cpu_of(dev)->winograd)
        return false;
    const struct wino4_map m = map_of(s, true);
    return s->c % WINO4_BLOCK == 0 && s->k % WINO4_BLOCK == 0 && saves_half(s, &m) &&
           (size_t)m.n * (size_t)m.tiles_each <= INT_MAX / 64 && m.tiles >= TILES_LEAST;
}

static int in_steps(int tiles)
{
    return (tiles + STEP - 1) / STEP * STEP;
}

/* Tiles that a thread takes at a time: as they fit, and enough parts for all threads.
 */
static int gather_unit(const struct wino4_map *m, const struct device *dev)
{
    const int fit = UNIT_BYTES / (WINO4_PLACES * m->sc * (int)sizeof(float));
    const int share = in_steps(m->tiles / (4 * dev->threads) + 1);
    int unit = fit > UNIT_MOST ? UNIT_MOST : fit < UNIT_LEAST ? UNIT_LEAST : fit;
    unit = unit / STEP * STEP;
    return unit < share ? unit : share;
}

/* About as many bytes of transformed tiles as of sums, which are walked through once
 * for each unit. */
static int weigh_unit(const struct wino4_map *m)
{
    const int each = WINO4_PLACES * (m->sc + m->dc) * (int)sizeof(float);
    const int unit = WEIGH_MUCH / each;
    return unit > WEIGH_MOST ? WEIGH_MOST : unit < WEIGH_LEAST ? WEIGH_LEAST : unit;
}

static struct wino4_panel panel_of(int tiles, int channels)
{
    const size_t block = (size_t)tiles * WINO4_BLOCK;
    return (struct wino4_panel){ block * (size_t)(channels / WINO4_BLOCK) + SPARE,
                                 block };
}

static size_t gather_bytes(const struct wino4_map *m, const struct device *dev)
{
    const int unit = gather_unit(m, dev);
    return WINO4_PLACES * sizeof(float) *
           (panel_of(unit, m->sc).place + panel_of(unit, WINO4_BLOCK).place);
}

/* Of each place's weights, or sums. */
static size_t weights_stride(const struct wino4_map *m)
{
    return (size_t)m->sc * (size_t)m->dc + SPARE;
}

static size_t shared_bytes(const struct conv_wino4 *w)
{
    const struct wino4_map *m = &w->forward;
    const size_t tiles =
        panel_of(w->weigh_unit, m->sc).place + panel_of(w->weigh_unit, m->dc).place;
    return WINO4_PLACES * sizeof(float) * (weights_stride(m) + tiles);
}

int conv_wino4_create(struct conv_wino4 **out, struct device *dev,
                      const struct onednn_shape *s, struct sluice_error *err)
{
    struct conv_wino4 *w = calloc(1, sizeof *w);
    *out = NULL;
    if (w)
        w->zeros = calloc((size_t)(s->c > s->k ? s->c : s->k), sizeof *w->zeros);
    if (!w || !w->zeros) {
        conv_wino4_free(w);
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
    }
    w->forward = map_of(s, true);
    w->backward = map_of(s, false);
    w->forward.zeros = w->backward.zeros = w->zeros;
    w->weigh_unit = weigh_unit(&w->forward);
    const size_t forward = gather_bytes(&w->forward, dev);
    const size_t backward = gather_bytes(&w->backward, dev);
    const int rc =
        cpu_reserve(dev, forward > backward ? forward : backward, shared_bytes(w), err);
    if (rc < 0) {
        conv_wino4_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void conv_wino4_free(struct conv_wino4 *w)
{
    if (!w)
        return;
    free(w->zeros);
    free(w);
}

/* ---- weights ---- */

struct pack {
    const struct wino4_map *map;
    const struct kernels *kernels;
    const float *weight;
    bool backward; /* turned about, and channels exchanged */
    float *to;     /* (place, dc / 32, sc, 32) */
};

/* From one channel of the source to 32 of the result. */
static void pack_filters(const struct pack *p, int s, int block)
{
    const struct wino4_map *m = p->map;
    const int d = block * WINO4_BLOCK, step = m->split->stride;
    const int in = wino4_channels(p->backward ? m->dc : m->sc, step);
    const size_t size = (size_t)m->split->kernel * (size_t)m->split->kernel;
    float filters[SPLIT_TAPS][WINO4_BLOCK] = { 0 };
    int tap[SPLIT_TAPS];
    split_taps(m->split, split_phase(m->split, p->backward ? d : s, in, step), tap);
    for (int i = 0; i < WINO4_BLOCK; i++) {
        const size_t result = (size_t)(p->backward ? s : d + i);
        const size_t source = (size_t)((p->backward ? d + i : s) % in);
        const float *w = p->weight + (result * (size_t)in + source) * size;
        for (int k = 0; k < SPLIT_TAPS; k++)
            if (tap[k] >= 0)
                filters[p->backward ? SPLIT_TAPS - 1 - k : k][i] = w[tap[k]];
    }
    p->kernels->wino4_widen(filters, weights_stride(m),
                            p->to + ((size_t)block * (size_t)m->sc + (size_t)s) *
                                        WINO4_BLOCK);
}

static void pack_all(void *arg, size_t begin, size_t end)
{
    const struct pack *p = arg;
    for (int i = (int)begin; i < (int)end; i++)
        pack_filters(p, i % p->map->sc, i / p->map->sc);
}

/* ---- results ---- */

struct gather {
    const struct wino4_map *map;
    const struct device *dev;
    const struct kernels *kernels;
    const float *source, *weight, *bias;
    float *dest;
    int unit;
};

/* A place's sums of the unit's tiles. */
static void multiply_place(const struct gather *g, const float *tiles, int count,
                           int block, int place, float *sums)
{
    const struct wino4_map *m = g->map;
    const struct wino4_panel left = panel_of(g->unit, m->sc);
    const struct split_span from = m->from[place];
    const float *weight =
        g->weight + (size_t)place * weights_stride(m) +
        ((size_t)block * (size_t)m->sc + (size_t)from.begin) * WINO4_BLOCK;
    if (!split_within(m->to[place], block * WINO4_BLOCK))
        memset(sums, 0, (size_t)count * WINO4_BLOCK * sizeof *sums);
    else
        g->kernels->wino4_multiply(tiles + (size_t)place * left.place +
                                       (size_t)(from.begin / WINO4_BLOCK) * left.block,
                                   left.block, split_count(from) / WINO4_BLOCK, weight,
                                   count, sums);
}

static void gather_units(void *arg, size_t first, size_t last)
{
    const struct gather *g = arg;
    const struct wino4_map *m = g->map;
    const struct wino4_panel left = panel_of(g->unit, m->sc);
    const size_t place = panel_of(g->unit, WINO4_BLOCK).place;
    float *tiles = (float *)cpu_scratch(g->dev, threads_self());
    float *sums = tiles + WINO4_PLACES * left.place;
    for (int unit = (int)first; unit < (int)last; unit++) {
        const int begin = unit * g->unit;
        const int count = m->tiles - begin < g->unit ? m->tiles - begin : g->unit;
        for (int t = 0; t < count; t++)
            g->kernels->wino4_spread(m, g->source, begin + t, left,
                                     tiles + t * WINO4_BLOCK);
        for (int block = 0; block < m->dc / WINO4_BLOCK; block++) {
            for (int i = 0; i < WINO4_PLACES; i++)
                multiply_place(g, tiles, count, block, i, sums + (size_t)i * place);
            for (int t = 0; t < count; t++)
                g->kernels->wino4_fold(m, sums + t * WINO4_BLOCK, place, begin + t,
                                       block, g->bias, g->dest);
        }
    }
}

/* bias NULL: none; weights turned about and with their channels exchanged: `backward`
 */
static void gather(const struct wino4_map *m, struct device *dev, const float *source,
                   const float *weight, const float *bias, bool backward, float *dest)
{
    float *packed = cpu_of(dev)->sums;
    const size_t filters = (size_t)m->sc * (size_t)(m->dc / WINO4_BLOCK);
    struct pack pack = { m, cpu_kernels(dev), weight, backward, packed };
    struct gather g = { .map = m,
                        .dev = dev,
                        .kernels = cpu_kernels(dev),
                        .source = source,
                        .weight = packed,
                        .bias = bias ? bias : m->zeros,
                        .dest = dest,
                        .unit = gather_unit(m, dev) };
    threads_for(dev, filters, (size_t)WINO4_PLACES * WINO4_BLOCK, pack_all, &pack);
    threads_for(dev, (size_t)((m->tiles + g.unit - 1) / g.unit),
                (size_t)g.unit * (size_t)m->sc * (size_t)m->dc, gather_units, &g);
}

void conv_wino4_forward(const struct conv_wino4 *w, struct device *dev, const float *x,
                        const float *weight, const float *bias, float *y)
{
    gather(&w->forward, dev, x, weight, bias, false, y);
}

void conv_wino4_backward_data(const struct conv_wino4 *w, struct device *dev,
                              const float *dy, const float *weight, float *dx)
{
    gather(&w->backward, dev, dy, weight, NULL, true, dx);
}

/* ---- gradients of weights ---- */

struct weigh {
    const struct wino4_map *map;
    const struct kernels *kernels;
    const float *source, *grads;
    float *left, *right; /* the unit's tiles: of the source, of gradients */
    struct wino4_panel left_panel, right_panel;
    float *sums; /* (place, dc / 32, sc, 32) */
    float *dweight;
    int begin, count; /* tiles of the unit */
};

static void transform(void *arg, size_t begin, size_t end)
{
    const struct weigh *w = arg;
    for (size_t t = begin; t < end; t++) {
        const int tile = w->begin + (int)t;
        w->kernels->wino4_spread(w->map, w->source, tile, w->left_panel,
                                 w->left + t * WINO4_BLOCK);
        w->kernels->wino4_unfold(w->map, w->grads, tile, w->right_panel,
                                 w->right + t * WINO4_BLOCK);
    }
}

/* For a place and 32 channels of gradients each. */
static void add_unit(void *arg, size_t begin, size_t end)
{
    const struct weigh *w = arg;
    const struct wino4_map *m = w->map;
    const size_t blocks = (size_t)(m->dc / WINO4_BLOCK);
    for (size_t i = begin; i < end; i++) {
        const size_t place = i / blocks, block = i % blocks;
        const float *right =
            w->right + place * w->right_panel.place + block * w->right_panel.block;
        float *sums =
            w->sums + place * weights_stride(m) + block * (size_t)m->sc * WINO4_BLOCK;
        for (int s = 0; s < m->sc; s += WINO4_BLOCK, sums += WINO4_BLOCK * WINO4_BLOCK)
            if (split_within(m->from[place], s))
                w->kernels->wino4_add(w->left + place * w->left_panel.place +
                                          (size_t)(s / WINO4_BLOCK) *
                                              w->left_panel.block,
                                      right, w->count, w->begin == 0, sums);
            else if (w->begin == 0)
                memset(sums, 0, WINO4_BLOCK * WINO4_BLOCK * sizeof *sums);
    }
}

/* Of one channel of the source and 32 of the gradients. */
static void write_filters(const struct weigh *w, int s, int block)
{
    const struct wino4_map *m = w->map;
    const int in = wino4_channels(m->sc, m->sstep);
    const size_t size = (size_t)m->split->kernel * (size_t)m->split->kernel;
    float filters[SPLIT_TAPS][WINO4_BLOCK];
    int tap[SPLIT_TAPS];
    split_taps(m->split, split_phase(m->split, s, in, m->sstep), tap);
    w->kernels->wino4_narrow(w->sums + ((size_t)block * (size_t)m->sc + (size_t)s) *
                                           WINO4_BLOCK,
                             weights_stride(m), filters);
    for (int d = 0; d < WINO4_BLOCK; d++) {
        const size_t result = (size_t)block * WINO4_BLOCK + (size_t)d;
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

void conv_wino4_backward_weight(const struct conv_wino4 *conv, struct device *dev,
                                const float *x, const float *dy, float *dweight)
{
    const struct wino4_map *m = &conv->forward;
    const size_t c = (size_t)m->sc, k = (size_t)m->dc;
    struct weigh w = { .map = m,
                       .kernels = cpu_kernels(dev),
                       .source = x,
                       .grads = dy,
                       .left_panel = panel_of(conv->weigh_unit, m->sc),
                       .right_panel = panel_of(conv->weigh_unit, m->dc),
                       .sums = cpu_of(dev)->sums,
                       .dweight = dweight };
    w.left = w.sums + WINO4_PLACES * weights_stride(m);
    w.right = w.left + WINO4_PLACES * w.left_panel.place;
    for (; w.begin < m->tiles; w.begin += conv->weigh_unit) {
        w.count = m->tiles - w.begin < conv->weigh_unit ? m->tiles - w.begin
                                                        : conv->weigh_unit;
        threads_for(dev, (size_t)w.count, WINO4_PLACES * (c + k), transform, &w);
        threads_for(dev, WINO4_PLACES * k / WINO4_BLOCK,
                    (size_t)w.count * c * WINO4_BLOCK, add_unit, &w);
    }
    threads_for(dev, c * (k / WINO4_BLOCK), (size_t)WINO4_PLACES * WINO4_BLOCK,
                write_all, &w);
}
