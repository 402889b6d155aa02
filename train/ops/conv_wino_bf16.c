/* conv_wino_bf16.c -- plans of Winograd convolutions; see conv_wino_bf16.h. */
#include <limits.h>
#include <stdlib.h>

#include "conv_amx.h"
#include "conv_wino_bf16_parts.h"

enum {
    CHANNELS_WIDE = 256, /* from here on, more products may be left */
    TILES_LEAST = 128,   /* with fewer, transforms of weights cost what products save */
};

/* The pixels of the windows are all that a pool looks at. */
static struct onednn_shape pooled_shape(const struct onednn_shape *s)
{
    struct onednn_shape pooled = *s;
    pooled.oh = s->oh / 2 * 2;
    pooled.ow = s->ow / 2 * 2;
    return pooled;
}

/* A multiple of what is multiplied at a time; at most a quarter of `filled` are zeros.
 */
static bool wide_enough(const struct onednn_shape *s, int filled)
{
    return s->stride == 1 ? s->c % 8 == 0 && 4 * s->c >= 3 * filled
                          : s->c % WINO_BLOCK == 0;
}

bool conv_wino_bf16_fits(const struct device *dev, const struct onednn_shape *shape,
                         bool pooled)
{
    const struct onednn_shape whole = pooled ? pooled_shape(shape) : *shape,
                              *s = &whole;
    if (s->dtype != SLUICE_BF16 || s->bias || !wino_splits_up(s) ||
        cpu_kernels(dev) != &kernels_avx512_bf16 || amx_usable() ||
        !cpu_of(dev)->winograd || (pooled && s->stride > 1))
        return false;
    const struct wino_map m = wino_map_of(s, true), back = wino_map_of(s, false);
    const size_t tiles = (size_t)m.n * (size_t)m.tiles_each;
    const int channels = s->c < s->k ? s->c : s->k;
    const double most = channels < CHANNELS_WIDE ? 0.5 : 0.6;
    return wide_enough(s, m.sc) && s->k % WINO_BLOCK == 0 && tiles >= TILES_LEAST &&
           tiles <= INT_MAX / 64 && wino_share(s, &m) <= most &&
           wino_share(s, &back) <= most;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int reserve(const struct conv_wino_bf16 *w, struct device *dev,
                   struct sluice_error *err)
{
    const struct wino_map *there = &w->forward, *back = &w->backward;
    const size_t packed =
        larger(wino_bf16_gather_bytes(there), wino_bf16_gather_bytes(back));
    return cpu_reserve(
        dev, larger(wino_bf16_gather_scratch(there), wino_bf16_gather_scratch(back)),
        larger(wino_bf16_weigh_bytes(&w->weigh), packed), err);
}

static bool windows_create(struct conv_wino_bf16 *w)
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

int conv_wino_bf16_create(struct conv_wino_bf16 **out, struct device *dev,
                          const struct onednn_shape *shape, bool pooled,
                          struct sluice_error *err)
{
    struct conv_wino_bf16 *w = calloc(1, sizeof *w);
    int rc = 0;
    *out = NULL;
    if (!w)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
    w->shape = *shape;
    const bool windows = !pooled || windows_create(w);
    w->forward = w->weigh = wino_map_of(&w->shape, true);
    w->backward = wino_map_of(&w->shape, false);
    if (pooled)
        w->forward.pools = w->backward.unpools = w->weigh.unpools = &w->windows;
    wino_cut_gather(&w->forward, dev, sizeof(uint16_t));
    wino_cut_gather(&w->backward, dev, sizeof(uint16_t));
    wino_cut_weigh(&w->weigh, sizeof(uint16_t));
    w->zeros = calloc((size_t)w->forward.sc + (size_t)w->forward.dc, sizeof *w->zeros);
    w->forward.zeros = w->backward.zeros = w->weigh.zeros = w->zeros;
    rc = windows && w->zeros
             ? reserve(w, dev, err)
             : sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
    if (rc < 0) {
        conv_wino_bf16_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void conv_wino_bf16_free(struct conv_wino_bf16 *w)
{
    if (!w)
        return;
    free(w->windows.places);
    free(w->zeros);
    free(w);
}

void conv_wino_bf16_forward(const struct conv_wino_bf16 *w, struct device *dev,
                            const void *x, const float *weight, void *y)
{
    wino_bf16_gather(&w->forward, dev, x, weight, false, y);
}

void conv_wino_bf16_backward_data(const struct conv_wino_bf16 *w, struct device *dev,
                                  const void *dy, const float *weight, void *dx)
{
    wino_bf16_gather(&w->backward, dev, dy, weight, true, dx);
}

void conv_wino_bf16_backward_weight(const struct conv_wino_bf16 *w, struct device *dev,
                                    const void *x, const void *dy, float *dweight)
{
    wino_bf16_weigh(&w->weigh, dev, x, dy, dweight);
}
