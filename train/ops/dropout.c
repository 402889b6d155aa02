/* dropout.c -- in training each element is zeroed with probability p and scaled by
 * 1 / (1 - p) otherwise; else nothing happens. Definition and reference.
 *
 * With per_channel an image's whole channels are zeroed (Tompson, Goroshin, Jain,
 * LeCun, Bregler: "Efficient object localization using convolutional networks", 2015).
 */
#include <string.h>

#include "backends.h"
#include "dropout.h"

/* Both directions are the same multiplication by the mask. */
static void apply(const struct op *op, const struct pass *pass, const float *from,
                  float *to)
{
    const uint32_t threshold = dropout_threshold(op->attr.p);
    const float scale = 1 / (1 - op->attr.p);
    const size_t count = tensor_elements(op->in[0]);
    const size_t image = count / (size_t)op_batch(op),
                 c = (size_t)op_channels(op->in[0]);
    uint32_t words[4];
    if (!pass->training) {
        memcpy(to, from, count * sizeof *to);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t draw = op->attr.per_channel ? i / image * c + i % c : i;
        if (draw % 4 == 0 || op->attr.per_channel)
            dropout_words(pass->seed, pass->step, op->number, draw / 4, words);
        to[i] = words[draw % 4] >= threshold ? from[i] * scale : 0;
    }
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)err;
    apply(op, pass, op->in[0]->data, op->out[0]->data);
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)err;
    if (op->in[0]->grad)
        apply(op, pass, op->out[0]->grad, op->in[0]->grad);
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "half", 2, 4, 4, 32, { .p = 0.5F } },
    { "quarter odd", 3, 3, 1, 7, { .p = 0.25F } },
    { "none", 1, 2, 2, 5, { .p = 0 } },
    { "most", 5, 1, 1, 50, { .p = 0.9F } },
    { "channels", 3, 4, 5, 32, { .p = 0.25F, .per_channel = true } },
    { "channels odd", 5, 3, 3, 7, { .p = 0.5F, .per_channel = true } },
    { "channels of one pixel", 3, 1, 1, 19, { .p = 0.1F, .per_channel = true } },
    { 0 },
};

const struct op_def op_dropout = {
    .name = "dropout",
    .help = "zero elements at random while training",
    .inputs = 1,
    .outputs = 1,
    .shape = op_shape_random,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_dropout_cpu),
            [DEVICE_CUDA] = &op_dropout_cuda },
    .cases = cases,
};
