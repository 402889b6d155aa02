/* add_relu.c -- the sum of two tensors and ReLU of it, as at the end of a residual
 * block: definition and reference. One pass where add and activation are two, and
 * nothing kept between them. Both inputs' gradients are the same, so the network may
 * give them the same memory. */
#include "backends.h"

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const float *a = op->in[0]->data, *b = op->in[1]->data;
    float *y = op->out[0]->data;
    for (size_t i = 0; i < tensor_elements(op->out[0]); i++)
        y[i] = a[i] + b[i] <= 0 ? 0 : a[i] + b[i];
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const float *y = op->out[0]->data, *dy = op->out[0]->grad;
    for (int k = 0; k < 2; k++) {
        float *dx = op->in[k]->grad;
        for (size_t i = 0; dx && i < tensor_elements(op->out[0]); i++)
            dx[i] = y[i] > 0 ? dy[i] : 0;
    }
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "even", 2, 4, 4, 32, { 0 } },
    { "odd", 3, 3, 1, 7, { 0 } },
    { "large", 2, 17, 33, 5, { 0 } },
    { 0 },
};

const struct op_def op_add_relu = {
    .name = "add_relu",
    .help = "ReLU of the sum of two tensors",
    .inputs = 2,
    .outputs = 1,
    .shared_grad = true,
    .shape = op_shape_sum,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_add_relu_cpu),
            [DEVICE_CUDA] = &op_add_relu_cuda },
    .cases = cases,
};
