/* concat_cuda.c -- concat on device cuda: a launch for each input. */
#include "../cuda/gpu.h"
#include "concat.h"

static int copy(struct device *dev, const struct op *op, struct concat_part p,
                struct sluice_error *err)
{
    const struct channels_args a = { .dtype = op->in[0]->dtype,
                                     .elements = p.pixels * (size_t)p.count,
                                     .count = p.count,
                                     .from_c = p.from_c,
                                     .to_c = p.to_c,
                                     .from_at = p.from_at,
                                     .to_at = p.to_at,
                                     .from = p.from,
                                     .to = p.to };
    return p.to ? each_copy_channels(gpu_of(dev), a.elements, &a, err) : 0;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)pass;
    const int rc = copy(dev, op, concat_forward_part(op, 0), err);
    return rc < 0 ? rc : copy(dev, op, concat_forward_part(op, 1), err);
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)pass;
    const int rc = copy(dev, op, concat_backward_part(op, 0), err);
    return rc < 0 ? rc : copy(dev, op, concat_backward_part(op, 1), err);
}

const struct op_backend op_concat_cuda = { .forward = forward, .backward = backward };
