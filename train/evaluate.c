/* evaluate.c -- running a network over a set; see evaluate.h. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/rng.h>

#include "cuda/views.h"
#include "device_memory.h"
#include "evaluate.h"

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

struct tta evaluate_tta(const struct config *cfg)
{
    return (struct tta){ (enum tta_kind)cfg->eval.tta, cfg->eval.views, cfg->seed };
}

static int view_count(const struct tta *tta)
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
    for (int y = 0; y < h; y++) {
        const char *row = from + (size_t)view_reflect(y + v->dy, h) * row_bytes;
        for (int x = 0; x < w; x++, out += pixel) {
            int sx = view_reflect(x + v->dx, w);
            sx = v->flip ? w - 1 - sx : sx;
            memcpy(out, row + (size_t)sx * pixel, pixel);
        }
    }
}

/* View k of all images, through the network, added to their logits. */
static int run_view(struct net *net, const struct sluice_batch *b,
                    const struct tta *tta, int k, double *logits,
                    struct sluice_error *err)
{
    const struct tensor *out = net_probabilities(net);
    const float *p = out->data;
    struct pass pass = { .training = false };
    double weight = 0;
    for (int n = 0; n < b->count; n++) {
        const struct view v = view_of(tta, k, b, n);
        copy_view(net_input(net)->data, b, n, &v);
        weight = v.weight;
    }
    const int rc = net_forward(net, &pass, err);
    for (size_t i = 0; i < tensor_elements(out) && rc == 0; i++)
        logits[i] += view_vote(p[i], weight);
    return rc;
}

/* The same of all views, made where the network is. */
static int run_views_there(struct views **views, struct net *net,
                           const struct sluice_batch *b, const struct tta *tta,
                           double *logits, struct sluice_error *err)
{
    const int count = view_count(tta);
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
        rc = views_open(views, net, count, err);
    if (rc == 0)
        rc = views_run(*views, b->pixels, places, weights, count, logits, err);
    free(places);
    free(weights);
    return rc;
}

/* From averaged logits of one image to a prediction; returns its loss. */
static double decide(struct prediction *out, const double *logits, int classes)
{
    double sum = 0;
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c] > logits[best])
            best = c;
    for (int c = 0; c < classes; c++)
        sum += exp(logits[c] - logits[best]);
    out->predicted = best;
    out->probability = (float)(1 / sum);
    return out->label < 0 ? 0 : logits[best] + log(sum) - logits[out->label];
}

static int run_batch(struct evaluation *e, struct views **views, double *logits,
                     struct net *net, const struct sluice_batch *b,
                     const struct data_info *info, const struct tta *tta,
                     struct sluice_error *err)
{
    int rc = net_resize(net, b->count, err);
    if (rc < 0)
        return rc;
    memset(logits, 0, (size_t)b->count * (size_t)e->classes * sizeof(*logits));
    if (device_has_memory(net_device(net)))
        rc = run_views_there(views, net, b, tta, logits, err);
    else
        for (int k = 0; k < view_count(tta) && rc == 0; k++)
            rc = run_view(net, b, tta, k, logits, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < b->count; i++) {
        struct prediction *p = &e->at[e->count++];
        p->id = b->ids[i];
        p->label =
            e->labelled ? b->labels[i * b->label_columns + info->label_column] : -1;
        e->loss += decide(p, logits + (size_t)i * (size_t)e->classes, e->classes);
        e->accuracy += p->predicted == p->label;
    }
    return 0;
}

int evaluate(struct evaluation *out, struct net *net, struct sluice_loader *loader,
             const struct data_info *info, const struct tta *tta,
             struct sluice_error *err)
{
    const struct tensor *p = net_probabilities(net);
    const struct sluice_batch *b;
    const uint64_t samples = sluice_loader_samples(loader);
    struct evaluation e = { .labelled = info->label_field >= 0 };
    struct views *views = NULL;
    double *logits = NULL;
    size_t room = 0;
    int n, rc = sluice_loader_seek(loader, 0, 0, err);
    e.classes = p->shape[p->rank - 1];
    e.at = calloc(samples, sizeof(*e.at));
    if (rc == 0 && !e.at)
        rc = sluice_fail(err, SLUICE_ENOMEM,
                         "%.300s: no memory for %" PRIu64 " predictions", info->path,
                         samples);
    while (rc == 0 && (n = sluice_loader_next(loader, &b, err)) != 0) {
        const size_t need = n < 0 ? 0 : (size_t)n * (size_t)e.classes;
        double *more = need > room ? realloc(logits, need * sizeof(*logits)) : logits;
        if (n < 0)
            rc = n;
        else if (need > room && !more)
            rc = sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu logits", need);
        if (more && need > room) {
            logits = more;
            room = need;
        }
        if (rc == 0)
            rc = run_batch(&e, &views, logits, net, b, info, tta, err);
        if (n > 0)
            sluice_loader_release(loader, b);
    }
    views_close(views);
    free(logits);
    e.loss = e.labelled && e.count ? e.loss / (double)e.count : (double)NAN;
    e.accuracy = e.labelled && e.count ? e.accuracy / (double)e.count : (double)NAN;
    if (rc < 0)
        evaluation_free(&e);
    *out = e;
    return rc;
}

void evaluation_free(struct evaluation *e)
{
    free(e->at);
    *e = (struct evaluation){ 0 };
}
