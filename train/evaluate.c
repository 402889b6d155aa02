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

/* From averaged logits of one image to a prediction; returns the logarithm of the sum
 * of their exponentials. */
static double decide(struct prediction *out, const double *logits, int classes)
{
    double sum = 0;
    int best = 0;
    for (int c = 1; c < classes; c++)
        if (logits[c] > logits[best])
            best = c;
    for (int c = 0; c < classes; c++)
        sum += exp(logits[c] - logits[best]);
    out->predicted = isnan(sum) ? -1 : best; /* a NaN among the logits is in the sum */
    out->probability = (float)(1 / sum);
    return logits[best] + log(sum);
}

/* What an evaluation needs while it runs. */
struct work {
    struct evaluation *e;
    struct net *net;
    const struct data_info *info;
    const struct tta *tta;
    struct views *views; /* NULL: not yet, or not on this device */
    double *logits;      /* (room): heads, images of a batch, classes */
    size_t room;
    double *losses; /* (samples, heads) */
    bool *correct;  /* likewise */
    float *scores;  /* NULL, or (samples, classes): head 0's log-probabilities */
};

static int make_room(struct work *w, int images, struct sluice_error *err)
{
    const size_t need = (size_t)w->e->heads * (size_t)images * (size_t)w->e->classes;
    double *more =
        need > w->room ? realloc(w->logits, need * sizeof(*more)) : w->logits;
    if (!more)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu logits", need);
    w->logits = more;
    w->room = need > w->room ? need : w->room;
    memset(w->logits, 0, need * sizeof(*w->logits));
    return net_resize(w->net, images, err);
}

/* What head `head` makes of image i of the batch, sample `at` of the set. Predictions
 * are head 0's. */
static void judge(struct work *w, const struct sluice_batch *b, int i, int head,
                  uint64_t at)
{
    struct evaluation *e = w->e;
    const size_t place = (size_t)head * (size_t)b->count + (size_t)i;
    struct prediction p = { .id = b->ids[i], .label = -1 };
    if (e->labelled)
        p.label = b->labels[i * b->label_columns + w->info->label_column];
    const size_t slot = at * (size_t)e->heads + (size_t)head;
    const size_t classes = (size_t)e->classes;
    const double *logits = w->logits + place * classes;
    const double all = decide(&p, logits, e->classes);
    /* NaN also without a label: sum_up() looks for it. */
    w->losses[slot] =
        p.label < 0 && !isnan(all) ? 0 : all - logits[p.label < 0 ? 0 : p.label];
    w->correct[slot] = p.predicted == p.label;
    if (head == 0)
        e->at[at] = p;
    for (size_t c = 0; head == 0 && w->scores && c < classes; c++)
        w->scores[at * classes + c] = (float)(logits[c] - all);
}

static int run_batch(struct work *w, const struct sluice_batch *b,
                     struct sluice_error *err)
{
    int rc = make_room(w, b->count, err);
    if (rc < 0)
        return rc;
    if (device_has_memory(net_device(w->net)))
        rc = run_views_there(&w->views, w->net, b, w->tta, w->logits, err);
    else
        for (int k = 0; k < view_count(w->tta) && rc == 0; k++)
            rc = run_view(w->net, b, w->tta, k, w->logits, err);
    for (int i = 0; i < b->count && rc == 0; i++)
        for (int h = 0; h < w->e->heads; h++)
            judge(w, b, i, h, b->ids[i] - w->info->first);
    return rc;
}

/* This rank's samples. */
static int run_all(struct work *w, struct sluice_loader *loader,
                   struct sluice_error *err)
{
    const struct sluice_batch *b;
    int n, rc = sluice_loader_seek(loader, 0, 0, err);
    while (rc == 0 && (n = sluice_loader_next(loader, &b, err)) != 0) {
        rc = n < 0 ? n : run_batch(w, b, err);
        if (n > 0)
            sluice_loader_release(loader, b);
    }
    return rc;
}

/* Of each head, from all samples. */
static void sum_up(struct evaluation *e, const struct work *w)
{
    const double count = e->labelled && e->count ? (double)e->count : (double)NAN;
    e->loss = 0;
    for (int h = 0; h < e->heads; h++) {
        double loss = 0, correct = 0;
        for (uint64_t i = 0; i < e->count; i++) {
            const double one = w->losses[i * (uint64_t)e->heads + (uint64_t)h];
            if (isnan(one) && (!e->no_number || e->no_number > &e->at[i]))
                e->no_number = &e->at[i];
            loss += one;
            correct += w->correct[i * (uint64_t)e->heads + (uint64_t)h];
        }
        e->head[h] = (struct evaluated_head){ loss / count, correct / count };
        e->loss += head_weight(net_head(w->net, h)) * e->head[h].loss;
    }
    e->accuracy = e->head[0].accuracy;
}

/* Of a range with a fold in use the places that were filled, one behind the other. An
 * empty place has the number 0, which is another's unless the range begins there. */
static void close_gaps(struct work *w)
{
    struct evaluation *e = w->e;
    const uint64_t first = w->info->first, heads = (uint64_t)e->heads;
    uint64_t filled = 0, kept = 0;
    for (uint64_t i = 0; i < e->count; i++)
        filled += e->at[i].id == first + i && first + i > 0;
    for (uint64_t i = 0; i < e->count; i++) {
        const bool zero = first + i == 0;
        if (zero ? filled == w->info->used : e->at[i].id != first + i)
            continue;
        e->at[kept] = e->at[i];
        memmove(w->losses + kept * heads, w->losses + i * heads,
                heads * sizeof(*w->losses));
        memmove(w->correct + kept * heads, w->correct + i * heads,
                heads * sizeof(*w->correct));
        kept++;
    }
    e->count = kept;
}

static int measure(struct evaluation *out, float *scores, struct net *net,
                   struct sluice_loader *loader, const struct data_info *info,
                   const struct tta *tta, struct ranks *ranks, struct sluice_error *err)
{
    const struct tensor *p = net_probabilities(net);
    struct evaluation e = { .labelled = info->label_field >= 0,
                            .count = info->count,
                            .heads = net_heads(net),
                            .classes = p->shape[p->rank - 1] };
    struct work w = { .e = &e, .net = net, .info = info, .tta = tta, .scores = scores };
    int rc;
    const size_t all = (size_t)e.heads * e.count;
    e.at = calloc(e.count, sizeof(*e.at));
    w.losses = calloc(all, sizeof(*w.losses));
    w.correct = calloc(all, sizeof(*w.correct));
    rc = e.at && w.losses && w.correct
             ? run_all(&w, loader, err)
             : sluice_fail(err, SLUICE_ENOMEM,
                           "%.300s: no memory for %" PRIu64 " predictions", info->path,
                           e.count);
    if (rc == 0) {
        ranks_merge(ranks, e.at, e.count * sizeof(*e.at));
        ranks_merge(ranks, w.losses, all * sizeof(*w.losses));
        ranks_merge(ranks, w.correct, all * sizeof(*w.correct));
        if (info->used < info->count)
            close_gaps(&w);
        sum_up(&e, &w);
    } else {
        evaluation_free(&e);
    }
    views_close(w.views);
    free(w.logits);
    free(w.losses);
    free(w.correct);
    *out = e;
    return rc;
}

int evaluate(struct evaluation *out, struct net *net, struct sluice_loader *loader,
             const struct data_info *info, const struct tta *tta, struct ranks *ranks,
             struct sluice_error *err)
{
    return measure(out, NULL, net, loader, info, tta, ranks, err);
}

int evaluate_scores(struct evaluation *out, float *scores, struct net *net,
                    struct sluice_loader *loader, const struct data_info *info,
                    const struct tta *tta, struct sluice_error *err)
{
    return measure(out, scores, net, loader, info, tta, NULL, err);
}

/* -1 if one of them is no number. */
static int largest(const float *row, size_t classes)
{
    size_t best = 0;
    for (size_t c = 0; c < classes; c++) {
        if (isnan(row[c]))
            return -1;
        best = row[c] > row[best] ? c : best;
    }
    return (int)best;
}

void evaluation_decide(struct evaluation *e, const float *scores, uint64_t first)
{
    const size_t classes = (size_t)e->classes;
    const double count = e->labelled && e->count ? (double)e->count : (double)NAN;
    double loss = 0, correct = 0;
    e->no_number = NULL;
    for (uint64_t i = 0; i < e->count; i++) {
        struct prediction *p = &e->at[i];
        const float *row = scores + (size_t)(p->id - first) * classes;
        p->predicted = largest(row, classes);
        p->probability = p->predicted < 0 ? (float)NAN : expf(row[p->predicted]);
        if (p->predicted < 0 && !e->no_number)
            e->no_number = p;
        loss -= p->label < 0 ? 0 : (double)row[p->label];
        correct += p->label == p->predicted;
    }
    e->heads = 1;
    e->loss = loss / count;
    e->accuracy = correct / count;
    e->head[0] = (struct evaluated_head){ e->loss, e->accuracy };
}

int evaluation_check(const struct evaluation *e, const char *network,
                     struct sluice_error *err)
{
    if (!e->no_number)
        return 0;
    return sluice_fail(err, SLUICE_EINVAL,
                       "%.300s: its outputs for sample %" PRIu64
                       " are no numbers (NaN): its training diverged",
                       network, e->no_number->id);
}

void evaluation_free(struct evaluation *e)
{
    free(e->at);
    *e = (struct evaluation){ 0 };
}
