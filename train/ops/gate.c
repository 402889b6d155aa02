/* gate.c -- each channel of an image times its own factor, as at the end of a squeeze
 * and excitation block: definition and reference.
 *
 *     y[n][p][c] = x[n][p][c] f[n][c]
 *     dx = dy f      df = sum of dy x over the pixels */
#include "backends.h"

static int shape(struct op *op, struct sluice_error *err)
{
    char a[64], b[64];
    int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    const int *x = op->in[0]->shape, *f = op->in[1]->shape;
    if (f[0] != x[0] || f[1] != 1 || f[2] != 1 || f[3] != x[3])
        return sluice_fail(err, SLUICE_EINVAL,
                           "gate %s: factors are %s, expected one for each channel of "
                           "each image of %s",
                           op->name, tensor_shape_text(b, op->in[1]),
                           tensor_shape_text(a, op->in[0]));
    op_shape_like(op->out[0], op->in[0]);
    return 0;
}

static size_t pixels(const struct op *op)
{
    return (size_t)op->in[0]->shape[1] * (size_t)op->in[0]->shape[2];
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const size_t c = (size_t)op_channels(op->in[0]);
    const float *x = op->in[0]->data, *factor = op->in[1]->data;
    float *y = op->out[0]->data;
    for (int n = 0; n < op_batch(op); n++, factor += c)
        for (size_t i = 0; i < pixels(op) * c; i++)
            *y++ = *x++ * factor[i % c];
    return 0;
}

static void backward_data(const struct op *op)
{
    const size_t c = (size_t)op_channels(op->in[0]);
    const float *factor = op->in[1]->data, *dy = op->out[0]->grad;
    float *dx = op->in[0]->grad;
    for (int n = 0; n < op_batch(op); n++, factor += c)
        for (size_t i = 0; i < pixels(op) * c; i++)
            *dx++ = *dy++ * factor[i % c];
}

static void backward_factor(const struct op *op)
{
    const size_t c = (size_t)op_channels(op->in[0]), image = pixels(op) * c;
    const float *x = op->in[0]->data, *dy = op->out[0]->grad;
    float *dfactor = op->in[1]->grad;
    for (int n = 0; n < op_batch(op); n++, x += image, dy += image)
        for (size_t k = 0; k < c; k++) {
            double sum = 0;
            for (size_t i = k; i < image; i += c)
                sum += (double)x[i] * (double)dy[i];
            *dfactor++ = (float)sum;
        }
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    if (op->in[0]->grad)
        backward_data(op);
    if (op->in[1]->grad)
        backward_factor(op);
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "even", 2, 4, 4, 32, { 0 } },      { "odd", 3, 3, 5, 7, { 0 } },
    { "one pixel", 2, 1, 1, 48, { 0 } }, { "one channel", 3, 4, 2, 1, { 0 } },
    { "wide", 2, 5, 5, 100, { 0 } },     { 0 },
};

const struct op_def op_gate = {
    .name = "gate",
    .help = "each channel times its own factor",
    .inputs = 2,
    .outputs = 1,
    .factors = true,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_gate_cpu),
            [DEVICE_CUDA] = &op_gate_cuda },
    .cases = cases,
};
