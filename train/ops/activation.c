/* activation.c -- ReLU, GELU, SiLU and sigmoid by themselves: definition and reference.
 * Behind a batch norm they are fused into it instead. */
#include "activation.h"
#include "backends.h"

static int shape(struct op *op, struct sluice_error *err)
{
    int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    if (op->attr.act != ACT_RELU && op->attr.act != ACT_GELU &&
        op->attr.act != ACT_SIGMOID && op->attr.act != ACT_SILU)
        return sluice_fail(
            err, SLUICE_EINVAL,
            "activation %s: kind %d, expected ReLU, GELU, SiLU or sigmoid", op->name,
            (int)op->attr.act);
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
        y[i] = (float)activation_value(op->attr.act, (double)x[i]);
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const float *x = op->in[0]->data, *dy = op->out[0]->grad;
    float *dx = op->in[0]->grad;
    for (size_t i = 0; dx && i < tensor_elements(op->in[0]); i++)
        dx[i] = (float)((double)dy[i] * activation_slope(op->attr.act, (double)x[i]));
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "relu", 2, 5, 5, 32, { .act = ACT_RELU } },
    { "gelu", 2, 5, 5, 32, { .act = ACT_GELU } },
    { "sigmoid", 2, 5, 5, 32, { .act = ACT_SIGMOID } },
    { "relu odd", 3, 3, 1, 7, { .act = ACT_RELU } },
    { "silu", 2, 5, 5, 32, { .act = ACT_SILU } },
    { "gelu odd", 1, 3, 3, 5, { .act = ACT_GELU } },
    { "sigmoid odd", 3, 1, 1, 7, { .act = ACT_SIGMOID } },
    { "silu odd", 1, 3, 3, 5, { .act = ACT_SILU } },
    { "gelu one", 1, 1, 1, 1, { .act = ACT_GELU } },
    { 0 },
};

const struct op_def op_activation = {
    .name = "activation",
    .help = "ReLU, GELU, SiLU or sigmoid",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_activation_cpu),
            [DEVICE_CUDA] = &op_activation_cuda },
    .cases = cases,
};
