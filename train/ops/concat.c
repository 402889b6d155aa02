/* concat.c -- the channels of two tensors behind one another, such as what several
 * networks say about an image: definition and reference. More than two are a chain. */
#include "concat.h"

static int shape(struct op *op, struct sluice_error *err)
{
    char text[2][64];
    const int rc = op_check_input(op, err);
    if (rc < 0)
        return rc;
    const int *a = op->in[0]->shape, *b = op->in[1]->shape;
    if (a[0] != b[0] || a[1] != b[1] || a[2] != b[2])
        return sluice_fail(err, SLUICE_EINVAL,
                           "concat %s: %s and %s differ in more than their channels",
                           op->name, tensor_shape_text(text[0], op->in[0]),
                           tensor_shape_text(text[1], op->in[1]));
    op_shape_activation(op->out[0], a[0], a[1], a[2], a[3] + b[3], op->in[0]->dtype);
    return 0;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    for (int i = 0; i < 2; i++) {
        const struct concat_part part = concat_forward_part(op, i);
        concat_copy(&part, sizeof(float), 0, part.pixels);
    }
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    for (int i = 0; i < 2; i++) {
        const struct concat_part part = concat_backward_part(op, i);
        if (part.to)
            concat_copy(&part, sizeof(float), 0, part.pixels);
    }
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "alike", 2, 4, 4, 32, { 0 } },
    { "of ten and one", 3, 1, 1, 10, { 0 }, .second = 1 },
    { "of one and ten", 3, 1, 1, 1, { 0 }, .second = 10 },
    { "pixels", 2, 3, 5, 7, { 0 }, .second = 24 },
    { 0 },
};

const struct op_def op_concat = {
    .name = "concat",
    .help = "the channels of two tensors",
    .inputs = 2,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_concat_cpu),
            [DEVICE_CUDA] = &op_concat_cuda },
    .cases = cases,
};
