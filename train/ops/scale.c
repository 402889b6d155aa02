/* scale.c -- multiplication by a constant: definition and reference. */
#include <math.h>

#include "backends.h"

static int shape(struct op *op, struct sluice_error *err)
{
    int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    if (!isfinite(op->attr.scale))
        return sluice_fail(err, SLUICE_EINVAL, "scale %s: %g is not finite", op->name,
                           (double)op->attr.scale);
    op_shape_like(op->out[0], op->in[0]);
    return 0;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const float *x = op->in[0]->data;
    float *y = op->out[0]->data;
    for (size_t i = 0; i < tensor_elements(op->in[0]); i++)
        y[i] = x[i] * op->attr.scale;
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const float *dy = op->out[0]->grad;
    float *dx = op->in[0]->grad;
    for (size_t i = 0; dx && i < tensor_elements(op->in[0]); i++)
        dx[i] = dy[i] * op->attr.scale;
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "logits", 3, 1, 1, 10, { .scale = 0.2F } },
    { "map", 2, 3, 5, 16, { .scale = -1.5F } },
    { "zero", 1, 2, 2, 4, { .scale = 0 } },
    { 0 },
};

const struct op_def op_scale = {
    .name = "scale",
    .help = "multiplication by a constant",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_scale_cpu),
            [DEVICE_CUDA] = &op_scale_cuda },
    .cases = cases,
};
