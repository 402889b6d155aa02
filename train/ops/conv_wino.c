/* conv_wino.c -- plans of Winograd convolutions; see conv_wino.h. */
#include <limits.h>
#include <stdlib.h>

#include "conv_amx.h"
#include "conv_wino_parts.h"

enum {
    CHANNELS_LEAST = 64,      /* with fewer, transforms cost what products save */
    STRIDED_LEAST = 256,      /* likewise of 3x3 with stride 2: 25 products for 36 */
    TILES_LEAST = 512,        /* likewise, those of weights */
    GATHER_BYTES = 200 << 10, /* of transformed tiles: in level 2 beside the weights */
    GATHER_MOST = 96,         /* tiles */
    WEIGH_LEAST = 1 << 20,    /* in level 3; sums are walked through once for a unit */
    WEIGH_MUCH = 4 << 20,
    WEIGH_MOST = 512,
    STEP = 12, /* tiles: what gather multiplies at a time */
};

static void cut(struct wino_map *m, int bytes_each, int bytes, int most)
{
    const int fit = bytes / bytes_each;
    const int unit = fit > most ? most : fit / STEP * STEP;
    wino_cut(m, unit < STEP ? STEP : unit);
}

static int gather_cost(const struct wino_map *m)
{
    return WINO_PLACES * m->sc * (int)sizeof(uint16_t);
}

/* The pixels of the windows are all that a pool looks at. */
static struct onednn_shape pooled_shape(const struct onednn_shape *s)
{
    struct onednn_shape pooled = *s;
    pooled.oh = s->oh / 2 * 2;
    pooled.ow = s->ow / 2 * 2;
    return pooled;
}

/* Of what tiles compute, at most a third lies beside the map. */
static bool few_beside(const struct wino_map *m)
{
    const int h = wino_each(m->dh, m->dstep), w = wino_each(m->dw, m->dstep);
    return h > 0 && w > 0 && 8 * m->tiles_each <= 3 * h * w;
}

bool conv_wino_fits(const struct device *dev, const struct onednn_shape *shape,
                    bool pooled)
{
    const struct onednn_shape whole = pooled ? pooled_shape(shape) : *shape,
                              *s = &whole;
    if (s->dtype != SLUICE_BF16 || s->bias || !wino_splits_up(s) ||
        cpu_kernels(dev) != &kernels_avx512_bf16 || amx_usable() ||
        !cpu_of(dev)->winograd || (pooled && s->stride > 1))
        return false;
    const struct wino_map m = wino_map_of(s, true, WINO_RESULTS),
                          back = wino_map_of(s, false, WINO_RESULTS);
    const size_t tiles = (size_t)m.n * (size_t)m.tiles_each;
    const int least = s->kernel == 3 && s->stride == 2 ? STRIDED_LEAST : CHANNELS_LEAST;
    return s->c % WINO_BLOCK == 0 && s->k % WINO_BLOCK == 0 && s->c >= least &&
           s->k >= least && tiles >= TILES_LEAST && few_beside(&m) &&
           (!pooled || few_beside(&back)) && tiles <= INT_MAX / 64;
}

/* About as many of transformed tiles as of sums. */
static int weigh_bytes(const struct onednn_shape *s)
{
    const size_t sums = sizeof(float) * WINO_PLACES * (size_t)s->c * (size_t)s->k;
    return sums < WEIGH_LEAST  ? WEIGH_LEAST
           : sums > WEIGH_MUCH ? WEIGH_MUCH
                               : (int)sums;
}

static uint16_t *weights_create(const struct wino_map *m)
{
    return aligned_alloc(64, (size_t)WINO_PLACES * (size_t)m->sc * (size_t)m->dc *
                                 sizeof(uint16_t));
}

static int reserve(const struct conv_wino *w, struct device *dev,
                   struct sluice_error *err)
{
    const size_t forward = wino_gather_scratch(&w->forward);
    const size_t backward = wino_gather_scratch(&w->backward);
    return cpu_reserve(dev, forward > backward ? forward : backward,
                       wino_weigh_bytes(&w->weigh), err);
}

static bool windows_create(struct conv_wino *w)
{
    struct wino_windows *p = &w->windows;
    w->shape = pooled_shape(&w->shape);
    p->h = w->shape.oh / 2;
    p->w = w->shape.ow / 2;
    p->blocks = w->shape.k / WINO_BLOCK;
    p->places = calloc((size_t)w->shape.n * (size_t)p->h * (size_t)p->w,
                       (size_t)p->blocks * 2 * sizeof *p->places);
    return p->places != NULL;
}

int conv_wino_create(struct conv_wino **out, struct device *dev,
                     const struct onednn_shape *shape, bool pooled,
                     struct sluice_error *err)
{
    const int most = shape->c > shape->k ? shape->c : shape->k;
    struct conv_wino *w = calloc(1, sizeof *w);
    int rc = 0;
    *out = NULL;
    if (!w)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
    w->shape = *shape;
    const bool windows = !pooled || windows_create(w);
    w->forward = w->weigh = wino_map_of(&w->shape, true, WINO_RESULTS);
    w->backward = wino_map_of(&w->shape, false, WINO_RESULTS);
    if (pooled)
        w->forward.pools = w->backward.unpools = w->weigh.unpools = &w->windows;
    cut(&w->forward, gather_cost(&w->forward), GATHER_BYTES, GATHER_MOST);
    cut(&w->backward, gather_cost(&w->backward), GATHER_BYTES, GATHER_MOST);
    cut(&w->weigh, gather_cost(&w->forward) + gather_cost(&w->backward),
        weigh_bytes(shape), WEIGH_MOST);
    w->zeros = calloc((size_t)most, sizeof *w->zeros);
    w->forward.zeros = w->backward.zeros = w->weigh.zeros = w->zeros;
    w->forward_weight = weights_create(&w->forward);
    w->backward_weight = weights_create(&w->backward);
    rc = windows && w->zeros && w->forward_weight && w->backward_weight
             ? reserve(w, dev, err)
             : sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
    if (rc < 0) {
        conv_wino_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void conv_wino_free(struct conv_wino *w)
{
    if (!w)
        return;
    free(w->windows.places);
    free(w->zeros);
    free(w->forward_weight);
    free(w->backward_weight);
    free(w);
}

void conv_wino_stale(struct conv_wino *w)
{
    w->forward_fresh = w->backward_fresh = false;
}

void conv_wino_forward(struct conv_wino *w, struct device *dev, const void *x,
                       const float *weight, void *y)
{
    if (!w->forward_fresh)
        wino_pack(&w->forward, dev, weight, false, w->forward_weight);
    w->forward_fresh = true;
    wino_gather(&w->forward, dev, x, w->forward_weight, y);
}

void conv_wino_backward_data(struct conv_wino *w, struct device *dev, const void *dy,
                             const float *weight, void *dx)
{
    if (!w->backward_fresh)
        wino_pack(&w->backward, dev, weight, true, w->backward_weight);
    w->backward_fresh = true;
    wino_gather(&w->backward, dev, dy, w->backward_weight, dx);
}

void conv_wino_backward_weight(struct conv_wino *w, struct device *dev, const void *x,
                               const void *dy, float *dweight)
{
    wino_weigh(&w->weigh, dev, x, dy, dweight);
}
