/* batchnorm_cuda.c -- batch normalisation and its activation on device cuda: a pass for
 * the sums and one for the values, in each direction. */
#include <stdlib.h>

#include "channel_cuda.h"

/* Device memory: mean, scale, and two sums, each (c); then the partial sums. */
struct state {
    struct gpu *gpu;
    void *memory;
};

static void release(struct op *op)
{
    struct state *s = op->state;
    if (!s)
        return;
    s->gpu->run->release(s->gpu, s->memory);
    free(s);
    op->state = NULL;
}

static int plan(struct op *op, struct device *dev, struct sluice_error *err)
{
    const struct channel_args a = channel_cut(op->in[0]);
    struct state *s = calloc(1, sizeof *s);
    if (!s)
        return sluice_fail(err, SLUICE_ENOMEM, "batchnorm %s: no memory", op->name);
    s->gpu = gpu_of(dev);
    op->state = s;
    const size_t numbers = 4 * (size_t)a.c * sizeof(float);
    const int rc = s->gpu->run->allocate(s->gpu, &s->memory,
                                         numbers + channel_partial_bytes(&a), err);
    if (rc < 0)
        release(op);
    return rc;
}

static float *values(struct tensor *t)
{
    return t ? t->data : NULL;
}

static float *grad(struct tensor *t)
{
    return t ? t->grad : NULL;
}

static struct channel_args arguments(struct op *op, const struct pass *pass)
{
    const struct state *s = op->state;
    struct channel_args a = channel_cut(op->in[0]);
    a.act = op->attr.act;
    a.x = op->in[0]->data;
    a.mean = s->memory;
    a.scale = a.mean + a.c;
    a.sum = a.mean + (size_t)2 * a.c;
    a.partial = a.mean + (size_t)4 * a.c;
    a.weight = values(op->param[0]);
    a.bias = values(op->param[1]);
    a.running_mean = op->buffer[0]->data;
    a.running_var = op->buffer[1]->data;
    a.eps = op->attr.eps;
    a.momentum = op->attr.momentum;
    a.training = op_by_batch(op, pass);
    return a;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    struct channel_args a = arguments(op, pass);
    a.sums = a.training ? SUMS_MOMENTS : SUMS_NONE;
    a.out = op->out[0]->data;
    const int rc = channel_sum_up(gpu_of(dev), &a, err);
    return rc < 0 ? rc : channel_norm_apply(gpu_of(dev), &a, err);
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    struct channel_args a = arguments(op, pass);
    a.sums = SUMS_BACKWARD;
    a.dy = op->out[0]->grad;
    a.out = op->in[0]->grad;
    a.dweight = grad(op->param[0]);
    a.dbias = grad(op->param[1]);
    const int rc = channel_sum_up(gpu_of(dev), &a, err);
    return rc < 0 || !a.out ? rc : channel_norm_backward(gpu_of(dev), &a, err);
}

const struct op_backend op_batchnorm_cuda = {
    .plan = plan, .forward = forward, .backward = backward, .release = release
};
