/* conv_wino_f32.c -- plans of convolutions by F(4x4, 3x3); see conv_wino_f32.h. */
#include <limits.h>
#include <stdlib.h>

#include "conv_wino_f32_parts.h"

#define SHARE_MOST 0.5 /* of products: else the transforms cost what is saved */

enum { TILES_LEAST = 64 };

bool conv_wino_f32_fits(const struct device *dev, const struct onednn_shape *s)
{
    if (s->dtype != SLUICE_F32 || !wino_splits_up(s) || !cpu_of(dev)->winograd)
        return false;
    const struct wino_map m = wino_map_of(s, true);
    return s->c % WINO_BLOCK == 0 && s->k % WINO_BLOCK == 0 &&
           wino_share(s, &m) <= SHARE_MOST &&
           (size_t)m.n * (size_t)m.tiles_each <= INT_MAX / 64 && m.tiles >= TILES_LEAST;
}

int conv_wino_f32_create(struct conv_wino_f32 **out, struct device *dev,
                         const struct onednn_shape *s, struct sluice_error *err)
{
    struct conv_wino_f32 *w = calloc(1, sizeof *w);
    *out = NULL;
    if (w)
        w->zeros = calloc((size_t)(s->c > s->k ? s->c : s->k), sizeof *w->zeros);
    if (!w || !w->zeros) {
        conv_wino_f32_free(w);
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a convolution");
    }
    w->forward = wino_map_of(s, true);
    w->backward = wino_map_of(s, false);
    w->weigh = w->forward;
    w->forward.zeros = w->backward.zeros = w->weigh.zeros = w->zeros;
    wino_cut_gather(&w->forward, dev, sizeof(float));
    wino_cut_gather(&w->backward, dev, sizeof(float));
    wino_cut_weigh(&w->weigh, sizeof(float));
    const size_t forward = wino_f32_gather_bytes(&w->forward);
    const size_t backward = wino_f32_gather_bytes(&w->backward);
    const int rc = cpu_reserve(dev, forward > backward ? forward : backward,
                               wino_f32_weigh_bytes(&w->weigh), err);
    if (rc < 0) {
        conv_wino_f32_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

void conv_wino_f32_free(struct conv_wino_f32 *w)
{
    if (!w)
        return;
    free(w->zeros);
    free(w);
}
