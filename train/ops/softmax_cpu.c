/* softmax_cpu.c -- softmax on device cpu: pixels in parallel. */
#include "../device_cpu.h"
#include "softmax.h"

static void forward_rows(void *arg, size_t begin, size_t end)
{
    const struct op *op = arg;
    const struct tensor *t = op->in[0];
    const size_t c = (size_t)op_channels(t);
    for (size_t i = begin; i < end; i++)
        softmax_forward_row(t->dtype, t->data, op->out[0]->data, i * c, c);
}

static void backward_rows(void *arg, size_t begin, size_t end)
{
    const struct op *op = arg;
    const struct tensor *t = op->in[0];
    const size_t c = (size_t)op_channels(t);
    for (size_t i = begin; i < end; i++)
        softmax_backward_row(t->dtype, t->data, op->out[0]->grad, t->grad, i * c, c);
}

/* An exponential is worth about as much as sixteen other elements. */
static size_t weight(const struct op *op)
{
    return (size_t)op_channels(op->in[0]) * 32;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)pass, (void)err;
    threads_for(dev, op_pixels(op->in[0]), weight(op), forward_rows, op);
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)pass, (void)err;
    if (op->in[0]->grad)
        threads_for(dev, op_pixels(op->in[0]), weight(op), backward_rows, op);
    return 0;
}

const struct op_backend op_softmax_cpu = { .forward = forward, .backward = backward };
