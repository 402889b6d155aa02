/* droppath.c -- stochastic depth: in training a residual branch is left out with
 * probability p, for the whole batch or image by image. Definition and reference.
 *
 * What is left out becomes zeros before the branch is added, so that the shortcut, with
 * its projection where it has one, goes on alone:
 *
 *     y = act(shortcut(x) + factor branch(x))
 *
 * where the factor is 0, or 1 or what makes up for zeros.
 *
 * A branch that is left out for the whole batch is not computed: see net_branches.c.
 *
 * Huang, Sun, Liu, Sedra, Weinberger: "Deep networks with stochastic depth" (2016) draw
 * for the batch and scale in evaluation: DROP_EXPECTED. */
#include "droppath.h"
#include "backends.h"

static int shape(struct op *op, struct sluice_error *err)
{
    if (op->attr.scaling < DROP_UNSCALED || op->attr.scaling > DROP_INVERTED)
        return sluice_fail(err, SLUICE_EINVAL,
                           "droppath %s: scaling %d, expected 0 to %d", op->name,
                           (int)op->attr.scaling, DROP_INVERTED);
    return op_shape_random(op, err);
}

/* Both directions are the same multiplication. */
static void apply(const struct op *op, const struct pass *pass, const float *from,
                  float *to)
{
    const size_t image = tensor_elements(op->in[0]) / (size_t)op_batch(op);
    for (size_t n = 0; n < (size_t)op_batch(op); n++) {
        const float factor = droppath_factor(op, pass, n);
        for (size_t i = 0; i < image; i++, from++)
            *to++ = factor == 0 ? 0 : *from * factor;
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

/* clang-format off */
static const struct op_case cases[] = {
    { "batch",    4, 3, 3, 16, { .p = 0.25F } },
    { "sample",  11, 4, 4, 32, { .p = 0.5F, .per_sample = true } },
    { "expected", 9, 3, 1,  7, { .p = 0.25F, .per_sample = true, .scaling = DROP_EXPECTED } },
    { "inverted", 9, 1, 5,  5, { .p = 0.5F, .per_sample = true, .scaling = DROP_INVERTED } },
    { "never",    2, 2, 2,  3, { .p = 0 } },
    { "most",     3, 2, 2,  8, { .p = 0.97F } },
    { 0 },
};
/* clang-format on */

const struct op_def op_droppath = {
    .name = "droppath",
    .help = "leave out residual branches at random while training",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_droppath_cpu),
            [DEVICE_CUDA] = &op_droppath_cuda },
    .cases = cases,
};
