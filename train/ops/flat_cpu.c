/* flat_cpu.c -- on device cpu, the operators that treat all elements alike: activation,
 * add, add_relu, fork, scale, dropout. */
#include <string.h>

#include "../device_cpu.h"
#include "backends.h"

enum {
    UNIT = 1024, /* elements that are never split between threads */
};

struct job;
/* Elements at ... at + count - 1. */
typedef void flat_fn(const struct job *job, size_t at, size_t count);

struct job {
    const struct op *op;
    const struct pass *pass;
    const struct kernels *kernels;
    flat_fn *visit;
    enum sluice_dtype dtype;
    size_t count;
    const char *a, *b;
    char *y;
};

static void body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const size_t first = begin * UNIT;
    const size_t last = end * UNIT < job->count ? end * UNIT : job->count;
    struct job part = *job;
    const size_t bytes = first * sluice_dtype_size(job->dtype);
    part.a += bytes;
    part.b = job->b ? job->b + bytes : NULL;
    part.y += bytes;
    job->visit(&part, first, last - first);
}

static void each(struct op *op, struct device *dev, const struct pass *pass,
                 flat_fn *visit, const void *a, const void *b, void *y)
{
    struct job job = { op,
                       pass,
                       cpu_kernels(dev),
                       visit,
                       op->in[0]->dtype,
                       tensor_elements(op->in[0]),
                       a,
                       b,
                       y };
    threads_for(dev, (job.count + UNIT - 1) / UNIT, UNIT, body, &job);
}

static void copy(const struct job *job, size_t at, size_t count)
{
    (void)at;
    memcpy(job->y, job->a, count * sluice_dtype_size(job->dtype));
}

static void sum(const struct job *job, size_t at, size_t count)
{
    (void)at;
    job->kernels->add(job->dtype, job->a, job->b, job->y, count);
}

static void sum_relu(const struct job *job, size_t at, size_t count)
{
    (void)at;
    job->kernels->add_relu(job->dtype, job->a, job->b, job->y, count);
}

/* Of ReLU, whose value at a tells its slope. */
static void relu_slope(const struct job *job, size_t at, size_t count)
{
    const char *more = job->op->more_grad;
    const struct join_gradient g = {
        .y = job->a,
        .dy = job->b,
        .more = more ? more + at * sluice_dtype_size(job->dtype) : NULL,
        .straight = job->y,
    };
    job->kernels->relu_gradient(job->dtype, &g, count);
}

static void act_value(const struct job *job, size_t at, size_t count)
{
    (void)at;
    job->kernels->activation_forward(job->dtype, job->op->attr.act, job->a, job->y,
                                     count);
}

static void act_slope(const struct job *job, size_t at, size_t count)
{
    (void)at;
    job->kernels->activation_backward(job->dtype, job->op->attr.act, job->a, job->b,
                                      job->y, count);
}

static void times(const struct job *job, size_t at, size_t count)
{
    (void)at;
    job->kernels->scale(job->dtype, job->a, job->op->attr.scale, job->y, count);
}

static void drop(const struct job *job, size_t at, size_t count)
{
    const struct drop d = { job->dtype, job->pass->seed, job->pass->step,
                            job->op->number, job->op->attr.p };
    job->kernels->dropout(&d, job->a, job->y, at, count);
}

struct image_job {
    struct drop drop;
    const struct kernels *kernels;
    int pixels, c;
    const char *from;
    char *to;
};

static void drop_channels(void *arg, size_t begin, size_t end)
{
    const struct image_job *job = arg;
    const size_t bytes =
        (size_t)job->pixels * (size_t)job->c * sluice_dtype_size(job->drop.dtype);
    for (size_t n = begin; n < end; n++)
        job->kernels->dropout_channels(&job->drop, job->from + n * bytes,
                                       job->to + n * bytes, n, job->pixels, job->c);
}

static void dropout(struct op *op, struct device *dev, const struct pass *pass,
                    const void *from, void *to)
{
    const int *in = op->in[0]->shape;
    struct image_job job = { { op->in[0]->dtype, pass->seed, pass->step, op->number,
                               op->attr.p },
                             cpu_kernels(dev),
                             in[1] * in[2],
                             in[3],
                             from,
                             to };
    if (pass->training && op->attr.per_channel)
        threads_for(dev, (size_t)in[0], (size_t)job.pixels * (size_t)job.c,
                    drop_channels, &job);
    else
        each(op, dev, pass, pass->training ? drop : copy, from, NULL, to);
}

static int activation_forward(struct op *op, struct device *dev, struct pass *pass,
                              struct sluice_error *err)
{
    (void)err;
    each(op, dev, pass, act_value, op->in[0]->data, NULL, op->out[0]->data);
    return 0;
}

static int activation_backward(struct op *op, struct device *dev, struct pass *pass,
                               struct sluice_error *err)
{
    (void)err;
    if (op->in[0]->grad)
        each(op, dev, pass, act_slope, op->in[0]->data, op->out[0]->grad,
             op->in[0]->grad);
    return 0;
}

static int add_forward(struct op *op, struct device *dev, struct pass *pass,
                       struct sluice_error *err)
{
    (void)err;
    each(op, dev, pass, sum, op->in[0]->data, op->in[1]->data, op->out[0]->data);
    return 0;
}

static int add_backward(struct op *op, struct device *dev, struct pass *pass,
                        struct sluice_error *err)
{
    (void)err;
    for (int i = 0; i < 2; i++)
        if (op->in[i]->grad && op->in[i]->grad != op->out[0]->grad)
            each(op, dev, pass, copy, op->out[0]->grad, NULL, op->in[i]->grad);
    return 0;
}

static int add_relu_forward(struct op *op, struct device *dev, struct pass *pass,
                            struct sluice_error *err)
{
    (void)err;
    each(op, dev, pass, sum_relu, op->in[0]->data, op->in[1]->data, op->out[0]->data);
    return 0;
}

static int add_relu_backward(struct op *op, struct device *dev, struct pass *pass,
                             struct sluice_error *err)
{
    (void)err;
    void *a = op->in[0]->grad, *b = op->in[1]->grad;
    if (a)
        each(op, dev, pass, relu_slope, op->out[0]->data, op->out[0]->grad, a);
    if (b && b != a)
        each(op, dev, pass, relu_slope, op->out[0]->data, op->out[0]->grad, b);
    return 0;
}

static int fork_forward(struct op *op, struct device *dev, struct pass *pass,
                        struct sluice_error *err)
{
    (void)op, (void)dev, (void)pass, (void)err;
    return 0;
}

static int fork_backward(struct op *op, struct device *dev, struct pass *pass,
                         struct sluice_error *err)
{
    (void)err;
    if (op->in[0]->grad)
        each(op, dev, pass, sum, op->out[0]->grad, op->out[1]->grad, op->in[0]->grad);
    return 0;
}

static int scale_forward(struct op *op, struct device *dev, struct pass *pass,
                         struct sluice_error *err)
{
    (void)err;
    each(op, dev, pass, times, op->in[0]->data, NULL, op->out[0]->data);
    return 0;
}

static int scale_backward(struct op *op, struct device *dev, struct pass *pass,
                          struct sluice_error *err)
{
    (void)err;
    if (op->in[0]->grad)
        each(op, dev, pass, times, op->out[0]->grad, NULL, op->in[0]->grad);
    return 0;
}

static int dropout_forward(struct op *op, struct device *dev, struct pass *pass,
                           struct sluice_error *err)
{
    (void)err;
    dropout(op, dev, pass, op->in[0]->data, op->out[0]->data);
    return 0;
}

static int dropout_backward(struct op *op, struct device *dev, struct pass *pass,
                            struct sluice_error *err)
{
    (void)err;
    if (op->in[0]->grad)
        dropout(op, dev, pass, op->out[0]->grad, op->in[0]->grad);
    return 0;
}

const struct op_backend op_activation_cpu = { .forward = activation_forward,
                                              .backward = activation_backward };
const struct op_backend op_add_cpu = { .forward = add_forward,
                                       .backward = add_backward };
const struct op_backend op_add_relu_cpu = { .forward = add_relu_forward,
                                            .backward = add_relu_backward,
                                            .reads_two_gradients = true };
const struct op_backend op_fork_cpu = { .forward = fork_forward,
                                        .backward = fork_backward };
const struct op_backend op_scale_cpu = { .forward = scale_forward,
                                         .backward = scale_backward };
const struct op_backend op_dropout_cpu = { .forward = dropout_forward,
                                           .backward = dropout_backward };
