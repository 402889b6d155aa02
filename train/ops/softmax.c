/* softmax.c -- softmax over the channels of each pixel, as an operator by itself:
 * definition and reference. A loss has its own; in front of one it is a quirk of some
 * published networks, which then minimise the cross-entropy of probabilities.
 *
 *     y = exp(x) / sum exp(x)      dx = y (dy - sum dy y)
 *
 * Backward makes y anew: in a half precision its rounding would be most of dx. */
#include "softmax.h"

#include <math.h>

/* log of the sum of exp(x) */
static double log_sum(enum sluice_dtype dtype, const void *x, size_t first, size_t c)
{
    double top = (double)tensor_value(dtype, x, first), sum = 0;
    for (size_t k = first + 1; k < first + c; k++)
        top = fmax(top, (double)tensor_value(dtype, x, k));
    for (size_t k = first; k < first + c; k++)
        sum += exp((double)tensor_value(dtype, x, k) - top);
    return top + log(sum);
}

void softmax_forward_row(enum sluice_dtype dtype, const void *x, void *y, size_t first,
                         size_t c)
{
    const double lse = log_sum(dtype, x, first, c);
    for (size_t k = first; k < first + c; k++)
        tensor_set_value(dtype, y, k,
                         (float)exp((double)tensor_value(dtype, x, k) - lse));
}

void softmax_backward_row(enum sluice_dtype dtype, const void *x, const void *dy,
                          void *dx, size_t first, size_t c)
{
    const double lse = log_sum(dtype, x, first, c);
    double sum = 0;
    for (size_t k = first; k < first + c; k++)
        sum += exp((double)tensor_value(dtype, x, k) - lse) *
               (double)tensor_value(dtype, dy, k);
    for (size_t k = first; k < first + c; k++)
        tensor_set_value(dtype, dx, k,
                         (float)(exp((double)tensor_value(dtype, x, k) - lse) *
                                 ((double)tensor_value(dtype, dy, k) - sum)));
}

static int shape(struct op *op, struct sluice_error *err)
{
    const int rc = op_check_input(op, err);
    if (rc == 0)
        op_shape_like(op->out[0], op->in[0]);
    return rc;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const struct tensor *t = op->in[0];
    const size_t c = (size_t)op_channels(t);
    for (size_t i = 0; i < op_pixels(t); i++)
        softmax_forward_row(t->dtype, t->data, op->out[0]->data, i * c, c);
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)dev, (void)pass, (void)err;
    const struct tensor *t = op->in[0];
    const size_t c = (size_t)op_channels(t);
    for (size_t i = 0; t->grad && i < op_pixels(t); i++)
        softmax_backward_row(t->dtype, t->data, op->out[0]->grad, t->grad, i * c, c);
    return 0;
}

static const struct op_backend ref = { .forward = forward, .backward = backward };

static const struct op_case cases[] = {
    { "ten", 5, 1, 1, 10, { 0 } },
    { "pixels", 2, 3, 2, 17, { 0 } },
    { "one class", 3, 1, 1, 1, { 0 } },
    { 0 },
};

const struct op_def op_softmax = {
    .name = "softmax",
    .help = "softmax over channels",
    .inputs = 1,
    .outputs = 1,
    .shape = shape,
    .on = { [DEVICE_REF] = &ref,
            [DEVICE_CPU] = IF_ONEDNN(&op_softmax_cpu),
            [DEVICE_CUDA] = &op_softmax_cuda },
    .cases = cases,
};
