/* linear.c -- fully connected layer: definition and reference.
 *
 * The weight's columns run over (c, h, w) of the input, as PyTorch's do after
 * flatten(), while activations lie as (h, w, c): the reference walks the input in the
 * weight's order. */
#include <stdio.h>

#include "backends.h"

static int shape(struct op *op, struct sluice_error *err)
{
    int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    const struct tensor *x = op->in[0];
    if (op->attr.out_channels < 1)
        return sluice_fail(err, SLUICE_EINVAL,
                           "linear %s: %d output channels, expected at least 1",
                           op->name, op->attr.out_channels);
    op_shape_activation(op->out[0], x->shape[0], 1, 1, op->attr.out_channels, x->dtype);
    struct tensor *weight = op->param[0];
    weight->rank = 2;
    weight->shape[0] = op->attr.out_channels;
    weight->shape[1] = x->shape[1] * x->shape[2] * x->shape[3];
    weight->dtype = SLUICE_F32;
    snprintf(weight->name, sizeof weight->name, "weight");
    if (op->attr.bias)
        op_shape_vector(op->param[1], "bias", op->attr.out_channels);
    else
        op_shape_none(op->param[1]);
    return 0;
}

/* Where column i of the weight finds its input within an image. */
static size_t column(const struct tensor *x, int i)
{
    const int pixels = x->shape[1] * x->shape[2], c = x->shape[3];
    return (size_t)(i % pixels) * (size_t)c + (size_t)(i / pixels);
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const int in = op->param[0]->shape[1], out = op->attr.out_channels;
    const float *x = op->in[0]->data, *weight = op->param[0]->data;
    const float *bias = op->param[1] ? op->param[1]->data : NULL;
    float *y = op->out[0]->data;
    for (int n = 0; n < op_batch(op); n++, x += in, y += out)
        for (int k = 0; k < out; k++) {
            double sum = bias ? (double)bias[k] : 0;
            for (int i = 0; i < in; i++)
                sum += (double)x[column(op->in[0], i)] *
                       (double)weight[(size_t)k * (size_t)in + (size_t)i];
            y[k] = (float)sum;
        }
    return 0;
}

static void backward_input(const struct op *op)
{
    const int in = op->param[0]->shape[1], out = op->attr.out_channels;
    const float *weight = op->param[0]->data, *dy = op->out[0]->grad;
    float *dx = op->in[0]->grad;
    for (int n = 0; n < op_batch(op); n++, dx += in, dy += out)
        for (int i = 0; i < in; i++) {
            double sum = 0;
            for (int k = 0; k < out; k++)
                sum +=
                    (double)dy[k] * (double)weight[(size_t)k * (size_t)in + (size_t)i];
            dx[column(op->in[0], i)] = (float)sum;
        }
}

static void backward_weight(const struct op *op)
{
    const int in = op->param[0]->shape[1], out = op->attr.out_channels;
    const float *x = op->in[0]->data, *dy = op->out[0]->grad;
    float *dweight = op->param[0]->grad;
    for (int k = 0; k < out; k++)
        for (int i = 0; i < in; i++) {
            const size_t at = column(op->in[0], i);
            double sum = 0;
            for (int n = 0; n < op_batch(op); n++)
                sum += (double)dy[(size_t)n * (size_t)out + (size_t)k] *
                       (double)x[(size_t)n * (size_t)in + at];
            *dweight++ = (float)sum;
        }
}

static void backward_bias(const struct op *op)
{
    const int out = op->attr.out_channels;
    const float *dy = op->out[0]->grad;
    float *dbias = op->param[1]->grad;
    for (int k = 0; k < out; k++) {
        double sum = 0;
        for (int n = 0; n < op_batch(op); n++)
            sum += (double)dy[(size_t)n * (size_t)out + (size_t)k];
        dbias[k] = (float)sum;
    }
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    if (op->in[0]->grad)
        backward_input(op);
    if (op->param[0]->grad)
        backward_weight(op);
    if (op->param[1] && op->param[1]->grad)
        backward_bias(op);
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

/* clang-format off */
static const struct op_case cases[] = {
    { "head",       3, 1, 1, 128, { .out_channels = 10 } },
    { "head bias",  5, 1, 1,  64, { .out_channels = 10, .bias = true } },
    { "image",      2, 4, 3,   5, { .out_channels = 17, .bias = true } },
    { "wide",       4, 1, 1,  33, { .out_channels = 96, .bias = true } },
    { "many weights", 5, 2, 2, 150, { .out_channels = 136, .bias = true } },
    { "map",        3, 3, 3,  32, { .out_channels = 40 } },
    { "one image",  1, 2, 2,   8, { .out_channels = 16, .bias = true } },
    { "one output", 3, 1, 1,  48, { .out_channels =  1, .bias = true } },
    { 0 },
};
/* clang-format on */

const struct op_def op_linear = {
    .name = "linear",
    .help = "fully connected layer",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_linear_cpu),
            [DEVICE_CUDA] = &op_linear_cuda },
    .cases = cases,
};
