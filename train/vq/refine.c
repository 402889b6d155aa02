/* refine.c -- what a refiner holds, and its first values; see refine.h. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/rng.h>

#include "refine_parts.h"

enum {
    CHUNK = 1 << 16, /* first values at a time; a multiple of a block of Philox */
};

/* Appends a tensor to the list and returns where it ends. */
static size_t add(struct refine_param *list, int place, size_t at, const char *name,
                  double bound, size_t a, size_t b, size_t c)
{
    struct refine_param *p = &list[place];
    const size_t shape[] = { a, b, c };
    *p = (struct refine_param){ .at = at, .count = 1, .bound = bound };
    snprintf(p->name, sizeof p->name, "%s", name);
    while (p->rank < 3 && shape[p->rank]) {
        p->shape[p->rank] = (int)shape[p->rank];
        p->count *= shape[p->rank++];
    }
    return at + arena_round(p->count * sizeof(float)) / sizeof(float);
}

/* Linear layer: weight and bias. */
static size_t add_layer(struct refine_param *list, int place, size_t at,
                        const char *name, size_t out, size_t in)
{
    const double bound = 1 / sqrt((double)in);
    char text[32];
    snprintf(text, sizeof text, "%.20s.weight", name);
    at = add(list, place, at, text, bound, out, in, 0);
    snprintf(text, sizeof text, "%.20s.bias", name);
    return add(list, place + 1, at, text, bound, out, 0, 0);
}

/* All tensors; returns how many floats they take, those between them included. */
static size_t list_params(struct refine_param list[PARAMS_MOST], int *count,
                          const struct refine_shape *s)
{
    const size_t t = (size_t)s->stages, k = (size_t)s->options, p = s->size;
    const size_t h = (size_t)s->hidden;
    char name[32];
    size_t at = add(list, SCALE, 0, "output_scale", -0.1, t, 0, 0);
    at = add(list, OUTPUT_BIAS, at, "output_bias", 0, t, k, p);
    *count = STAGE;
    if (s->bias_only)
        return at;
    at = add(list, STAGE, at, "stage.weight", 0, t, h, 0);
    at = add(list, IN0_WEIGHT, at, "in.0.weight_transposed", 1 / sqrt((double)p), p, h,
             0);
    at = add(list, IN0_BIAS, at, "in.0.bias", 1 / sqrt((double)p), h, 0, 0);
    at = add_layer(list, IN1_WEIGHT, at, "in.1", h, h);
    at = add_layer(list, OUT_WEIGHT, at, "out", k * p, h);
    for (int i = 0; i < s->depth; i++) {
        snprintf(name, sizeof name, "mid.%d", i);
        at = add_layer(list, MID + 2 * i, at, name, h, h);
    }
    *count = MID + 2 * s->depth;
    return at;
}

size_t refine_count(const struct refine_shape *shape)
{
    struct refine_param list[PARAMS_MOST];
    size_t sum = 0;
    int count;
    list_params(list, &count, shape);
    for (int i = 0; i < count; i++)
        sum += list[i].count;
    return sum;
}

/* Hands out pieces of one allocation; from NULL it only counts. */
struct pieces {
    unsigned char *base;
    size_t used;
};

static void *take(struct pieces *p, size_t count, size_t each)
{
    void *at = p->base ? p->base + p->used : NULL;
    p->used += arena_round(count * each);
    return at;
}

static float *floats(struct pieces *p, size_t count)
{
    return take(p, count, sizeof(float));
}

static void take_traces(struct refiner *r, struct pieces *p)
{
    const struct refine_shape *s = &r->shape;
    const size_t n = (size_t)r->batch, t = (size_t)s->stages;
    const size_t each = t * n * (size_t)s->hidden, depth = (size_t)s->depth;
    r->theta = floats(p, (s->bias_only ? 1 : t + 1) * n * s->size);
    r->delta = floats(p, (s->bias_only ? 1 : t) * n * s->size);
    r->d_scale = floats(p, t);
    r->latents = take(p, n * t, 1);
    r->rows = take(p, 2 * t * n * (depth + 4), sizeof *r->rows);
    r->weigh = take(p, t * (size_t)s->options + 2 * (size_t)s->options + 2 * depth + 4,
                    sizeof *r->weigh);
    r->scales = floats(p, 2 * t * n);
    if (s->bias_only)
        return;
    for (int i = 0; i < 2; i++) {
        r->in[i] = floats(p, each);
        r->d_in[i] = floats(p, each);
    }
    r->mid = floats(p, depth * each);
    r->d_mid = floats(p, depth * each);
    r->mid_x = floats(p, each);
    r->out_x = floats(p, each);
    r->by_option = floats(p, each);
    r->d_stage = floats(p, t * (size_t)s->hidden);
    r->ones = floats(p, t * n);
}

/* For the folded way. */
static void take_fold(struct refiner *r, struct pieces *p)
{
    struct fold *f = &r->fold;
    const struct refine_shape *s = &r->shape;
    const size_t h = (size_t)s->hidden, t = (size_t)s->stages, k = (size_t)s->options;
    const size_t widest = (size_t)r->widest, n = (size_t)r->batch;
    const size_t biases = t * refine_least(widest, k), pulls = r->training ? k * n : 0;
    const size_t vectors = biases > pulls ? biases : pulls;
    f->slice_each = (k * h > vectors ? k * h : vectors) * h;
    f->products = floats(p, k * h * h);
    f->biases = floats(p, biases * h);
    f->bias = take(p, biases, sizeof *f->bias);
    f->first_bias = take(p, t + 1, sizeof *f->first_bias);
    f->x = floats(p, t * widest * h);
    f->place = take(p, t * widest, sizeof *f->place);
    f->first = take(p, k + 1, sizeof *f->first);
    f->hidden = floats(p, widest * h);
    f->slices = floats(p, refine_slices_of(s->size) * f->slice_each);
    if (!r->training)
        return;
    f->pulls = floats(p, pulls * h);
    f->down = floats(p, t * n * h);
    f->bias_dots = take(p, refine_blocks_of(s->size) * t * n, sizeof *f->bias_dots);
    f->scale_dots = take(p, t, sizeof *f->scale_dots);
}

/* Of a worker: a piece of a gradient and the vectors that it is made of, or a part of P
 * for each latent; the folded way, a block of P for each (stage, latent), or what a
 * product copies. */
static size_t scratch_floats(const struct refiner *r)
{
    const size_t h = (size_t)r->shape.hidden, n = (size_t)r->widest;
    const size_t stages = (size_t)r->shape.stages;
    const size_t piece = h > WEIGH_FLOATS / 64 ? 64 * h : WEIGH_FLOATS;
    const size_t vectors = r->training ? stages * (size_t)r->batch : 0;
    size_t most = piece + (vectors + n + 2) * WEIGH_ROWS;
    const size_t folded[] = { stages * n * BLOCK_ROWS,
                              products_cross_room(h, BLOCK_ROWS) };
    for (int i = 0; i < 2 && r->folded; i++)
        most = folded[i] > most ? folded[i] : most;
    return most;
}

static void take_all(struct refiner *r, struct pieces *p)
{
    const struct refine_shape *s = &r->shape;
    const size_t n = (size_t)r->widest, h = (size_t)s->hidden;
    const size_t count = list_params(r->param, &r->params, s);
    const size_t parts = refine_parts_of(s->size);
    r->values = floats(p, count);
    for (int i = 0; i < 2 && r->training; i++)
        r->moment[i] = floats(p, count);
    if (r->training)
        take_traces(r, p);
    r->partial_bias = take(p, parts * n, sizeof *r->partial_bias);
    r->candidates = floats(p, (size_t)s->options * s->size);
    if (!s->bias_only) {
        r->once = floats(p, (4 + (size_t)s->depth) * n * h);
        r->gathered = floats(p, n * h);
        r->partial = floats(p, parts * n * h);
    }
    if (r->folded)
        take_fold(r, p);
    r->scratch_each = scratch_floats(r);
    r->scratch = floats(p, (size_t)r->threads * r->scratch_each);
}

static void take_options(struct refiner *r, const struct refiner_options *o)
{
    r->shape = o->shape;
    r->batch = o->batch;
    r->widest = o->samples > o->batch ? o->samples : o->batch;
    r->training = o->training;
    r->bf16 = o->bf16;
    r->folded = refine_folds(&o->shape, o->way);
}

static int check(const struct refiner_options *o, struct sluice_error *err)
{
    const struct {
        const char *name;
        int value, most;
    } list[] = {
        { "stages", o->shape.stages, REFINE_STAGES_MOST },
        { "options", o->shape.options, REFINE_OPTIONS_MOST },
        { "hidden", o->shape.hidden, REFINE_HIDDEN_MOST },
        { "depth", o->shape.depth, REFINE_DEPTH_MOST },
        { "a batch of latents", o->batch, REFINE_BATCH_MOST },
        { "latents at once", o->samples < 1 ? 1 : o->samples, REFINE_BATCH_MOST },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i].value < 1 || list[i].value > list[i].most)
            return sluice_fail(err, SLUICE_EINVAL, "%s: expected 1 to %d, found %d",
                               list[i].name, list[i].most, list[i].value);
    const size_t most = (size_t)INT_MAX / (size_t)o->shape.options;
    if (o->shape.size < 1 || o->shape.size > most)
        return sluice_fail(err, SLUICE_EINVAL,
                           "expected 1 to %zu weights to write, found %zu", most,
                           o->shape.size);
    return 0;
}

size_t refine_bytes(const struct refiner_options *options)
{
    struct refiner r = { .threads = 0 };
    struct pieces count = { 0 };
    take_options(&r, options);
    take_all(&r, &count);
    return count.used;
}

int refiner_open(struct refiner **out, const struct refiner_options *options,
                 struct workers *workers, int threads, struct sluice_error *err)
{
    struct pieces pieces = { 0 };
    int rc = check(options, err);
    *out = NULL;
    if (rc < 0)
        return rc;
    struct refiner *r = calloc(1, sizeof *r);
    if (!r)
        return sluice_fail(err, SLUICE_ENOMEM, "no memory for a refiner");
    take_options(r, options);
    r->threads = workers ? threads : 1;
    r->workers = workers;
    r->products = products_choose();
    take_all(r, &pieces);
    if ((rc = arena_open(&r->memory, pieces.used, err)) < 0) {
        free(r);
        return rc;
    }
    pieces = (struct pieces){ .base = r->memory.base };
    take_all(r, &pieces);
    for (size_t i = 0; r->ones && i < (size_t)r->shape.stages * (size_t)r->batch; i++)
        r->ones[i] = 1;
    *out = r;
    return 0;
}

void refiner_close(struct refiner *r)
{
    if (!r)
        return;
    arena_close(&r->memory);
    free(r);
}

/* First values of a stretch of a parameter; its own stream is what the whole would
 * draw. */
struct fill {
    struct refiner *r;
    uint64_t seed;
    int param;
};

static void fill_chunk(void *arg, size_t part)
{
    const double pi = 3.14159265358979323846;
    const struct fill *f = arg;
    const struct refine_param *p = &f->r->param[f->param];
    const size_t begin = part * CHUNK, n = refine_least(CHUNK, p->count - begin);
    float *w = f->r->values + p->at + begin;
    struct sluice_rng rng = sluice_rng_at(f->seed, (uint64_t)f->param, begin / 4);
    if (p->bound < 0)
        for (size_t i = 0; i < n; i++)
            w[i] = (float)-p->bound;
    else if (p->bound > 0)
        for (size_t i = 0; i < n; i++)
            w[i] = (float)((2 * (double)sluice_rng_unit(&rng) - 1) * p->bound);
    else
        for (size_t i = 0; i < n; i += 2) { /* Box-Muller, as in init.c */
            const double u = ((double)sluice_rng_u32(&rng) + 0.5) * 0x1p-32;
            const double v = ((double)sluice_rng_u32(&rng) + 0.5) * 0x1p-32;
            const double radius = sqrt(-2 * log(u));
            w[i] = (float)(radius * cos(2 * pi * v));
            if (i + 1 < n)
                w[i + 1] = (float)(radius * sin(2 * pi * v));
        }
}

void refiner_init(struct refiner *r, uint64_t seed)
{
    struct fill f = { r, seed, 0 };
    r->fold.made = false;
    for (; f.param < r->params; f.param++)
        workers_run(r->workers, (r->param[f.param].count + CHUNK - 1) / CHUNK,
                    fill_chunk, &f);
    const struct refine_param *last = &r->param[0];
    for (int i = 1; i < r->params; i++)
        last = r->param[i].at > last->at ? &r->param[i] : last;
    for (int i = 0; i < 2 && r->training; i++)
        memset(r->moment[i], 0, (last->at + last->count) * sizeof(float));
}

const struct refine_shape *refiner_shape(const struct refiner *r)
{
    return &r->shape;
}

int refiner_param_count(const struct refiner *r)
{
    return r->params;
}

const struct refine_param *refiner_param(const struct refiner *r, int i)
{
    return &r->param[i];
}

float *refiner_values(struct refiner *r)
{
    r->fold.made = false;
    return r->values;
}

float *refiner_moment(struct refiner *r, int which)
{
    return r->moment[which];
}

void refine_adam_begin(struct refine_adam *a, struct refiner *r, double lr,
                       uint64_t step)
{
    const double beta1 = 0.9, beta2 = 0.999, t = (double)step;
    a->refiner = r;
    a->rates = (struct adam_rates){ (float)beta1,
                                    (float)(1 - beta1),
                                    (float)beta2,
                                    (float)(1 - beta2),
                                    1e-8F,
                                    (float)(lr / (1 - pow(beta1, t))),
                                    (float)sqrt(1 - pow(beta2, t)) };
}

void refine_adam_sink(void *arg, size_t at, size_t count, const float *gradient)
{
    const struct refine_adam *a = arg;
    struct refiner *r = a->refiner;
    r->products->adam(&a->rates, count, r->values + at, r->moment[0] + at,
                      r->moment[1] + at, gradient);
}
