/* globalpool.c -- maximum and mean over all pixels of an image: definitions and
 * references. Of equal maxima the first gets the gradient. */
#include <math.h>
#include <string.h>

#include "backends.h"

static int shape(struct op *op, struct sluice_error *err)
{
    int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    const struct tensor *x = op->in[0];
    op_shape_activation(op->out[0], x->shape[0], 1, 1, x->shape[3], x->dtype);
    return 0;
}

static int pixels(const struct op *op)
{
    return op->in[0]->shape[1] * op->in[0]->shape[2];
}

/* Pixel of the largest value; x points at the image's first value of the channel. */
static size_t argmax(const float *x, int count, size_t c)
{
    size_t best = 0;
    for (size_t p = 1; p < (size_t)count; p++)
        if (x[p * c] > x[best * c] || (isnan(x[p * c]) && !isnan(x[best * c])))
            best = p;
    return best;
}

static int globalmax_forward(struct op *op, struct device *dev, struct pass *pass,
                             struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const size_t c = (size_t)op_channels(op->in[0]);
    const float *x = op->in[0]->data;
    float *y = op->out[0]->data;
    for (int n = 0; n < op_batch(op); n++, x += (size_t)pixels(op) * c, y += c)
        for (size_t k = 0; k < c; k++)
            y[k] = x[k + argmax(x + k, pixels(op), c) * c];
    return 0;
}

static int globalmax_backward(struct op *op, struct device *dev, struct pass *pass,
                              struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const size_t c = (size_t)op_channels(op->in[0]), image = (size_t)pixels(op) * c;
    const float *x = op->in[0]->data, *dy = op->out[0]->grad;
    float *dx = op->in[0]->grad;
    if (!dx)
        return 0;
    memset(dx, 0, tensor_bytes(op->in[0]));
    for (int n = 0; n < op_batch(op); n++, x += image, dx += image, dy += c)
        for (size_t k = 0; k < c; k++)
            dx[k + argmax(x + k, pixels(op), c) * c] = dy[k];
    return 0;
}

static int globalavg_forward(struct op *op, struct device *dev, struct pass *pass,
                             struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const size_t c = (size_t)op_channels(op->in[0]);
    const float *x = op->in[0]->data;
    float *y = op->out[0]->data;
    for (int n = 0; n < op_batch(op); n++, x += (size_t)pixels(op) * c, y += c)
        for (size_t k = 0; k < c; k++) {
            double sum = 0;
            for (size_t p = 0; p < (size_t)pixels(op); p++)
                sum += (double)x[p * c + k];
            y[k] = (float)(sum / pixels(op));
        }
    return 0;
}

static int globalavg_backward(struct op *op, struct device *dev, struct pass *pass,
                              struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const size_t c = (size_t)op_channels(op->in[0]);
    const float *dy = op->out[0]->grad;
    float *dx = op->in[0]->grad;
    if (!dx)
        return 0;
    for (int n = 0; n < op_batch(op); n++, dy += c)
        for (int p = 0; p < pixels(op); p++)
            for (size_t k = 0; k < c; k++)
                *dx++ = dy[k] / (float)pixels(op);
    return 0;
}

static const struct op_backend globalmax_ref = { .forward = globalmax_forward,
                                                 .backward = globalmax_backward };
static const struct op_backend globalavg_ref = { .forward = globalavg_forward,
                                                 .backward = globalavg_backward };

static const struct op_case cases[] = {
    { "6x6", 3, 6, 6, 128, { 0 } },
    { "odd", 2, 3, 5, 7, { 0 } },
    { "one pixel", 2, 1, 1, 32, { 0 } },
    { "one channel", 1, 4, 4, 1, { 0 } },
    { 0 },
};

const struct op_def op_globalmax = {
    .name = "globalmax",
    .help = "largest value of each channel",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &globalmax_ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_globalmax_cpu),
            [DEVICE_CUDA] = &op_globalmax_cuda },
    .cases = cases,
};

const struct op_def op_globalavg = {
    .name = "globalavg",
    .help = "mean of each channel",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &globalavg_ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_globalavg_cpu),
            [DEVICE_CUDA] = &op_globalavg_cuda },
    .cases = cases,
};
