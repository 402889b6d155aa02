/* flatten.c -- an image as one vector, channel by channel as PyTorch's NCHW has it:
 * (n, h, w, c) becomes (n, 1, 1, c h w). Definition and reference.
 *
 * A linear layer needs none: its weights stand in that order already. What adds a
 * vector to an image does. */
#include <string.h>

#include "flatten.h"

static int shape(struct op *op, struct sluice_error *err)
{
    const int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    const struct tensor *x = op->in[0];
    op_shape_activation(op->out[0], x->shape[0], 1, 1,
                        x->shape[1] * x->shape[2] * x->shape[3], x->dtype);
    return 0;
}

void flatten_image(const struct op *op, size_t n, bool back, const void *from, void *to)
{
    const struct tensor *t = op->in[0];
    const size_t c = (size_t)op_channels(t), size = sluice_dtype_size(t->dtype);
    const size_t pixels = (size_t)t->shape[1] * (size_t)t->shape[2];
    const char *source = (const char *)from + n * pixels * c * size;
    char *target = (char *)to + n * pixels * c * size;
    if (c == 1 || pixels == 1) {
        memcpy(target, source, pixels * c * size);
        return;
    }
    for (size_t k = 0; k < c; k++)
        for (size_t p = 0; p < pixels; p++) {
            const size_t image = (p * c + k) * size, vector = (k * pixels + p) * size;
            memcpy(target + (back ? image : vector), source + (back ? vector : image),
                   size);
        }
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    for (size_t n = 0; n < (size_t)op_batch(op); n++)
        flatten_image(op, n, false, op->in[0]->data, op->out[0]->data);
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    for (size_t n = 0; op->in[0]->grad && n < (size_t)op_batch(op); n++)
        flatten_image(op, n, true, op->out[0]->grad, op->in[0]->grad);
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "color", 3, 4, 5, 3, { 0 } },
    { "gray", 2, 7, 3, 1, { 0 } },
    { "vector", 4, 1, 1, 33, { 0 } },
    { 0 },
};

const struct op_def op_flatten = {
    .name = "flatten",
    .help = "an image as one vector, channel by channel",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_flatten_cpu),
            [DEVICE_CUDA] = &op_flatten_cuda },
    .cases = cases,
};
