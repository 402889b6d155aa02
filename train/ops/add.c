/* add.c -- the sum of two tensors, where a residual branch comes back: definition and
 * reference. Both inputs' gradients are the output's, so the network may give them the
 * same memory. */
#include <string.h>

#include "backends.h"

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const float *a = op->in[0]->data, *b = op->in[1]->data;
    float *y = op->out[0]->data;
    for (size_t i = 0; i < tensor_elements(op->out[0]); i++)
        y[i] = a[i] + b[i];
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    for (int i = 0; i < 2; i++)
        if (op->in[i]->grad && op->in[i]->grad != op->out[0]->grad)
            memcpy(op->in[i]->grad, op->out[0]->grad, tensor_bytes(op->out[0]));
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "even", 2, 4, 4, 32, { 0 } },
    { "odd", 3, 3, 1, 7, { 0 } },
    { "one", 1, 1, 1, 1, { 0 } },
    { 0 },
};

const struct op_def op_add = {
    .name = "add",
    .help = "sum of two tensors",
    .inputs = 2,
    .outputs = 1,
    .alias_grad = true,
    .shape = op_shape_sum,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_add_cpu),
            [DEVICE_CUDA] = &op_add_cuda },
    .cases = cases,
};
