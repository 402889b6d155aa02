/* flatten_cpu.c -- images as vectors on device cpu: an image at a time. */
#include "../device_cpu.h"
#include "flatten.h"

struct job {
    const struct op *op;
    bool back;
    const void *from;
    void *to;
};

static void images(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    for (size_t n = begin; n < end; n++)
        flatten_image(job->op, n, job->back, job->from, job->to);
}

static int each_image(const struct op *op, struct device *dev, bool back,
                      const void *from, void *to)
{
    struct job job = { op, back, from, to };
    if (to)
        threads_for(dev, (size_t)op_batch(op), (size_t)op_channels(op->out[0]), images,
                    &job);
    return 0;
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)pass, (void)err;
    return each_image(op, dev, false, op->in[0]->data, op->out[0]->data);
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)pass, (void)err;
    return each_image(op, dev, true, op->out[0]->grad, op->in[0]->grad);
}

const struct op_backend op_flatten_cpu = { .forward = forward, .backward = backward };
