/* globalpool_cpu.c -- global maximum and mean on device cpu: an image at a time. */
#include <stdlib.h>

#include "../device_cpu.h"
#include "backends.h"

struct job {
    struct op *op;
    const struct kernels *kernels;
    enum sluice_dtype dtype;
    int pixels, c;
    size_t padded;  /* channels of an image's index */
    int32_t *index; /* (n, padded): pixel of each maximum */
};

static size_t padded(const struct op *op)
{
    return ((size_t)op_channels(op->in[0]) + 15) / 16 * 16;
}

static int globalmax_plan(struct op *op, struct device *dev, struct sluice_error *err)
{
    (void)dev;
    op->state = malloc((size_t)op_batch(op) * padded(op) * sizeof(int32_t));
    if (!op->state)
        return sluice_fail(err, SLUICE_ENOMEM, "globalmax %s: no memory", op->name);
    return 0;
}

static void globalmax_release(struct op *op)
{
    free(op->state);
    op->state = NULL;
}

static void each_image(struct op *op, struct device *dev, threads_body *body)
{
    const int *in = op->in[0]->shape;
    struct job job = { op,    cpu_kernels(dev), op->in[0]->dtype, in[1] * in[2],
                       in[3], padded(op),       op->state };
    threads_for(dev, (size_t)in[0], (size_t)job.pixels * (size_t)job.c, body, &job);
}

/* Image n of a tensor's values, for (pixels, c) or (c). */
static void *image(const struct job *job, void *values, size_t n, int pixels)
{
    return (char *)values +
           n * (size_t)pixels * (size_t)job->c * sluice_dtype_size(job->dtype);
}

static void max_forward(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct tensor *x = job->op->in[0], *y = job->op->out[0];
    for (size_t n = begin; n < end; n++)
        job->kernels->globalmax_forward(job->dtype, image(job, x->data, n, job->pixels),
                                        job->pixels, job->c, image(job, y->data, n, 1),
                                        job->index + n * job->padded);
}

static void max_backward(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct tensor *x = job->op->in[0], *y = job->op->out[0];
    for (size_t n = begin; n < end; n++)
        job->kernels->globalmax_backward(job->dtype, image(job, y->grad, n, 1),
                                         job->index + n * job->padded, job->pixels,
                                         job->c, image(job, x->grad, n, job->pixels));
}

static void avg_forward(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct tensor *x = job->op->in[0], *y = job->op->out[0];
    for (size_t n = begin; n < end; n++)
        job->kernels->globalavg_forward(job->dtype, image(job, x->data, n, job->pixels),
                                        job->pixels, job->c, image(job, y->data, n, 1));
}

static void avg_backward(void *arg, size_t begin, size_t end)
{
    const struct job *job = arg;
    const struct tensor *x = job->op->in[0], *y = job->op->out[0];
    const struct kernels *k = job->kernels;
    for (size_t n = begin; n < end; n++)
        (job->op->adds ? k->globalavg_add : k->globalavg_backward)(
            job->dtype, image(job, y->grad, n, 1), job->pixels, job->c,
            image(job, x->grad, n, job->pixels));
}

static int globalmax_forward(struct op *op, struct device *dev, struct pass *pass,
                             struct sluice_error *err)
{
    (void)pass, (void)err;
    each_image(op, dev, max_forward);
    return 0;
}

static int globalmax_backward(struct op *op, struct device *dev, struct pass *pass,
                              struct sluice_error *err)
{
    (void)pass, (void)err;
    if (op->in[0]->grad)
        each_image(op, dev, max_backward);
    return 0;
}

static int globalavg_forward(struct op *op, struct device *dev, struct pass *pass,
                             struct sluice_error *err)
{
    (void)pass, (void)err;
    each_image(op, dev, avg_forward);
    return 0;
}

static int globalavg_backward(struct op *op, struct device *dev, struct pass *pass,
                              struct sluice_error *err)
{
    (void)pass, (void)err;
    if (op->in[0]->grad)
        each_image(op, dev, avg_backward);
    return 0;
}

const struct op_backend op_globalmax_cpu = { .plan = globalmax_plan,
                                             .forward = globalmax_forward,
                                             .backward = globalmax_backward,
                                             .release = globalmax_release };
const struct op_backend op_globalavg_cpu = { .forward = globalavg_forward,
                                             .backward = globalavg_backward,
                                             .adds_gradient = true };
