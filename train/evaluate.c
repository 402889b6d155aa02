/* evaluate.c -- running a network over a set; see evaluate.h. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "evaluate_views.h"

struct tta evaluate_tta(const struct config *cfg)
{
    return (struct tta){ (enum tta_kind)cfg->eval.tta, cfg->eval.views, cfg->seed,
                         cfg->eval.sure };
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

/* Images of whose first view the network is not sure, until they are a batch. */
struct unsure {
    int room, count;
    char *pixels;
    int64_t *labels;
    uint64_t *ids;
};

/* What an evaluation needs while it runs. */
struct work {
    struct evaluation *e;
    struct net *net;
    const struct data_info *info;
    const struct tta *tta;
    struct views *views; /* NULL: not yet, or not on this device */
    struct unsure unsure;
    double *logits; /* (room): heads, images of a batch, classes */
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

/* All views of the batch that `tta` names. */
static int ask(struct work *w, const struct sluice_batch *b, const struct tta *tta,
               struct sluice_error *err)
{
    int rc = make_room(w, b->count, err);
    if (rc == 0)
        rc = evaluate_views(&w->views, w->net, b, tta, evaluate_view_count(w->tta),
                            w->logits, err);
    for (int i = 0; i < b->count && rc == 0; i++)
        for (int h = 0; h < w->e->heads; h++)
            judge(w, b, i, h, b->ids[i] - w->info->first);
    return rc;
}

static size_t image_bytes(const struct sluice_shape *s)
{
    return (size_t)s->height * (size_t)s->width * (size_t)s->channels *
           sluice_dtype_size(s->dtype);
}

/* For a batch like this one, which is the largest. */
static int unsure_open(struct unsure *u, const struct sluice_batch *b,
                       struct sluice_error *err)
{
    const size_t n = (size_t)b->count, columns = (size_t)b->label_columns;
    u->pixels = malloc(n * image_bytes(&b->shape));
    u->labels = malloc((n * columns + 1) * sizeof(*u->labels));
    u->ids = malloc(n * sizeof(*u->ids));
    if (!u->pixels || !u->labels || !u->ids)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %d images", b->count);
    u->room = b->count;
    return 0;
}

static void unsure_close(struct unsure *u)
{
    free(u->pixels);
    free(u->labels);
    free(u->ids);
}

static void unsure_add(struct unsure *u, const struct sluice_batch *b, int i)
{
    const size_t bytes = image_bytes(&b->shape), columns = (size_t)b->label_columns;
    const size_t from = (size_t)i, to = (size_t)u->count++;
    memcpy(u->pixels + to * bytes, (const char *)b->pixels + from * bytes, bytes);
    for (size_t c = 0; c < columns; c++)
        u->labels[to * columns + c] = b->labels[from * columns + c];
    u->ids[to] = b->ids[i];
}

/* All views of those that wait; `like` is a batch of such images. */
static int ask_unsure(struct work *w, const struct sluice_batch *like,
                      struct sluice_error *err)
{
    struct unsure *u = &w->unsure;
    struct sluice_batch b = *like;
    b.count = u->count;
    b.pixels = u->pixels;
    b.labels = u->labels;
    b.ids = u->ids;
    u->count = 0;
    return b.count ? ask(w, &b, w->tta, err) : 0;
}

static int run_batch(struct work *w, const struct sluice_batch *b,
                     struct sluice_error *err)
{
    const struct tta first = { .kind = TTA_NONE };
    const double sure = w->tta->sure;
    if (sure <= 0 || evaluate_view_count(w->tta) == 1)
        return ask(w, b, w->tta, err);
    int rc = ask(w, b, &first, err);
    if (rc == 0 && !w->unsure.room)
        rc = unsure_open(&w->unsure, b, err);
    for (int i = 0; i < b->count && rc == 0; i++) {
        const struct prediction *p = &w->e->at[b->ids[i] - w->info->first];
        if (!((double)p->probability >= sure))
            unsure_add(&w->unsure, b, i);
        if (w->unsure.count == w->unsure.room)
            rc = ask_unsure(w, b, err);
    }
    return rc;
}

/* This rank's samples, which ascend. Where a last round has fewer samples than there
 * are ranks, the loader gives the others one that another rank has: its answer, in a
 * batch of another size, may be another. */
static int run_all(struct work *w, struct sluice_loader *loader, int rank,
                   struct sluice_error *err)
{
    struct sluice_batch like = { 0 };
    const struct sluice_batch *b;
    uint64_t behind = 0; /* the number behind the last sample */
    int n, rc = sluice_loader_seek(loader, 0, 0, err);
    if (rc == 0 && (uint64_t)rank >= w->info->used)
        return 0;
    while (rc == 0 && (n = sluice_loader_next(loader, &b, err)) != 0) {
        rc = n;
        if (n > 0) {
            rc = b->ids[0] < behind ? 0 : run_batch(w, b, err);
            behind = b->ids[b->count - 1] + 1;
            like = *b;
            sluice_loader_release(loader, b);
        }
    }
    return rc < 0 ? rc : ask_unsure(w, &like, err);
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
             ? run_all(&w, loader, ranks_self(ranks), err)
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
    unsure_close(&w.unsure);
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
