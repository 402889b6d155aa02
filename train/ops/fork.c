/* fork.c -- one tensor for two consumers: definition and reference. Forward moves
 * nothing, and backward is the only place where gradients are summed. */
#include "backends.h"

static int shape(struct op *op, struct sluice_error *err)
{
    int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    op_shape_like(op->out[0], op->in[0]);
    op_shape_like(op->out[1], op->in[0]);
    return 0;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)op, (void)dev, (void)pass, (void)err;
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const float *a = op->out[0]->grad, *b = op->out[1]->grad;
    float *dx = op->in[0]->grad;
    for (size_t i = 0; dx && i < tensor_elements(op->in[0]); i++)
        dx[i] = a[i] + b[i];
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "even", 2, 4, 4, 32, { 0 } },
    { "odd", 3, 3, 1, 7, { 0 } },
    { 0 },
};

const struct op_def op_fork = {
    .name = "fork",
    .help = "one tensor for two consumers",
    .inputs = 1,
    .outputs = 2,
    .alias = true,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_fork_cpu),
            [DEVICE_CUDA] = &op_fork_cuda },
    .cases = cases,
};
