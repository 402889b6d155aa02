/* meta.c -- see meta.h. */
#include "meta.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/rng.h>

#include "device_memory.h"
#include "init.h"
#include "steering.h"

#define LEAST 1e-30F /* probability that a logarithm is taken of */

enum {
    HELD = 10,          /* one row of so many is held back */
    SPLIT = UINT16_MAX, /* operation of its draws; order: 0 */
};

struct meta {
    const struct level_one *l;
    const struct config *cfg;
    struct device *dev;
    struct net *net;
    struct optim *opt;
    int width, batch;
    double *mean, *scale; /* (width): of the training rows, and 1 / deviation */
    uint64_t *rows;       /* (count): those held back, ascending, then the others */
    uint64_t held;
    float *scores;         /* (held, classes) */
    int64_t *batch_labels; /* (batch) */
};

/* `auto` is the CPU's fast way where this build has it. */
static int open_device(struct meta *m, struct sluice_error *err)
{
    char kind[64];
    config_choice(kind, "device", m->cfg->device);
    const bool any = strcmp(kind, "auto") == 0;
    int rc = device_open(&m->dev, any ? "cpu" : kind, "f32", m->cfg->threads, err);
    if (any && rc == SLUICE_EUNBUILT)
        rc = device_open(&m->dev, "ref", "f32", m->cfg->threads, err);
    if (rc == 0 && device_has_memory(m->dev))
        return sluice_fail(
            err, SLUICE_EINVAL,
            "device: expected cpu or ref for a network of a few numbers, "
            "found %s",
            kind);
    return rc;
}

/* Of an option the reason names the key already. */
static int refuse_model(const struct meta *m, const struct sluice_error *why,
                        struct sluice_error *err)
{
    if (why->code != SLUICE_EINVAL || strncmp(why->message, "model.", 6) == 0)
        return sluice_fail(err, why->code, "%s", why->message);
    return sluice_fail(err, why->code,
                       "model.name: expected a model that takes a vector, as mlp and "
                       "residual_mlp do, found %s: %.300s",
                       m->cfg->model.name, why->message);
}

static int build(struct meta *m, struct sluice_error *err)
{
    const struct config *cfg = m->cfg;
    const struct model_def *model = model_find(cfg->model.name);
    const struct net_input input = { m->batch, 1, 1, m->width };
    const struct model_config config = { .classes = m->l->classes,
                                         .label_smoothing =
                                             (float)cfg->training.label_smoothing,
                                         .options = cfg->model.values.numbers,
                                         .texts = cfg->model.values.texts };
    struct sluice_error why = { .code = SLUICE_OK };
    int rc = net_create(&m->net, m->dev, &input, err);
    if (rc < 0)
        return rc;
    model->build(m->net, &config);
    return net_finish(m->net, &why) < 0 ? refuse_model(m, &why, err) : 0;
}

static void init(struct meta *m)
{
    const struct config *cfg = m->cfg;
    model_find(cfg->model.name)->init(m->net, cfg->seed);
    init_by_scheme(m->net, init_scheme_at(cfg->init.weights), cfg->seed);
    net_params_changed(m->net);
}

static int upward(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Fisher and Yates. */
static void shuffle(uint64_t *rows, uint64_t count, struct sluice_rng rng)
{
    for (uint64_t i = count; i > 1; i--) {
        const uint64_t k = sluice_rng_below(&rng, (uint32_t)i), row = rows[i - 1];
        rows[i - 1] = rows[k];
        rows[k] = row;
    }
}

static int split(struct meta *m, struct sluice_error *err)
{
    const uint64_t count = m->l->count;
    m->held = count / HELD;
    if (!m->held || count > UINT32_MAX)
        return sluice_fail(err, SLUICE_EINVAL,
                           "expected 10 training images or more, found %" PRIu64,
                           count);
    if (!(m->rows = malloc((size_t)count * sizeof *m->rows)))
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %" PRIu64 " rows", count);
    for (uint64_t i = 0; i < count; i++)
        m->rows[i] = i;
    shuffle(m->rows, count, sluice_rng_open(m->cfg->seed, 0, 0, SPLIT));
    qsort(m->rows, (size_t)m->held, sizeof *m->rows, upward);
    qsort(m->rows + m->held, (size_t)(count - m->held), sizeof *m->rows, upward);
    return 0;
}

/* Answers are of many sizes: each number is used less its mean, by its deviation. */
static int measure(struct meta *m, struct sluice_error *err)
{
    const size_t width = (size_t)m->width;
    const uint64_t count = m->l->count - m->held;
    m->mean = calloc(width, sizeof *m->mean);
    m->scale = calloc(width, sizeof *m->scale);
    if (!m->mean || !m->scale)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for %zu means", width);
    for (uint64_t i = 0; i < count; i++) {
        const float *row = m->l->answers + m->rows[m->held + i] * width;
        for (size_t k = 0; k < width; k++)
            m->mean[k] += (double)row[k] / (double)count;
    }
    for (uint64_t i = 0; i < count; i++) {
        const float *row = m->l->answers + m->rows[m->held + i] * width;
        for (size_t k = 0; k < width; k++)
            m->scale[k] += pow((double)row[k] - m->mean[k], 2) / (double)count;
    }
    for (size_t k = 0; k < width; k++)
        m->scale[k] = m->scale[k] > 0 ? 1 / sqrt(m->scale[k]) : 0;
    return 0;
}

/* Rows first ... first + n - 1 of the answers, or, of a list, those that it names
 * there. */
static int put(struct meta *m, const float *answers, const uint64_t *list,
               uint64_t first, int n, struct sluice_error *err)
{
    const int rc = net_resize(m->net, n, err);
    float *x = net_input(m->net)->data;
    for (uint64_t i = first; i < first + (uint64_t)n && rc == 0; i++) {
        const float *row = answers + (list ? list[i] : i) * (uint64_t)m->width;
        for (int k = 0; k < m->width; k++)
            *x++ = (float)(((double)row[k] - m->mean[k]) * m->scale[k]);
    }
    return rc;
}

/* Of `count` rows, likewise. */
static int apply(struct meta *m, const float *answers, const uint64_t *list,
                 uint64_t count, float *scores, struct sluice_error *err)
{
    const size_t classes = (size_t)m->l->classes;
    struct pass pass = { .training = false };
    for (uint64_t i = 0; i < count; i += (uint64_t)m->batch) {
        const int n =
            (int)(count - i < (uint64_t)m->batch ? count - i : (uint64_t)m->batch);
        int rc = put(m, answers, list, i, n, err);
        if (rc == 0)
            rc = net_forward(m->net, &pass, err);
        if (rc < 0)
            return rc;
        const float *p = net_probabilities(m->net)->data;
        for (size_t k = 0; k < (size_t)n * classes; k++)
            scores[i * classes + k] = logf(fmaxf(p[k], LEAST));
    }
    return 0;
}

int meta_apply(struct meta *m, const float *answers, uint64_t count, float *scores,
               struct sluice_error *err)
{
    return apply(m, answers, NULL, count, scores, err);
}

/* Loss and accuracy on the rows held back. */
static int try_held(struct meta *m, struct meta_epoch *e, struct sluice_error *err)
{
    const size_t classes = (size_t)m->l->classes;
    const int rc = apply(m, m->l->answers, m->rows, m->held, m->scores, err);
    double loss = 0, right = 0;
    for (uint64_t i = 0; i < m->held && rc == 0; i++) {
        const float *row = m->scores + i * classes;
        const size_t label = (size_t)m->l->labels[m->rows[i]];
        size_t best = 0;
        for (size_t c = 1; c < classes; c++)
            best = row[c] > row[best] ? c : best;
        loss -= (double)row[label];
        right += best == label;
    }
    e->held_loss = loss / (double)m->held;
    e->held_accuracy = right / (double)m->held;
    return rc;
}

/* One step on `n` of the rows in `order`; adds to the loss. */
static int step(struct meta *m, const uint64_t *order, uint64_t first, uint64_t number,
                struct schedule_value now, double *loss, struct sluice_error *err)
{
    const int n = m->batch;
    struct pass pass = { .training = true,
                         .seed = m->cfg->seed,
                         .step = number,
                         .labels = m->batch_labels,
                         .label_stride = 1 };
    int rc = put(m, m->l->answers, order, first, n, err);
    for (int i = 0; i < n; i++)
        m->batch_labels[i] = m->l->labels[order[first + (uint64_t)i]];
    if (rc < 0 || (rc = net_forward(m->net, &pass, err)) < 0 ||
        (rc = net_backward(m->net, &pass, err)) < 0)
        return rc;
    if (!isfinite(pass.loss))
        return sluice_fail(err, SLUICE_EINVAL,
                           "step %" PRIu64 ": the loss is %g: training diverged; a "
                           "smaller optimizer.lr may help (now %g)",
                           number + 1, pass.loss, now.lr);
    optim_step(m->opt, now.lr, now.momentum);
    *loss += pass.loss;
    return 0;
}

/* All rows that are not held back, in an order of the epoch's own; a short last batch
 * is left out. */
static int train_epoch(struct meta *m, const struct schedule_config *schedule,
                       struct meta_epoch *e, uint64_t *order, struct sluice_error *err)
{
    const uint64_t count = m->l->count - m->held, steps = schedule->steps_per_epoch;
    const uint64_t before = (uint64_t)(e->epoch - 1) * steps;
    double loss = 0;
    uint64_t done = 0;
    memcpy(order, m->rows + m->held, (size_t)count * sizeof *order);
    shuffle(order, count, sluice_rng_open(m->cfg->seed, (uint32_t)e->epoch, 0, 0));
    for (; done < steps && before + done < schedule->steps; done++) {
        const struct schedule_value now = schedule_at(schedule, before + done);
        const int rc =
            step(m, order, done * (uint64_t)m->batch, before + done, now, &loss, err);
        if (rc < 0)
            return rc;
        e->lr = now.lr;
    }
    e->loss = loss / (double)done;
    return try_held(m, e, err);
}

static int train(struct meta *m, struct schedule_config *schedule, uint64_t *order,
                 const struct meta_watch *watch, struct sluice_error *err)
{
    const struct config *cfg = m->cfg;
    const struct stop_config stop = config_stop(cfg);
    const struct plateau_config plateau = config_plateau(cfg);
    const uint64_t steps = schedule->steps_per_epoch;
    struct stop state = { .over = STOP_NOT };
    struct plateau rate;
    plateau_begin(&rate, schedule->lr);
    for (int epoch = 1; (uint64_t)(epoch - 1) * steps < schedule->steps; epoch++) {
        struct meta_epoch e = { .epoch = epoch };
        if (watch->stopped(watch->ctx))
            return sluice_fail(err, SLUICE_ESTOPPED, "stopped: nothing was written");
        int rc = train_epoch(m, schedule, &e, order, err);
        if (rc == 0)
            rc = watch->epoch(watch->ctx, &e, err);
        const struct measured held = { e.held_loss, e.held_accuracy };
        if (rc < 0 || stop_take(&state, &stop, &held))
            return rc;
        if (config_is_plateau(cfg) && plateau_take(&rate, &plateau, &held))
            schedule->lr = rate.lr;
    }
    return 0;
}

static int make_room(struct meta *m, uint64_t **order, struct sluice_error *err)
{
    const size_t scores = (size_t)m->held * (size_t)m->l->classes;
    m->scores = calloc(scores, sizeof *m->scores);
    m->batch_labels = calloc((size_t)m->batch, sizeof *m->batch_labels);
    *order = calloc((size_t)m->l->count, sizeof **order);
    if (m->scores && m->batch_labels && *order)
        return 0;
    return sluice_fail(err, SLUICE_ENOMEM, "no memory for %" PRIu64 " rows",
                       m->l->count);
}

static int open_all(struct meta *m, struct schedule_config *schedule,
                    struct sluice_error *err)
{
    int rc = split(m, err);
    if (rc < 0)
        return rc;
    const uint64_t rest = m->l->count - m->held;
    if ((uint64_t)m->batch > rest)
        m->batch = (int)rest;
    const uint64_t steps = rest / (uint64_t)m->batch;
    const struct optim_config optimizer = config_optim(m->cfg, steps);
    *schedule = config_schedule(m->cfg, steps);
    if ((rc = measure(m, err)) < 0 || (rc = schedule_check(schedule, err)) < 0 ||
        (rc = open_device(m, err)) < 0 || (rc = build(m, err)) < 0 ||
        (rc = config_check_parameters(m->cfg, net_param_elements(m->net), err)) < 0)
        return rc;
    init(m);
    return optim_create(&m->opt, m->net, &optimizer, err);
}

int meta_check(const struct config *cfg, int bases, struct sluice_error *err)
{
    const struct level_one l = { .bases = bases, .classes = 2 };
    struct meta m = { .l = &l, .cfg = cfg, .width = l.bases * l.classes, .batch = 1 };
    int rc = open_device(&m, err);
    if (rc == 0)
        rc = build(&m, err);
    net_free(m.net);
    device_close(m.dev);
    return rc;
}

int meta_train(struct meta **out, const struct level_one *l, const struct config *cfg,
               const struct meta_watch *watch, struct sluice_error *err)
{
    struct meta *m = calloc(1, sizeof *m);
    struct schedule_config schedule;
    uint64_t *order = NULL;
    *out = NULL;
    if (!m)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a network");
    *m = (struct meta){ .l = l,
                        .cfg = cfg,
                        .width = l->bases * l->classes,
                        .batch = cfg->training.batch_size };
    int rc = open_all(m, &schedule, err);
    if (rc == 0)
        rc = make_room(m, &order, err);
    if (rc == 0)
        rc = train(m, &schedule, order, watch, err);
    free(order);
    if (rc < 0)
        meta_close(m);
    else
        *out = m;
    return rc;
}

void meta_close(struct meta *m)
{
    if (!m)
        return;
    optim_free(m->opt);
    net_free(m->net);
    device_close(m->dev);
    free(m->mean);
    free(m->scale);
    free(m->rows);
    free(m->scores);
    free(m->batch_labels);
    free(m);
}

const uint64_t *meta_held(const struct meta *m, uint64_t *count)
{
    *count = m->held;
    return m->rows;
}

size_t meta_parameters(const struct meta *m)
{
    return net_param_elements(m->net);
}
