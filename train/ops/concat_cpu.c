/* concat_cpu.c -- concat on device cpu: pixels in parallel. */
#include "../device_cpu.h"
#include "concat.h"

struct job {
    struct concat_part part;
    size_t size; /* of an element */
};

static void body(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    concat_copy(&job->part, job->size, begin, end);
}

static void copy(struct device *dev, const struct op *op, struct concat_part part)
{
    struct job job = { part, sluice_dtype_size(op->in[0]->dtype) };
    if (part.to)
        threads_for(dev, part.pixels, (size_t)part.count, body, &job);
}

static int forward(struct op *op, struct device *dev, struct pass *pass,
                   struct sluice_error *err)
{
    (void)pass, (void)err;
    for (int i = 0; i < 2; i++)
        copy(dev, op, concat_forward_part(op, i));
    return 0;
}

static int backward(struct op *op, struct device *dev, struct pass *pass,
                    struct sluice_error *err)
{
    (void)pass, (void)err;
    for (int i = 0; i < 2; i++)
        copy(dev, op, concat_backward_part(op, i));
    return 0;
}

const struct op_backend op_concat_cpu = { .forward = forward, .backward = backward };
