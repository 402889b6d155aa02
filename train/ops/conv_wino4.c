/* conv_wino4.c -- plans of convolutions by F(4x4, 3x3); see conv_wino4.h. */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "conv_wino4_parts.h"

enum { TILES_LEAST = 64 };

/* At least half of the products, what tiles compute beside the map counted; less, as of
 * 3x3 with stride 2, is lost on the transforms. */
static bool saves_half(const struct onednn_shape *s, const struct wino_map *m)
{
    int64_t products = 0;
    for (int i = 0; i < WINO4_PLACES; i++)
        products += split_count(m->from[i]);
    return 2 * products * m->tiles_each <=
           (int64_t)s->kernel * s->kernel * s->c * s->oh * s->ow;
}

bool conv_wino4_fits(const struct device *dev, const struct onednn_shape *s)
{
    if (s->dtype != SLUICE_F32 || !wino_splits_up(s) || !cpu_of(dev)->winograd)
        return false;
    const struct wino_map m = wino_map_of(s, true, WINO4_RESULTS);
    return s->c % WINO_BLOCK == 0 && s->k % WINO_BLOCK == 0 && saves_half(s, &m) &&
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
    w->forward = wino_map_of(s, true, WINO4_RESULTS);
    w->backward = wino_map_of(s, false, WINO4_RESULTS);
    w->weigh = w->forward;
    w->forward.zeros = w->backward.zeros = w->weigh.zeros = w->zeros;
    wino4_gather_cut(&w->forward, dev);
    wino4_gather_cut(&w->backward, dev);
    wino4_weigh_cut(&w->weigh);
    const size_t forward = wino4_gather_bytes(&w->forward);
    const size_t backward = wino4_gather_bytes(&w->backward);
    const int rc = cpu_reserve(dev, forward > backward ? forward : backward,
                               wino4_weigh_bytes(&w->weigh), err);
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
