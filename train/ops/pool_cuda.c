/* pool_cuda.c -- maxpool, avgpool, globalmax and globalavg on device cuda. */
#include "../cuda/gpu.h"
#include "backends.h"

static struct pool_args arguments(const struct op *op)
{
    const int *in = op->in[0]->shape, *out = op->out[0]->shape;
    return (struct pool_args){ .dtype = op->in[0]->dtype,
                               .n = in[0],
                               .h = in[1],
                               .w = in[2],
                               .c = in[3],
                               .oh = out[1],
                               .ow = out[2],
                               .kernel = op->attr.kernel,
                               .stride = op->attr.stride,
                               .pad = op->attr.pad,
                               .x = op->in[0]->data,
                               .dy = op->out[0]->grad };
}

/* A thread for each run of channels of an output pixel, forward, ... */
#define FORWARD(name)                                                                  \
    static int name##_pass(struct op *op, struct device *dev, struct pass *pass,       \
                           struct sluice_error *err)                                   \
    {                                                                                  \
        (void)pass;                                                                    \
        struct pool_args a = arguments(op);                                            \
        a.out = op->out[0]->data;                                                      \
        return each_##name##_forward(gpu_of(dev), pool_places(&a, a.oh, a.ow), &a,     \
                                     err);                                             \
    }

/* ... and of an h x w map's pixel, backward. */
#define BACKWARD(name, h, w)                                                           \
    static int name##_back(struct op *op, struct device *dev, struct pass *pass,       \
                           struct sluice_error *err)                                   \
    {                                                                                  \
        (void)pass;                                                                    \
        struct pool_args a = arguments(op);                                            \
        a.out = op->in[0]->grad;                                                       \
        if (!a.out)                                                                    \
            return 0;                                                                  \
        return each_##name##_backward(gpu_of(dev), pool_places(&a, h, w), &a, err);    \
    }                                                                                  \
    const struct op_backend op_##name##_cuda = { .forward = name##_pass,               \
                                                 .backward = name##_back };

FORWARD(maxpool)

static int maxpool_back(struct op *op, struct device *dev, struct pass *pass,
                        struct sluice_error *err)
{
    (void)pass;
    struct pool_args a = arguments(op);
    a.out = op->in[0]->grad;
    if (!a.out)
        return 0;
    if (a.kernel == a.stride && a.pad == 0)
        return each_maxpool_apart(
            gpu_of(dev), pool_places(&a, pool_cells(&a, a.h), pool_cells(&a, a.w)), &a,
            err);
    return each_maxpool_backward(gpu_of(dev), pool_places(&a, a.h, a.w), &a, err);
}

const struct op_backend op_maxpool_cuda = { .forward = maxpool_pass,
                                            .backward = maxpool_back };

FORWARD(avgpool)
BACKWARD(avgpool, a.h, a.w)
FORWARD(globalmax)
BACKWARD(globalmax, 1, 1)
FORWARD(globalavg)
BACKWARD(globalavg, a.h, a.w)
