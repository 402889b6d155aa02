/* kernels_train.h -- the loss and the update. */
#ifndef SLUICE_KERNELS_TRAIN_H
#define SLUICE_KERNELS_TRAIN_H

#include "kernels_flat.h"

/* What a step says about its batch. */
struct gpu_result {
    struct head_loss head[PASS_HEADS]; /* those that the network has */
    int labels; /* 1: all in range; 0: one was not, and loss is no loss */
};

struct xent_args {
    enum sluice_dtype dtype; /* of logits and their gradient */
    int images, classes;
    float smoothing;
    int head;
    double weight; /* of the head, in the loss */
    const void *logits;
    float *probabilities;           /* (images, classes) */
    const int32_t *labels;          /* (images); NULL: probabilities alone */
    const struct sluice_mix *mixes; /* (images); NULL: none is mixed */
    double *losses;                 /* (images) */
    double *correct; /* (images): 0 .. 1, or -1 for a label out of range */
    struct gpu_result *results;
    const struct gpu_step *step; /* its slot is the results' place */
    void *grad;
    const float *loss_scale; /* gradients are this times what they are; NULL: 1 */
};

enum {
    XENT_THREADS = 32, /* of a block, which takes one image */
};

/* What the threads of an image share. */
struct xent_room {
    double sum[XENT_THREADS], top, lse;
    int largest[XENT_THREADS];
};

SLUICE_HD static inline double xent_logit(const struct xent_args *g, int n, int k)
{
    return (double)number_load(g->dtype, g->logits,
                               (size_t)n * (size_t)g->classes + (size_t)k);
}

/* How much of image n is class k. */
SLUICE_HD static inline double xent_part(const struct xent_args *g, int n, int k)
{
    if (!g->mixes)
        return k == g->labels[n] ? 1 : 0;
    const double share = (double)g->mixes[n].share;
    return (k == g->labels[n] ? share : 0) +
           (k == g->labels[g->mixes[n].partner] ? 1 - share : 0);
}

SLUICE_HD static inline double xent_wanted(const struct xent_args *g, int n, int k)
{
    const double s = (double)g->smoothing;
    return s / g->classes + (1 - s) * xent_part(g, n, k);
}

/* The first of the largest logits, of all that the threads found. */
SLUICE_HD static inline void xent_top(const struct xent_args *g, struct xent_room *room,
                                      int n)
{
    int best = room->largest[0];
    for (int t = 1; t < XENT_THREADS && t < g->classes; t++) {
        const double a = xent_logit(g, n, room->largest[t]), b = xent_logit(g, n, best);
        if (a > b || (a == b && room->largest[t] < best))
            best = room->largest[t];
    }
    room->largest[0] = best;
    room->top = xent_logit(g, n, best);
}

SLUICE_HD static inline double xent_total(const struct xent_room *room)
{
    double sum = 0;
    for (int t = 0; t < XENT_THREADS; t++)
        sum += room->sum[t];
    return sum;
}

SLUICE_HD static inline void xent_finish(const struct xent_args *g,
                                         const struct xent_room *room, int n)
{
    const int label = g->labels[n];
    const int other = g->mixes ? g->labels[g->mixes[n].partner] : label;
    g->losses[n] = xent_total(room);
    g->correct[n] = label < 0 || label >= g->classes || other < 0 || other >= g->classes
                        ? -1
                        : xent_part(g, n, room->largest[0]);
}

SLUICE_HD static inline void xent_forward(const struct xent_args *g,
                                          const struct spot *at)
{
    struct xent_room *room = (struct xent_room *)at->shared;
    const int n = at->block, t = at->thread;
    double sum = 0;
    if (at->phase == 0) {
        int best = t;
        for (int k = t + XENT_THREADS; k < g->classes; k += XENT_THREADS)
            if (xent_logit(g, n, k) > xent_logit(g, n, best))
                best = k;
        room->largest[t] = best;
    } else if (at->phase == 1 && t == 0) {
        xent_top(g, room, n);
    } else if (at->phase == 2) {
        for (int k = t; k < g->classes; k += XENT_THREADS)
            sum += exp(xent_logit(g, n, k) - room->top);
        room->sum[t] = sum;
    } else if (at->phase == 3 && t == 0) {
        room->lse = room->top + log(xent_total(room));
    } else if (at->phase == 4) {
        for (int k = t; k < g->classes; k += XENT_THREADS) {
            const double x = xent_logit(g, n, k);
            g->probabilities[(size_t)n * (size_t)g->classes + (size_t)k] =
                (float)exp(x - room->lse);
            if (g->labels)
                sum += xent_wanted(g, n, k) * (room->lse - x);
        }
        room->sum[t] = sum;
    } else if (at->phase == 5 && t == 0 && g->labels) {
        xent_finish(g, room, n);
    }
}

/* The sum of some images. */
struct xent_lane {
    double loss, correct;
    int labels;
};

/* One block, in two phases. */
SLUICE_HD static inline void xent_sum(const struct xent_args *g, const struct spot *at)
{
    struct xent_lane *lanes = (struct xent_lane *)at->shared; /* (threads) */
    if (at->phase == 0) {
        struct xent_lane r;
        r.loss = 0;
        r.correct = 0;
        r.labels = 1;
        for (int n = at->thread; n < g->images; n += at->threads) {
            r.loss += g->losses[n];
            r.correct += g->correct[n] > 0 ? g->correct[n] : 0;
            r.labels &= g->correct[n] >= 0;
        }
        lanes[at->thread] = r;
    } else if (at->thread == 0) {
        struct gpu_result *out = &g->results[g->step->slot];
        struct xent_lane all = lanes[0];
        for (int t = 1; t < at->threads; t++) {
            all.loss += lanes[t].loss;
            all.correct += lanes[t].correct;
            all.labels &= lanes[t].labels;
        }
        out->head[g->head].weight = g->weight;
        out->head[g->head].loss = all.loss / g->images;
        out->head[g->head].correct = all.correct;
        out->labels = all.labels;
    }
}

SLUICE_HD static inline void xent_backward(const struct xent_args *g,
                                           const struct spot *at)
{
    const double scale = (g->loss_scale ? (double)*g->loss_scale : 1) * g->weight;
    EACH(i, (size_t)g->images * (size_t)g->classes, at)
    {
        const int n = (int)(i / (size_t)g->classes), k = (int)(i % (size_t)g->classes);
        const double d =
            ((double)g->probabilities[i] - xent_wanted(g, n, k)) / g->images;
        number_store(g->dtype, g->grad, i, (float)(d * scale));
    }
}

/* A stretch of one parameter, updated by one block. */
struct gpu_chunk {
    float *w, *m, *v; /* m and v: moments; NULL: none */
    const float *g;
    int count;
    float lr_scale, decay_scale;
};

/* What gradients are multiplied by, and whether they are used at all. */
struct gpu_control {
    float grad_scale;
    int skip; /* they overflowed */
    double norm;
    /* Dynamic loss scaling, of f16; in a checkpoint as the tensor loss_scale. */
    float loss_scale;
    float good_steps;       /* since it changed */
    float skipped;          /* updates, in all */
    float step_size, root2; /* adam's, of this update */
};

enum gpu_update { UPDATE_SGD, UPDATE_NESTEROV, UPDATE_ADAM, UPDATE_ADAMW };

struct update_args {
    enum gpu_update update;
    const struct gpu_chunk *chunks; /* one for each block, or for UPDATE_BLOCKS */
    int count;                      /* of chunks */
    float decay, beta2, eps;
    float clip;      /* 0: off */
    int scaled;      /* the loss is scaled, dynamically */
    int grow_after;  /* good steps, before the scale doubles */
    double *partial; /* (count) sums of squares */
    struct gpu_control *control;
    const struct gpu_step *step;
};

enum {
    UPDATE_BLOCKS = 4, /* of update_params for a chunk, so that a GPU is filled */
};

/* The same for all elements of a chunk, read once: what is stored might be it. */
struct update_now {
    float lr, momentum, decay, scale; /* scale: of gradients */
    float size, root2;                /* Adam's */
};

SLUICE_HD static inline struct update_now update_now(const struct update_args *a,
                                                     const struct gpu_chunk *c)
{
    return (struct update_now){
        .lr = a->step->lr * c->lr_scale,
        .momentum = a->step->momentum,
        .decay = a->decay * c->decay_scale,
        .scale = a->control->grad_scale,
        .size = a->scaled ? a->control->step_size : a->step->step_size,
        .root2 = a->scaled ? a->control->root2 : a->step->root2,
    };
}

SLUICE_HD static inline void update_sgd(const struct update_args *a,
                                        const struct gpu_chunk *c, int i,
                                        const struct update_now *now)
{
    const float w = c->w[i], keep = now->momentum;
    const float grad = c->g[i] * now->scale + now->decay * w;
    const float buf = keep * c->m[i] + grad;
    c->m[i] = buf;
    c->w[i] = w - now->lr * (a->update == UPDATE_NESTEROV ? grad + keep * buf : buf);
}

SLUICE_HD static inline void update_adam(const struct update_args *a,
                                         const struct gpu_chunk *c, int i,
                                         const struct update_now *now)
{
    const float w = c->w[i], beta1 = now->momentum;
    const float l2 = a->update == UPDATE_ADAM ? now->decay : 0;
    const float shrink = a->update == UPDATE_ADAMW ? 1 - now->lr * now->decay : 1;
    const float grad = c->g[i] * now->scale + l2 * w;
    const float first = beta1 * c->m[i] + (1 - beta1) * grad;
    const float second = a->beta2 * c->v[i] + (1 - a->beta2) * grad * grad;
    c->m[i] = first;
    c->v[i] = second;
    c->w[i] = w * shrink -
              now->size * c->lr_scale * first / (sqrtf(second) / now->root2 + a->eps);
}

SLUICE_HD static inline void update_params(const struct update_args *a,
                                           const struct spot *at)
{
    const struct gpu_chunk c = a->chunks[at->block / UPDATE_BLOCKS];
    const struct update_now now = update_now(a, &c);
    const int first = at->block % UPDATE_BLOCKS * at->threads + at->thread;
    if (a->control->skip)
        return;
    for (int i = first; i < c.count; i += UPDATE_BLOCKS * at->threads)
        if (a->update == UPDATE_SGD || a->update == UPDATE_NESTEROV)
            update_sgd(a, &c, i, &now);
        else
            update_adam(a, &c, i, &now);
}

/* A block's chunk: lanes, then their sum. */
SLUICE_HD static inline void gradient_squares(const struct update_args *a,
                                              const struct spot *at)
{
    double *lanes = (double *)at->shared;
    const struct gpu_chunk *c = &a->chunks[at->block];
    double sum = 0;
    if (at->phase == 0) {
        for (int i = at->thread; i < c->count; i += at->threads)
            sum += (double)c->g[i] * (double)c->g[i];
        lanes[at->thread] = sum;
    } else if (at->thread == 0) {
        for (int t = 0; t < at->threads; t++)
            sum += lanes[t];
        a->partial[at->block] = sum;
    }
}

/* Adam's moments saw no update that was skipped, so bias correction counts none: as
 * with PyTorch's GradScaler, which then does not call the optimizer. */
SLUICE_HD static inline void correct_bias(const struct update_args *a)
{
    const struct adam_bias *b = &a->step->bias;
    const double t = b->updates - (double)a->control->skipped;
    a->control->step_size = (float)(b->lr / (1 - pow(b->beta1, t)));
    a->control->root2 = (float)sqrt(1 - pow(b->beta2, t));
}

/* From the sum of squares of gradients that are `loss_scale` times what they are. */
SLUICE_HD static inline void settle_control(const struct update_args *a, double squares)
{
    struct gpu_control *c = a->control;
    const double scale = a->scaled ? (double)c->loss_scale : 1;
    const double norm = sqrt(squares) / scale;
    const double part = a->clip > 0 ? (double)a->clip / (norm + 1e-6) : 1;
    const double clipped = part >= 1 ? 1 : part; /* of a NaN a NaN */
    c->norm = norm;
    c->grad_scale = (float)(clipped / scale);
    c->skip = a->scaled && !(squares <= 1.7e308);
    if (!a->scaled)
        return;
    correct_bias(a);
    if (c->skip) {
        c->loss_scale = c->loss_scale > 1 ? c->loss_scale / 2 : c->loss_scale;
        c->good_steps = 0;
        c->skipped++;
    } else if (++c->good_steps >= (float)a->grow_after) {
        c->loss_scale = c->loss_scale < 0x1p24f ? c->loss_scale * 2 : c->loss_scale;
        c->good_steps = 0;
    }
}

/* One block. */
SLUICE_HD static inline void update_control(const struct update_args *a,
                                            const struct spot *at)
{
    double *lanes = (double *)at->shared, sum = 0;
    if (at->phase == 0) {
        for (int i = at->thread; i < a->count; i += at->threads)
            sum += a->partial[i];
        lanes[at->thread] = sum;
    } else if (at->thread == 0) {
        for (int t = 0; t < at->threads; t++)
            sum += lanes[t];
        settle_control(a, sum);
    }
}

enum {
    MUON_BLOCKS = 64, /* whose sums of squares make a filter's norms */
};

/* A filter as muon.h updates it. */
struct muon_args {
    float *w, *m, *x; /* x: the update */
    const float *g;
    size_t count;
    int rows;
    float lr, keep; /* lr: times the step's */
    int nesterov;
    double *partial; /* (2, MUON_BLOCKS): of w, of x */
    const struct gpu_control *control;
    const struct gpu_step *step;
};

SLUICE_HD static inline void muon_momentum(const struct muon_args *a,
                                           const struct spot *at)
{
    EACH(i, a->count, at)
    {
        const float grad = a->g[i] * a->control->grad_scale;
        const float moment = a->keep * a->m[i] + grad;
        if (!a->control->skip)
            a->m[i] = moment;
        a->x[i] = a->nesterov ? grad + a->keep * moment : moment;
    }
}

SLUICE_HD static inline void muon_squares(const struct muon_args *a,
                                          const struct spot *at)
{
    double *lanes = (double *)at->shared; /* (2, threads) */
    double sum[2] = { 0, 0 };
    if (at->phase == 0) {
        EACH(i, a->count, at)
        {
            sum[0] += (double)a->w[i] * (double)a->w[i];
            sum[1] += (double)a->x[i] * (double)a->x[i];
        }
        for (int v = 0; v < 2; v++)
            lanes[v * at->threads + at->thread] = sum[v];
    } else if (at->thread < 2) {
        for (int t = 0; t < at->threads; t++)
            sum[0] += lanes[at->thread * at->threads + t];
        a->partial[at->thread * MUON_BLOCKS + at->block] = sum[0];
    }
}

SLUICE_HD static inline double muon_norm(const struct muon_args *a, int which)
{
    double sum = 0;
    for (int i = 0; i < MUON_BLOCKS; i++)
        sum += a->partial[which * MUON_BLOCKS + i];
    return sqrt(sum);
}

/* To norm 1. */
SLUICE_HD static inline void muon_scale(const struct muon_args *a,
                                        const struct spot *at)
{
    const float scale = (float)(1 / (muon_norm(a, 1) + 1e-7));
    EACH(i, a->count, at)
    a->x[i] *= scale;
}

SLUICE_HD static inline void muon_apply(const struct muon_args *a,
                                        const struct spot *at)
{
    const double norm = muon_norm(a, 0);
    const float keep = norm > 0 ? (float)(sqrt((double)a->rows) / norm) : 1;
    const float lr = a->step->lr * a->lr;
    if (a->control->skip)
        return;
    EACH(i, a->count, at)
    a->w[i] = a->w[i] * keep - lr * a->x[i];
}

struct mix_args {
    float *now, *slow;
    size_t count;
    float keep;
};

/* Lookahead: both become slow + (1 - keep) (now - slow). */
SLUICE_HD static inline void lookahead_mix(const struct mix_args *g,
                                           const struct spot *at)
{
    EACH(i, g->count, at)
    g->now[i] = g->slow[i] += (1 - g->keep) * (g->now[i] - g->slow[i]);
}

struct step_args {
    struct gpu_step *to, value;
};

SLUICE_HD static inline void set_step(const struct step_args *g, const struct spot *at)
{
    if (spot_first(at) == 0)
        *g->to = g->value;
}

#endif
