/* conv_wino4.c -- plans of convolutions by F(4x4, 3x3); see conv_wino4.h. */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "conv_wino4_parts.h"

enum { TILES_LEAST = 64 };

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
    const size_t forward = wino4_gather_bytes(&w->forward, dev);
    const size_t backward = wino4_gather_bytes(&w->backward, dev);
    const int rc = cpu_reserve(dev, forward > backward ? forward : backward,
                               wino4_weigh_bytes(&w->forward), err);
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
