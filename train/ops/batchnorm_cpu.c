/* batchnorm_cpu.c -- batch normalisation on device cpu: a pass for the statistics, one
 * for normalisation and activation; backward likewise, where z is computed again from
 * the input instead of being kept. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "channel_sums.h"
#include "fusion.h"

enum {
    LINE = 64, /* bytes of a line of memory */
};

/* Per-channel vectors, each padded for whole-vector loads. */
enum vector_name { SCALE, SHIFT, MEAN, SLOPE, OFFSET, MIDDLE, VECTORS };

struct state {
    struct chunks chunks;
    size_t padded;
    float *vectors;  /* (VECTORS, padded) */
    double *inverse; /* (c): 1 / sqrt(var + eps) */
};

struct job {
    struct op *op;
    const struct op *sum;    /* add_relu that it runs within, or NULL */
    const void *dy;          /* of the output */
    struct join_gradient of; /* with `sum`, what its gradient is made of */
    const struct kernels *kernels;
    struct state *state;
    struct norm norm;
};

static float *vector(const struct state *s, enum vector_name name)
{
    return s->vectors + (size_t)name * s->padded;
}

static void release(struct op *op)
{
    struct state *s = op->state;
    if (!s)
        return;
    chunks_free(&s->chunks);
    free(s->vectors);
    free(s->inverse);
    free(s);
    op->state = NULL;
}

static int plan(struct op *op, struct device *dev, struct sluice_error *err)
{
    (void)dev;
    const int c = op_channels(op->in[0]);
    struct state *s = calloc(1, sizeof *s);
    op->state = s;
    if (s) {
        s->padded = ((size_t)c + 15) / 16 * 16;
        s->vectors = aligned_alloc(64, VECTORS * s->padded * sizeof(float));
        s->inverse = calloc((size_t)c, sizeof *s->inverse);
    }
    if (!s || !s->vectors || !s->inverse) {
        release(op);
        return sluice_fail(err, SLUICE_ENOMEM, "batchnorm %s: no memory", op->name);
    }
    memset(s->vectors, 0, VECTORS * s->padded * sizeof(float));
    const int rc = chunks_create(&s->chunks, op_pixels(op->in[0]), c, 2, err);
    if (rc < 0)
        release(op);
    return rc;
}

/* Whole lines of large tensors: the arena aligns where they begin. */
static bool is_far(const struct op *op, const struct device *dev)
{
    const struct tensor *x = op->in[0];
    return tensor_bytes(x) >= cpu_of(dev)->far_least &&
           (size_t)op_channels(x) * sluice_dtype_size(x->dtype) % LINE == 0;
}

static struct job job_of(struct op *op, struct device *dev)
{
    struct state *s = op->state;
    return (struct job){
        .op = op,
        .dy = op->out[0]->grad,
        .kernels = cpu_kernels(dev),
        .state = s,
        .norm = { .dtype = op->in[0]->dtype,
                  .act = op->attr.act,
                  .c = op_channels(op->in[0]),
                  .far = is_far(op, dev),
                  .scale = vector(s, SCALE),
                  .shift = vector(s, SHIFT),
                  .mean = vector(s, MEAN),
                  .slope = vector(s, SLOPE),
                  .offset = vector(s, OFFSET) },
    };
}

static size_t row_bytes(const struct job *job)
{
    return (size_t)job->norm.c * sluice_dtype_size(job->norm.dtype);
}

static void stores_done(const struct job *job)
{
    if (job->norm.far)
        job->kernels->stores_done();
}

static void each_row(const struct device *dev, struct job *job, threads_body *body)
{
    threads_for(dev, job->state->chunks.rows, (size_t)job->norm.c, body, job);
}

static void each_chunk(const struct device *dev, struct job *job, threads_body *body)
{
    const struct chunks *k = &job->state->chunks;
    threads_for(dev, k->count, k->rows_per_chunk * (size_t)k->c, body, job);
}

static void sums_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct chunks *k = &job->state->chunks;
    const char *x = job->op->in[0]->data;
    for (size_t i = begin; i < end; i++)
        job->kernels->channel_sums(job->norm.dtype,
                                   x + chunk_first(k, i) * row_bytes(job),
                                   vector(job->state, MIDDLE), chunk_rows(k, i), k->c,
                                   chunk_partial(k, i, 0), chunk_partial(k, i, 1));
}

static void forward_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const size_t at = begin * row_bytes(job);
    job->kernels->norm_forward(&job->norm, (const char *)job->op->in[0]->data + at,
                               (char *)job->op->out[0]->data + at, end - begin);
    stores_done(job);
}

static void backward_sums_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct chunks *k = &job->state->chunks;
    const char *x = job->op->in[0]->data, *dy = job->dy;
    for (size_t i = begin; i < end; i++) {
        const size_t at = chunk_first(k, i) * row_bytes(job);
        job->kernels->norm_sums(&job->norm, x + at, dy + at, chunk_rows(k, i),
                                chunk_partial(k, i, 0), chunk_partial(k, i, 1));
    }
}

static void backward_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const size_t at = begin * row_bytes(job);
    job->kernels->norm_backward(&job->norm, (const char *)job->op->in[0]->data + at,
                                (const char *)job->dy + at,
                                (char *)job->op->in[0]->grad + at, end - begin);
    stores_done(job);
}

/* Sums are taken of the distance from the first pixel's value, so that a mean far from
 * zero does not cancel the variance away. */
static void measure(struct op *op, struct device *dev, struct job *job)
{
    const int c = job->norm.c;
    float *middle = vector(job->state, MIDDLE);
    for (int i = 0; i < c; i++)
        middle[i] = tensor_value(op->in[0]->dtype, op->in[0]->data, (size_t)i);
    each_chunk(dev, job, sums_body);
}

/* Mean and variance of channel i of the batch into the running ones, or out of them. */
static double settle(struct op *op, const struct job *job, int i, bool training,
                     double *mean)
{
    const double m = (double)op_pixels(op->in[0]), share = (double)op->attr.momentum;
    const struct chunks *k = &job->state->chunks;
    float *running_mean = (float *)op->buffer[0]->data + i;
    float *running_var = (float *)op->buffer[1]->data + i;
    if (!training) {
        *mean = (double)*running_mean;
        return (double)*running_var;
    }
    double var, squares;
    if (conv2d_measures(op->measured_by)) {
        conv2d_moments(op->measured_by, i, mean, &squares);
        var = squares / m;
    } else {
        const double distance = chunks_total(k, 0, i) / m;
        var = chunks_total(k, 1, i) / m - distance * distance;
        *mean = (double)vector(job->state, MIDDLE)[i] + distance;
    }
    if (var < 0)
        var = 0;
    const double corrected = m > 1 ? var * m / (m - 1) : var;
    *running_mean = (float)((1 - share) * (double)*running_mean + share * *mean);
    *running_var = (float)((1 - share) * (double)*running_var + share * corrected);
    return var;
}

/* Statistics, and what x is multiplied by and moved by. */
static struct job settle_all(struct op *op, struct device *dev, const struct pass *pass)
{
    struct job job = job_of(op, dev);
    const struct state *s = op->state;
    const float *weight = op->param[0] ? op->param[0]->data : NULL;
    const float *bias = op->param[1]->data;
    const bool by_batch = op_by_batch(op, pass);
    if (by_batch && !conv2d_measures(op->measured_by))
        measure(op, dev, &job);
    for (int i = 0; i < job.norm.c; i++) {
        double mean;
        const double var = settle(op, &job, i, by_batch, &mean);
        s->inverse[i] = 1 / sqrt(var + (double)op->attr.eps);
        const double scale = (weight ? (double)weight[i] : 1) * s->inverse[i];
        vector(s, MEAN)[i] = (float)mean;
        vector(s, SCALE)[i] = (float)scale;
        vector(s, SHIFT)[i] = (float)((double)bias[i] - mean * scale);
    }
    return job;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)err;
    struct job job = settle_all(op, dev, pass);
    each_row(dev, &job, forward_body);
    return 0;
}

/* dx = scale (dz - dbias / m - xhat dweight / m) as a line in dz and x. */
static void set_line(const struct job *job, int i, double dbias, double dweight,
                     bool training)
{
    const struct state *s = job->state;
    const double m = (double)s->chunks.rows, scale = (double)vector(s, SCALE)[i];
    const double slope = training ? -scale * s->inverse[i] * dweight / m : 0;
    const double offset = training ? -scale * dbias / m : 0;
    vector(s, SLOPE)[i] = (float)slope;
    vector(s, OFFSET)[i] = (float)(offset - slope * (double)vector(s, MEAN)[i]);
}

/* After the sums: gradients of parameters and of the input. */
static void finish_backward(struct op *op, struct device *dev, struct job *job,
                            const struct pass *pass)
{
    const struct state *s = op->state;
    float *dweight = op->param[0] ? op->param[0]->grad : NULL;
    float *dbias = op->param[1]->grad;
    for (int i = 0; i < job->norm.c; i++) {
        const double dz = chunks_total(&s->chunks, 0, i);
        const double dzx = chunks_total(&s->chunks, 1, i) * s->inverse[i];
        if (dbias)
            dbias[i] = (float)dz;
        if (dweight)
            dweight[i] = (float)dzx;
        set_line(job, i, dz, dzx, op_by_batch(op, pass));
    }
    if (op->in[0]->grad)
        each_row(dev, job, backward_body);
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)err;
    struct job job = job_of(op, dev);
    each_chunk(dev, &job, backward_sums_body);
    finish_backward(op, dev, &job, pass);
    return 0;
}

/* With the shortcut and ReLU behind it, as at the end of a residual block. */
static bool joins(const struct device *dev, const struct op *op, const struct op *sum)
{
    (void)dev, (void)sum;
    return op->attr.act == ACT_NONE;
}

static void join_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const size_t at = begin * row_bytes(job);
    job->kernels->norm_join_forward(&job->norm, (const char *)job->op->in[0]->data + at,
                                    (const char *)job->sum->in[0]->data + at,
                                    (char *)job->sum->out[0]->data + at, end - begin);
    stores_done(job);
}

static void join_sums_body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct chunks *k = &job->state->chunks;
    const struct join_gradient *of = &job->of;
    for (size_t i = begin; i < end; i++) {
        const size_t at = chunk_first(k, i) * row_bytes(job);
        const struct join_gradient g = {
            .y = (const char *)of->y + at,
            .dy = (const char *)of->dy + at,
            .more = of->more ? (const char *)of->more + at : NULL,
            .straight = of->straight ? (char *)of->straight + at : NULL,
        };
        job->kernels->norm_join_sums(
            &job->norm, &g, (const char *)job->op->in[0]->data + at, chunk_rows(k, i),
            chunk_partial(k, i, 0), chunk_partial(k, i, 1));
    }
    stores_done(job);
}

static int join_forward(struct op *op, struct op *sum, struct device *dev,
                        struct pass *pass, struct sluice_error *err)
{
    (void)err;
    struct job job = settle_all(op, dev, pass);
    job.sum = sum;
    each_row(dev, &job, join_body);
    return 0;
}

/* The shortcut's gradient is the normalisation's, too. Where nobody wants the first, it
 * lies where the input's will be. */
static int join_backward(struct op *op, struct op *sum, struct device *dev,
                         struct pass *pass, struct sluice_error *err)
{
    (void)err;
    struct job job = job_of(op, dev);
    void *dz = sum->in[0]->grad ? sum->in[0]->grad : op->in[0]->grad;
    job.of = (struct join_gradient){ .y = sum->out[0]->data,
                                     .dy = sum->out[0]->grad,
                                     .more = sum->more_grad,
                                     .straight = dz };
    job.dy = dz;
    each_chunk(dev, &job, join_sums_body);
    finish_backward(op, dev, &job, pass);
    return 0;
}

const struct op_fusion op_batchnorm_add_relu = { .first = &op_batchnorm,
                                                 .second = &op_add_relu,
                                                 .reads_two_gradients = true,
                                                 .fits = joins,
                                                 .forward = join_forward,
                                                 .backward = join_backward };

const struct op_backend op_batchnorm_cpu = {
    .plan = plan, .forward = forward, .backward = backward, .release = release
};
