/* evaluate_views.c -- see evaluate_views.h. */
#include "evaluate_views.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/rng.h>

#include "device_memory.h"

enum {
    SHIFT_MOST = 4, /* of TTA_CROPS */
};

struct view {
    bool flip;
    int dy, dx; /* the source pixel lies this far off */
    double weight;
};

static const struct view no_views[] = { { false, 0, 0, 1 } };
static const struct view flip_views[] = { { false, 0, 0, .5 }, { true, 0, 0, .5 } };
static const struct view shift_views[] = {
    { false, 0, 0, .25 },   { true, 0, 0, .25 },   { false, -1, -1, .125 },
    { true, -1, -1, .125 }, { false, 1, 1, .125 }, { true, 1, 1, .125 },
};
static const struct {
    const struct view *at;
    int count;
} tta_views[] = {
    [TTA_NONE] = { no_views, 1 },
    [TTA_FLIP] = { flip_views, 2 },
    [TTA_FLIP_SHIFT] = { shift_views, 6 },
};

int evaluate_view_count(const struct tta *tta)
{
    return tta->kind == TTA_CROPS ? tta->views : tta_views[tta->kind].count;
}

/* View k of TTA_CROPS: the image, its mirror image, then random shifts, which are
 * smaller where the image has too few pixels to be reflected at its edges. */
static struct view crop_view(const struct tta *tta, int k, uint64_t sample, int side)
{
    const int most = side > SHIFT_MOST ? SHIFT_MOST : side - 1;
    struct sluice_rng rng = sluice_rng_open(tta->seed, UINT32_MAX, sample, (uint16_t)k);
    struct view v = { .flip = k == 1, .weight = 1.0 / tta->views };
    if (k > 1) {
        v.dy = sluice_rng_range(&rng, -most, most);
        v.dx = sluice_rng_range(&rng, -most, most);
    }
    return v;
}

/* View k of image n. */
static struct view view_of(const struct tta *tta, int k, const struct sluice_batch *b,
                           int n)
{
    const struct sluice_shape *s = &b->shape;
    if (tta->kind == TTA_CROPS)
        return crop_view(tta, k, b->ids[n],
                         s->height < s->width ? s->height : s->width);
    return tta_views[tta->kind].at[k];
}

static void copy_view(char *out, const struct sluice_batch *b, int n,
                      const struct view *v)
{
    const int h = b->shape.height, w = b->shape.width;
    const size_t pixel = (size_t)b->shape.channels * sluice_dtype_size(b->shape.dtype);
    const size_t row_bytes = (size_t)w * pixel, image = (size_t)h * row_bytes;
    const char *from = (const char *)b->pixels + (size_t)n * image;
    out += (size_t)n * image;
    if (!v->flip && !v->dy && !v->dx) {
        memcpy(out, from, image);
        return;
    }
    const struct view_place place = { v->flip, v->dy, v->dx };
    for (int y = 0; y < h; y++) {
        const char *row = from + (size_t)view_reflect(y + v->dy, h) * row_bytes;
        for (int x = 0; x < w; x++, out += pixel)
            memcpy(out, row + (size_t)view_column(place, x, w) * pixel, pixel);
    }
}

/* Of all heads, one behind the other. */
static void add_answers(struct net *net, double weight, double *logits)
{
    for (int h = 0; h < net_heads(net); h++) {
        const struct tensor *out = net_head(net, h)->out[0];
        const float *p = out->data;
        for (size_t i = 0; i < tensor_elements(out); i++)
            *logits++ += view_vote(p[i], weight);
    }
}

/* View k of all images, through the network, added to their logits. */
static int run_view(struct net *net, const struct sluice_batch *b,
                    const struct tta *tta, int k, double *logits,
                    struct sluice_error *err)
{
    struct pass pass = { .training = false };
    double weight = 0;
    for (int n = 0; n < b->count; n++) {
        const struct view v = view_of(tta, k, b, n);
        copy_view(net_input(net)->data, b, n, &v);
        weight = v.weight;
    }
    const int rc = net_forward(net, &pass, err);
    if (rc == 0)
        add_answers(net, weight, logits);
    return rc;
}

/* The same of all views, made where the network is, for up to `most` of them. */
static int run_views_there(struct views **views, struct net *net,
                           const struct sluice_batch *b, const struct tta *tta,
                           int most, double *logits, struct sluice_error *err)
{
    const int count = evaluate_view_count(tta);
    const size_t images = (size_t)b->count;
    struct view_place *places = malloc((size_t)count * images * sizeof(*places));
    double *weights = malloc((size_t)count * sizeof(*weights));
    int rc = places && weights
                 ? 0
                 : sluice_fail(err, SLUICE_ENOMEM, "no memory for %d views", count);
    for (int k = 0; k < count && rc == 0; k++)
        for (size_t n = 0; n < images; n++) {
            const struct view v = view_of(tta, k, b, (int)n);
            places[(size_t)k * images + n] = (struct view_place){ v.flip, v.dy, v.dx };
            weights[k] = v.weight;
        }
    if (rc == 0 && !*views) /* the first batch is the largest */
        rc = views_open(views, net, most, err);
    if (rc == 0)
        rc = views_run(*views, b->pixels, places, weights, count, logits, err);
    free(places);
    free(weights);
    return rc;
}

int evaluate_views(struct views **views, struct net *net, const struct sluice_batch *b,
                   const struct tta *tta, int most, double *logits,
                   struct sluice_error *err)
{
    int rc = 0;
    if (device_has_memory(net_device(net)))
        return run_views_there(views, net, b, tta, most, logits, err);
    for (int k = 0; k < evaluate_view_count(tta) && rc == 0; k++)
        rc = run_view(net, b, tta, k, logits, err);
    return rc;
}
